"""Tests of decoding by CF attributes: the same values as xarray, in each format that it writes."""

import logging

import h5py
import numpy as np
import pytest
import xarray
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import evenly
from evenly.sources.stores import hdf5
from evenly.sources.stores import zarr as zarr_store

pytestmark = [
    pytest.mark.filterwarnings("ignore::xarray.SerializationWarning"),
    pytest.mark.filterwarnings("ignore:Consolidated metadata"),
    pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning"),
]

FORMATS = ("netcdf", "zarr 2", "zarr 3")


def write(dataset, path, file_format):
    """Write a dataset as it is encoded, and return the path."""
    if file_format == "netcdf":
        dataset.to_netcdf(path / "x.nc", engine="netcdf4")
        return path / "x.nc"
    version = int(file_format[-1])
    dataset.to_zarr(path / "x.zarr", zarr_format=version, consolidated=False, mode="w")
    return path / "x.zarr"


def encoded(values, dims="x", **attributes):
    """Return a dataset with a variable ``v`` whose attributes are written unchanged."""
    return xarray.Dataset({"v": (dims, np.asarray(values), attributes)})


def opened(path):
    """Return what xarray reads."""
    engine = {"engine": "zarr", "consolidated": False} if path.suffix == ".zarr" else {}
    with xarray.open_dataset(path, mask_and_scale=True, **engine) as dataset:
        return dataset.load()


def decoded(path):
    """Return all values of the variable ``v`` as evenly reads them."""
    library = zarr_store if path.suffix == ".zarr" else hdf5
    root = library.open_path(str(path), "x")
    array = library.Store(root, "x").find("v")[""].decoded
    return array.read(tuple(slice(0, length) for length in array.shape))


@st.composite
def variables(draw):
    """Draw stored values and their attributes."""
    dtype = np.dtype(draw(st.sampled_from(["i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8"])))
    if dtype.kind == "f":
        numbers = st.floats(-1000, 1000, width=32) | st.just(np.nan)
    else:
        limits = np.iinfo(dtype)
        numbers = st.integers(int(limits.min), int(limits.max))
    values = np.array(draw(st.lists(numbers, min_size=1, max_size=8)), dtype)
    attributes = {}
    for name in draw(st.sets(st.sampled_from(["_FillValue", "missing_value"]))):
        attributes[name] = draw(st.sampled_from(list(values)))
    if dtype.kind in "iu" and draw(st.booleans()):
        attributes["_Unsigned"] = "true" if dtype.kind == "i" else "false"
        attributes.pop("missing_value", None)  # xarray does not convert it
        if dtype.kind == "u":
            attributes.pop("_FillValue", None)  # xarray cannot convert large ones
    factors = [np.float64(0.01), np.float64(3.0)]
    if dtype.itemsize < 4:  # xarray converts before it compares, so large fill values do not match
        factors.append(np.float32(0.1))
    packing = st.sets(st.sampled_from(["scale_factor", "add_offset"]))
    for name in draw(packing) if dtype.kind in "iu" else ():  # CF packs integers only
        attributes[name] = draw(st.sampled_from(factors))
    return values, attributes


@pytest.mark.parametrize("file_format", FORMATS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(variable=variables())
def test_values_are_those_of_xarray(tmp_path_factory, file_format, variable):
    values, attributes = variable
    path = write(encoded(values, **attributes), tmp_path_factory.mktemp("store"), file_format)
    right = opened(path)["v"]
    found = decoded(path)
    np.testing.assert_array_equal(np.asarray(found, right.dtype), right.values)
    assert evenly.fit(path) == evenly.fit(right.values)


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("fill", [np.nan, np.float32(-9999), np.float32(0.1)])
def test_fill_values_of_floats(tmp_path, file_format, fill):
    """Zarr 3 has them in base64, Zarr 2 as the fill value of the array."""
    data = xarray.Dataset({"v": ("x", np.array([1, np.nan, 3], np.float32))})
    data["v"].encoding["_FillValue"] = fill
    moments = evenly.fit(write(data, tmp_path, file_format))
    assert (moments.mean.tolist(), moments.missing.tolist()) == ([2], [1])


def with_attributes(path, values, **attributes):
    """Write an HDF5 file with a dataset ``v``, and return its path."""
    with h5py.File(path / "x.h5", "w") as file:
        file["v"] = values
        file["v"].attrs.update(attributes)
    return path / "x.h5"


@pytest.mark.parametrize("text", ["NaN", "nan", "-Infinity", b"Infinity"])
def test_floats_that_are_stored_as_text(tmp_path, text):
    path = with_attributes(tmp_path, np.array([1, np.float64(text), 3]), _FillValue=text)
    moments = evenly.fit(path)
    assert (moments.mean.tolist(), moments.missing.tolist()) == ([2], [1])


def test_zarr_2_array_without_names_of_axes_keeps_its_zeros(tmp_path):
    """There the fill value is that of chunks that were never written."""
    zarr.create_array(tmp_path / "x.zarr", data=np.array([0, 1, 2]), zarr_format=2, fill_value=0)
    assert evenly.fit(tmp_path / "x.zarr") == evenly.fit(np.array([0, 1, 2]))


@pytest.mark.parametrize("fill", [1e20, 0.5, 65536, np.inf])
def test_fill_value_that_an_integer_cannot_have(tmp_path, fill):
    path = with_attributes(tmp_path, np.array([0, 1, -1], np.int16), missing_value=fill)
    assert evenly.fit(path).missing.tolist() == [0]


def test_fill_value_of_higher_precision_is_rounded(tmp_path):
    """Climate models store 1e20 as float64 beside values of float32."""
    path = with_attributes(
        tmp_path, np.array([1, 1e20, 3], np.float32), missing_value=np.float64(1e20)
    )
    assert evenly.fit(path).mean.tolist() == [2]


def test_several_fill_values(tmp_path):
    path = with_attributes(
        tmp_path, np.array([1, -1, -2, 5], np.int8), _FillValue=-1, missing_value=[-2, -3]
    )
    assert (evenly.fit(path).mean.tolist(), evenly.fit(path).missing.tolist()) == ([3], [2])


LARGE = np.array([2**53, 2**53 + 1, -1, 2**53 + 3])


@pytest.mark.parametrize("options", [{}, {"columns": ["v"]}])
def test_64_bit_integers_keep_all_bits_beside_missing_values(tmp_path, options):
    path = with_attributes(tmp_path, LARGE, _FillValue=-1)
    moments = evenly.fit(path, **options)
    assert (moments.count.tolist(), moments.missing.tolist()) == ([3], [1])
    assert moments.std().tolist() == evenly.fit(LARGE[[0, 1, 3]]).std().tolist()
    assert moments.mean.tolist() == evenly.fit(LARGE[[0, 1, 3]]).mean.tolist()


def test_fill_value_is_compared_with_all_bits(tmp_path):
    path = with_attributes(tmp_path, LARGE, _FillValue=2**53)
    assert evenly.fit(path).missing.tolist() == [1]


@pytest.mark.parametrize("axis", [0, -1])
def test_missing_64_bit_integers_in_an_array_of_columns(tmp_path, axis):
    values = np.array([[2**53 + 1, -1, 7], [-1, 5, 9]])
    path = with_attributes(tmp_path, values, _FillValue=-1)
    moments = evenly.fit(path, feature_axis=axis, columns=[1])
    kept = values[values != -1] if axis else values[:, [1]]
    column = values[:, 1] if axis else values[1]
    assert moments == evenly.fit(np.where(column == -1, np.nan, column))
    assert len(kept) > 0


def test_missing_64_bit_integers_are_keys_of_groups(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["v"] = [1.0, 2.0, 3.0]
        file["station"] = [2**53 + 1, -1, 2**53]
        file["station"].attrs["_FillValue"] = -1
    groups = evenly.fit(tmp_path / "x.h5", columns=["v"], by="station")
    assert set(groups.keys()) == {2**53 + 1, 2**53, None}


def test_packed_values_are_unpacked_in_the_dtype_of_the_attributes(tmp_path):
    values = np.array([1, -2, 32767], np.int16)
    path = with_attributes(
        tmp_path, values, scale_factor=np.float32(0.01), add_offset=np.float32(273.15)
    )
    right = values.astype(np.float32) * np.float32(0.01) + np.float32(273.15)
    moments = evenly.fit(path)
    assert moments == evenly.fit(right)
    assert moments.dtypes == ("float32",)


def test_packing_that_changes_nothing_keeps_integers(tmp_path):
    path = with_attributes(tmp_path, LARGE, scale_factor=1.0, add_offset=0.0)
    assert evenly.fit(path) == evenly.fit(LARGE)


@pytest.mark.parametrize(
    "attributes",
    [{"scale_factor": "x"}, {"add_offset": np.nan}, {"scale_factor": [1, 2]}, {"_FillValue": "-9"}],
)
def test_invalid_attribute_concerns_only_its_variable(tmp_path, attributes):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["t"] = [1.0, 2.0]
        file["v"] = [1, 2]
        file["v"].attrs.update(attributes)
    assert evenly.fit(tmp_path / "x.h5").mean.tolist() == [1.5]
    for how in ({"select": "v"}, {"columns": ["v"]}, {"columns": ["t"], "weights": "v"}):
        with pytest.raises(
            evenly.UnsupportedTypeError,
            match=f"encode the values .* must be numbers.*x.h5/v with {next(iter(attributes))}=",
        ):
            evenly.fit(tmp_path / "x.h5", **how)


@pytest.mark.parametrize(
    ("attributes", "number", "text"),
    [
        ({"valid_range": np.array([0, 3], np.int16)}, 2, "from 0 to 3"),
        ({"valid_min": np.int16(2)}, 2, "from 2 on"),
        ({"valid_max": 2.5}, 1, "up to 2.5"),
        ({"valid_range": [0.0, 0.3], "scale_factor": 0.1}, 2, "from 0.0 to 0.3"),
        ({"valid_range": np.array([0, 3], np.int16), "scale_factor": 0.1}, 2, "from 0 to 3"),
        ({"valid_range": np.array([0, -2], np.int16), "_Unsigned": "true"}, 0, ""),
        ({"valid_range": np.array([0, 3], np.int16), "_FillValue": -1}, 1, "from 0 to 3"),
    ],
)
def test_values_outside_of_the_valid_range_are_counted_and_named(
    tmp_path, caplog, attributes, number, text
):
    path = with_attributes(tmp_path, np.array([1, -1, 2, 4], np.int16), **attributes)
    with caplog.at_level(logging.WARNING, "evenly"):
        moments = evenly.fit(path)
    assert moments.rows == 4
    remark = f"x.h5: {number} of 4 values are outside of the valid range, {text}, and are counted."
    assert (remark in caplog.text.replace("/v:", ":")) == bool(number)


def test_bounds_without_meaning_are_ignored(tmp_path):
    path = with_attributes(tmp_path, np.array([1, 2]), valid_range="all")
    assert evenly.fit(path).mean.tolist() == [1.5]


def test_large_fill_value_of_packed_integers(tmp_path):
    """It has more bits than float32, the dtype of the values."""
    path = with_attributes(
        tmp_path,
        np.array([2**24 + 1, 5], np.int32),
        _FillValue=2**24 + 1,
        scale_factor=np.float32(2),
    )
    assert (evenly.fit(path).mean.tolist(), evenly.fit(path).missing.tolist()) == ([10], [1])
