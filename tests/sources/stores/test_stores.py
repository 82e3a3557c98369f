"""Tests of Zarr, HDF5 and xarray."""

import sys
import zipfile

import fsspec
import h5py
import numpy as np
import pytest
import xarray
import zarr

import evenly
from evenly.cli import main
from evenly.dispatch import is_stored
from evenly.sources import ReadOptions, open_source
from evenly.sources.stores import array_source
from small_blocks import use_block_sizes

X = np.arange(60.0).reshape(20, 3)


@pytest.fixture(params=["zarr", "hdf5"])
def library(request):
    return request.param


@pytest.fixture
def store(library, tmp_path):
    """Return a function that writes arrays by their paths and returns the path of the store."""

    def write(**arrays):
        if library == "zarr":
            group = zarr.open_group(tmp_path / "x.zarr", mode="w")
            for name, x in arrays.items():
                group.create_array(name.replace("__", "/"), data=np.asarray(x))
            return tmp_path / "x.zarr"
        with h5py.File(tmp_path / "x.h5", "w") as file:
            for name, x in arrays.items():
                file[name.replace("__", "/")] = x
        return tmp_path / "x.h5"

    return write


def attribute(path, name, **attributes):
    """Set attributes of an array in a store."""
    if path.suffix == ".zarr":
        zarr.open_group(path, mode="r+")[name].attrs.update(attributes)
    else:
        with h5py.File(path, "r+") as file:
            file[name].attrs.update(attributes)


@pytest.mark.parametrize("select", ["group/data", "/group/data", ("group", "data")])
def test_an_array_is_selected_by_its_path(store, select):
    path = store(group__data=X, other=np.ones(4))
    moments = evenly.fit(path, select=select)
    assert moments == evenly.fit(X)
    assert moments.columns is None


def test_single_numeric_array_is_selected(store):
    assert evenly.fit(store(deep__inside__x=X)) == evenly.fit(X)


def test_single_array_of_selected_group(store):
    assert evenly.fit(store(a__x=X, b=np.ones(4)), select="a") == evenly.fit(X)


def test_one_dimensional_arrays_are_columns(store):
    moments = evenly.fit(store(a=np.arange(4), b=np.ones(4)))
    assert moments.columns == ("a", "b")
    assert moments.mean.tolist() == [1.5, 1]


def test_named_arrays_of_equal_shape_are_columns(store):
    """Variables of a climate dataset have one mean each, whatever their dimensions."""
    path = store(t=X, u=X + 1, lat=np.arange(20.0))
    moments = evenly.fit(path, columns=["u", "t"])
    assert moments == evenly.Moments.empty(("u", "t")).update(
        np.stack([X.ravel() + 1, X.ravel()], axis=1)
    )
    assert (moments.columns, moments.rows) == (("u", "t"), 60)


def test_several_arrays_need_select(store):
    path = store(x=X, y=np.ones(20))
    with pytest.raises(evenly.DataError, match=r"needs select=.*'x 20×3 float64', 'y 20 fl"):
        evenly.fit(path)


def test_named_arrays_of_different_shapes_are_rejected(store):
    with pytest.raises(evenly.DataError, match=r"must have the same shape.*'x' of shape \(20, 3\)"):
        evenly.fit(store(x=X, y=np.ones(20)), columns=["x", "y"])


def test_missing_array_lists_known_arrays(store):
    with pytest.raises(
        evenly.ColumnError, match=r"name an array in the store.*'dta'.*has 'data'.*'data'\?"
    ):
        evenly.fit(store(data=X), select="dta")


def test_store_without_arrays_is_rejected(store):
    with pytest.raises(evenly.SourceError, match=r"must contain an array.*contains none"):
        evenly.fit(store())


@pytest.mark.filterwarnings("ignore:The data type")
def test_text_array_is_rejected(store):
    with pytest.raises(evenly.UnsupportedTypeError, match=r"integers, booleans or floats.*/name"):
        evenly.fit(store(name=np.array([b"a", b"b"])))


def test_empty_source_is_rejected(store):
    with pytest.raises(evenly.DataError, match="At least one row is needed"):
        evenly.fit(store(x=np.ones((0, 3))))


def test_feature_axis(store):
    images = np.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    assert evenly.fit(store(x=images), feature_axis=1) == evenly.fit(images, feature_axis=1)


@pytest.mark.parametrize("fill", [{"_FillValue": -9}, {"missing_value": -9.0}])
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_fill_values_are_missing(store, fill, dtype):
    path = store(t=np.array([1, -9, 3], dtype))
    attribute(path, "t", **fill)
    moments = evenly.fit(path)
    assert (moments.mean.tolist(), moments.missing.tolist()) == ([2], [1])


def test_nan_fill_value(library, store):
    path = store(t=np.array([1, np.nan, 3]))
    attribute(path, "t", _FillValue=np.nan)
    assert evenly.fit(path).missing.tolist() == [1]


@pytest.mark.parametrize("packing", [{"scale_factor": 0.1}, {"add_offset": 273.15}])
def test_packed_values_are_unpacked(store, packing):
    path = store(t=np.array([1, 2], np.int16))
    attribute(path, "t", **packing)
    unpacked = np.array([1, 2]) * packing.get("scale_factor", 1) + packing.get("add_offset", 0)
    assert evenly.fit(path) == evenly.fit(unpacked)


def test_row_count_is_known(store):
    seen = []
    evenly.fit(store(x=X), progress=seen.append)
    assert (seen[-1].rows, seen[-1].total_rows) == (20, 20)


def test_command_line(store, tmp_path, capsys):
    path = store(group__data=X, y=np.ones(4))
    output = tmp_path / "x.json"
    assert main(["fit", str(path), "--select", "/group/data", "-q", "-o", str(output)]) == 0
    assert evenly.load(output) == evenly.fit(X)
    assert main(["fit", str(path)]) == 1
    assert "--select group/data or --columns" in capsys.readouterr().err


def test_folder_with_stores_and_files(store, tmp_path):
    store(x=X)
    np.save(tmp_path / "y.npy", X + 1)
    assert evenly.fit(tmp_path) == evenly.fit(np.concatenate([X, X + 1]))


@pytest.mark.parametrize("in_order", [False, True])
def test_large_chunks_are_read_out_of_row_order(tmp_path, monkeypatch, in_order):
    """Weights, which need the row order, are still correct."""
    use_block_sizes(monkeypatch, store_bytes=200, max_store_bytes=500)
    x = np.random.default_rng(0).normal(size=(8, 6, 5)).astype(np.float32)
    array = zarr.create_array(tmp_path / "x.zarr", data=x, chunks=(8, 2, 5))
    weights = np.arange(48.0) if in_order else None
    options = {"weights": weights, "feature_axis": -1}
    assert evenly.fit(array, **options) == evenly.fit(x, **options)
    if not in_order:
        places = {
            block.label for block in open_source(array, ReadOptions(feature_axis=-1)).blocks()
        }
        assert places == {"the Zarr array /, in the order of its chunks"}


def test_corrupt_hdf5_file_is_rejected(tmp_path):
    path = tmp_path / "x.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(evenly.SourceError, match=r"must be complete.*x\.h5"):
        evenly.fit(path)
    path.write_bytes(b"hello")
    with pytest.raises(evenly.SourceError, match=r"A \.h5 file must be HDF5"):
        evenly.fit(path)


def test_corrupt_chunk_is_rejected(store, library):
    path = store(x=X)
    if library == "hdf5":
        with h5py.File(path, "w") as file:
            file.create_dataset("x", data=X, chunks=(5, 3), compression="gzip")
            place = file["x"].id.get_chunk_info(2).byte_offset
        data = bytearray(path.read_bytes())
        data[place : place + 8] = bytes(8)
        path.write_bytes(data)
    else:
        next(file for file in (path / "x" / "c").rglob("*") if file.is_file()).write_bytes(
            b"no chunk"
        )
    with pytest.raises(evenly.SourceError, match=r"must be complete.*/x, which cannot be read"):
        evenly.fit(path)


def test_zarr_store_without_metadata_is_rejected(tmp_path):
    (tmp_path / "x.zarr").mkdir()
    (tmp_path / "x.zarr" / "zarr.json").write_text("{")
    with pytest.raises(evenly.SourceError, match="A store must be complete"):
        evenly.fit(tmp_path / "x.zarr")


def test_netcdf_3_is_rejected(tmp_path):
    (tmp_path / "x.nc").write_bytes(b"CDF\x01" + bytes(20))
    with pytest.raises(evenly.SourceError, match="NetCDF must be of version 4"):
        evenly.fit(tmp_path / "x.nc")


def test_zarr_of_version_2_is_read(tmp_path):
    group = zarr.open_group(tmp_path / "x.zarr", mode="w", zarr_format=2)
    group.create_array("x", data=X)
    assert evenly.fit(tmp_path / "x.zarr") == evenly.fit(X)


def test_zarr_group_that_contains_itself_is_read_once(tmp_path):
    """A ZIP file with a member without a name; links, where a folder is the store."""
    folder, archive = tmp_path / "x.zarr", tmp_path / "x.zip"
    group = zarr.open_group(folder, mode="w")
    for name in ("x", "inner/y"):
        group.create_array(name, data=np.arange(4.0))
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("/", "")
        for path in folder.rglob("*"):
            if path.is_file():
                members.write(path, path.relative_to(folder))
    (folder / "loop").symlink_to(".")
    (folder / "inner" / "up").symlink_to("..")
    for path in (folder, archive):
        assert evenly.fit(path).columns == ("inner/y", "x")


def test_zarr_is_read_by_url():
    group = zarr.open_group("memory://stores/x.zarr", mode="w")
    group.create_array("x", data=X)
    assert evenly.fit("memory://stores/x.zarr") == evenly.fit(X)


def test_hdf5_is_read_by_url(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = X
    fsspec.filesystem("memory").pipe("/stores/x.h5", (tmp_path / "x.h5").read_bytes())
    assert evenly.fit("memory://stores/x.h5") == evenly.fit(X)


def test_read_only_hdf5_file(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = X
    (tmp_path / "x.h5").chmod(0o444)
    before = (tmp_path / "x.h5").read_bytes()
    assert evenly.fit(tmp_path / "x.h5") == evenly.fit(X)
    assert (tmp_path / "x.h5").read_bytes() == before


def test_xarray_variable():
    data = xarray.Dataset({"t": (("x", "y"), X), "u": (("x", "y"), X + 1)})
    assert evenly.fit(data, select="t") == evenly.fit(X)
    assert evenly.fit(data, columns=["t", "u"]).columns == ("t", "u")


def test_numpy_array_is_not_a_store():
    assert not is_stored(X)


def test_few_blocks_are_in_memory(tmp_path, monkeypatch):
    """One is summed, one waits, and one is being read."""
    use_block_sizes(monkeypatch, store_bytes=240)
    alive, most = 0, 0

    class Counted:
        shape, dtype, chunks = (1000, 3), np.dtype(float), (10, 3)

        def read(self, slices):
            nonlocal alive, most
            alive += 1
            most = max(most, alive)
            return X[:10]

    source = array_source.ChunkedSource(Counted(), ReadOptions(), label="x")
    for block in source.blocks():
        alive -= 1
        del block
    assert most <= 4


@pytest.mark.parametrize(
    ("package", "name", "feature"), [("zarr", "x.zarr", "Reading Zarr"), ("h5py", "x.h5", "HDF5")]
)
def test_a_missing_package_names_the_command(tmp_path, monkeypatch, package, name, feature):
    for module in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    if package == "zarr":
        (tmp_path / name).mkdir()
        (tmp_path / name / "zarr.json").write_text("{}")
    else:
        (tmp_path / name).write_bytes(b"\x89HDF\r\n\x1a\n")
    extra = "hdf5" if package == "h5py" else package
    with pytest.raises(evenly.MissingExtraError, match=rf"{feature} .*evenly\[{extra}\]"):
        evenly.fit(tmp_path / name)
