"""Tests of which variables of a store are fitted: coordinates, times, bounds, links."""

import gc
import os

import h5py
import netCDF4
import numpy as np
import pytest
import xarray
import zarr

import evenly
from evenly.sources import ReadOptions, open_source

pytestmark = [
    pytest.mark.filterwarnings("ignore:Consolidated metadata"),
    pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning"),
    pytest.mark.filterwarnings("ignore::zarr.errors.ZarrUserWarning"),
]

T = np.arange(24.0).reshape(2, 3, 4)


@pytest.fixture(params=["netcdf", "zarr 2", "zarr 3", "xarray"])
def climate(request, tmp_path):
    """Return the path of a climate data set, or the data set that xarray opens."""
    data = xarray.Dataset(
        {
            "t": (("time", "lat", "lon"), T),
            "time_bnds": (("time", "bnds"), np.zeros((2, 2))),
            "crs": ((), 1),
            "issued": (("time",), np.array([5, 6]), {"units": "hours since 2000-01-01"}),
        },
        coords={
            "time": ("time", np.array([0, 1]), {"units": "days since 2000-01-01"}),
            "lat": [-30.0, 0.0, 60.0],
            "lon": [0.0, 1.0, 2.0, 3.0],
            "area": (("lat", "lon"), np.arange(1.0, 13).reshape(3, 4)),
            "height": 2.0,
        },
    )
    data["time"].attrs["bounds"] = "time_bnds"
    if request.param in ("netcdf", "xarray"):
        data.to_netcdf(tmp_path / "x.nc", engine="netcdf4")
        if request.param == "netcdf":
            yield tmp_path / "x.nc"
        else:
            with xarray.open_dataset(tmp_path / "x.nc") as opened:
                yield opened
        return
    version = int(request.param[-1])
    data.to_zarr(tmp_path / "x.zarr", zarr_format=version, consolidated=False)
    yield tmp_path / "x.zarr"


def test_the_only_data_variable_is_fitted(climate):
    """Coordinates, their bounds, times and scalars are left out, and the result says so."""
    source = open_source(climate, ReadOptions(feature_axis=1))
    moments, right = evenly.fit(climate, feature_axis=1), evenly.fit(T, feature_axis=1)
    assert moments.mean.tolist() == right.mean.tolist()
    assert moments.std().tolist() == right.std().tolist()
    left_out = {k: v.replace("datetime", "timestamp") for k, v in source.left_out.items()}
    assert left_out == {
        **dict.fromkeys(("lat", "lon", "area", "height"), "coordinate"),
        "time": left_out["time"],
        "time_bnds": left_out["time_bnds"],
        "issued": "timestamp",
        "crs": "scalar",
    }
    assert left_out["time"] in ("coordinate", "timestamp")
    assert left_out["time_bnds"] in ("bounds", "timestamp")


@pytest.mark.parametrize("name", ["lat", "area"])
def test_a_coordinate_is_fitted_if_it_is_named(climate, name):
    right = {"lat": [-30.0, 0.0, 60.0], "area": np.arange(1.0, 13)}[name]
    assert evenly.fit(climate, columns=[name]).mean.tolist() == evenly.fit(right).mean.tolist()
    moments = evenly.fit(climate, select="lat")
    assert moments.mean.tolist() == [10]


def test_weights_and_keys_have_some_of_the_axes(climate):
    """The area of each cell weights all times; each month has its rows."""
    area = np.broadcast_to(np.arange(1.0, 13).reshape(3, 4), T.shape).reshape(-1)
    moments = evenly.fit(climate, columns=["t"], weights="area")
    assert moments.columns == ("t",)
    assert moments.mean.tolist() == evenly.fit(T.reshape(-1), weights=area).mean.tolist()
    groups = evenly.fit(climate, columns=["t"], by="lat")
    assert groups[60.0].mean.tolist() == [T[:, 2].mean()]
    both = evenly.fit(climate, columns=["t"], by="lat", weights="area")
    right = evenly.fit(T[:, 2].reshape(-1), weights=area.reshape(T.shape)[:, 2].reshape(-1))
    assert both[60.0].mean.tolist() == right.mean.tolist()


def test_weights_with_another_axis_are_refused(tmp_path):
    data = xarray.Dataset({"t": (("x", "y"), T[0]), "w": (("x", "z"), np.ones((3, 2)))})
    data.to_netcdf(tmp_path / "x.nc", engine="netcdf4")
    for source in (data, tmp_path / "x.nc"):
        with pytest.raises(
            evenly.DataError,
            match=r"must have the axes of the columns.*'w' of shape \(3, 2\) \(x, z\).*\(x, y\)",
        ):
            evenly.fit(source, columns=["t"], weights="w")


def test_columns_whose_axes_are_in_another_order(tmp_path):
    data = xarray.Dataset({"t": (("x", "y"), T[0]), "u": (("y", "x"), T[1].T)})
    moments = evenly.fit(data, columns=["t", "u"])
    assert moments.mean.tolist() == [T[0].mean(), T[1].mean()]


def test_an_invalid_variable_does_not_affect_others(tmp_path):
    group = zarr.open_group(tmp_path / "x.zarr", mode="w")
    group.create_array("t", data=T[0])
    group.create_array("u", data=T[0].astype(int)).attrs["scale_factor"] = "none"
    for how in ({}, {"select": "t"}):
        assert evenly.fit(tmp_path / "x.zarr", **how) == evenly.fit(T[0])
    assert evenly.fit(tmp_path / "x.zarr", columns=["t"]).mean.tolist() == [T[0].mean()]
    source = open_source(tmp_path / "x.zarr")
    assert source.left_out == {"u": "invalid attributes"}


def test_unknown_array_format_does_not_affect_others(tmp_path):
    """One array needs a codec that is not installed; only it cannot be read."""
    group = zarr.open_group(tmp_path / "x.zarr", mode="w")
    group.create_array("t", data=T[0])
    group.create_array("u", data=T[0])
    metadata = tmp_path / "x.zarr" / "u" / "zarr.json"
    metadata.write_text(metadata.read_text().replace('"bytes"', '"unknown_codec"'))
    assert evenly.fit(tmp_path / "x.zarr", columns=["t"]).mean.tolist() == [T[0].mean()]
    assert evenly.fit(tmp_path / "x.zarr", select="t") == evenly.fit(T[0])


def test_netcdf_dimension_without_a_variable(tmp_path):
    with netCDF4.Dataset(tmp_path / "x.nc", "w") as file:
        file.createDimension("station", 5)
        file.createVariable("temperature", "f8", ("station",))[:] = [1, 2, 3, 4, 5]
        file.createVariable("pressure", "f8", ("station",))[:] = [0, 0, 0, 0, 5]
    moments = evenly.fit(tmp_path / "x.nc")
    assert (moments.columns, moments.mean.tolist()) == (("pressure", "temperature"), [1, 3])
    with pytest.raises(evenly.ColumnError, match="'station'"):
        evenly.fit(tmp_path / "x.nc", columns=["station"])


def test_netcdf_variable_with_the_name_of_another_axis(tmp_path):
    """NetCDF stores it under another name."""
    with netCDF4.Dataset(tmp_path / "x.nc", "w") as file:
        file.createDimension("n", 2)
        file.createDimension("m", 3)
        file.createVariable("n", "f8", ("m",))[:] = [1, 2, 6]
        file.createVariable("v", "f8", ("n", "m"))[:] = np.ones((2, 3))
    assert evenly.fit(tmp_path / "x.nc", columns=["n"]).mean.tolist() == [3]
    assert evenly.fit(tmp_path / "x.nc", columns=["n"], exclude=["v"]).mean.tolist() == [3]
    assert evenly.fit(tmp_path / "x.nc", select="n").mean.tolist() == [3]
    assert open_source(tmp_path / "x.nc").left_out == {"n": "coordinate"}


@pytest.fixture
def linked(tmp_path):
    """Return an HDF5 file with links of each kind."""
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["deep/w"] = [7.0, 9.0]
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["group/v"] = [1.0, 2.0]
        file["same"] = file["group/v"]
        file["soft"] = h5py.SoftLink("/group/v")
        file["group/up"] = h5py.SoftLink("/")
        file["alias"] = h5py.SoftLink("/group")
        file["outside"] = h5py.ExternalLink("other.h5", "/deep/w")
        file["lost"] = h5py.ExternalLink("missing.h5", "/w")
        file["nowhere"] = h5py.SoftLink("/nothing")
    return tmp_path / "x.h5"


def test_each_dataset_occurs_once_under_its_own_name(linked):
    """A link is another name; a dataset of another file has none here, so the link is its name."""
    moments = evenly.fit(linked)
    assert (moments.columns, moments.mean.tolist()) == (("group/v", "outside"), [1.5, 8])
    left_out = open_source(linked).left_out
    assert left_out == {"lost": "not readable", "nowhere": "not readable"}


@pytest.mark.parametrize("name", ["soft", "same", "group/v", "alias/v", "group/up/group/v"])
def test_links_are_names_that_can_be_selected(linked, name):
    assert evenly.fit(linked, select=name).mean.tolist() == [1.5]
    moments = evenly.fit(linked, columns=[name])
    assert (moments.columns, moments.mean.tolist()) == ((name,), [1.5])


def test_linked_group_is_selected(linked):
    assert evenly.fit(linked, select="alias").columns == ("v", "up/outside")
    with h5py.File(linked) as file:
        assert evenly.fit(file["alias"], columns=["v"]).mean.tolist() == [1.5]


@pytest.mark.parametrize("name", ["lost", "nowhere"])
def test_link_that_leads_nowhere_names_its_target(linked, name):
    target = {"lost": "missing.h5/w", "nowhere": "/nothing"}[name]
    for how in ({"select": name}, {"columns": [name]}):
        with pytest.raises(
            evenly.SourceError, match=rf"must lead to a dataset.*x.h5/{name}, a link to {target}"
        ):
            evenly.fit(linked, **how)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_external_link_to_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.h5")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["v"] = h5py.ExternalLink("pipe.h5", "/v")
    with pytest.raises(evenly.SourceError, match=r"must lead to a dataset.*not a regular file"):
        evenly.fit(tmp_path / "x.h5", select="v")


def test_virtual_dataset_with_a_missing_file(tmp_path):
    """HDF5 reads zeros there."""
    layout = h5py.VirtualLayout((4,), float)
    for part in range(2):
        with h5py.File(tmp_path / f"{part}.h5", "w") as file:
            file["v"] = [1.0, 2.0]
        layout[2 * part : 2 * part + 2] = h5py.VirtualSource(f"{part}.h5", "v", (2,))
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_virtual_dataset("v", layout)
    assert evenly.fit(tmp_path / "x.h5").mean.tolist() == [1.5]
    (tmp_path / "1.h5").unlink()
    with pytest.raises(evenly.SourceError, match=r"virtual dataset must exist.*x.h5/v.*'1.h5'"):
        evenly.fit(tmp_path / "x.h5")


def test_values_that_xarray_has_not_decoded_are_named(tmp_path, caplog):
    """Whoever opens a file without decoding may not know that the numbers are packed."""
    data = xarray.Dataset({"v": ("x", np.array([1, -9], np.int16), {"_FillValue": -9})})
    with caplog.at_level("WARNING", "evenly"):
        assert evenly.fit(data).mean.tolist() == [-4]
    assert "v has the attributes '_FillValue', which xarray has not applied" in caplog.text
    caplog.clear()
    with caplog.at_level("WARNING", "evenly"):
        assert evenly.fit(xarray.decode_cf(data)).mean.tolist() == [1]
    assert not caplog.text


def test_data_array_is_a_column_by_its_name():
    array = xarray.DataArray(T[0], dims=("x", "y"), name="t")
    weights = xarray.DataArray([1.0, 2.0, 3.0], dims="x")
    moments = evenly.fit(array, columns=["t"], weights=weights)
    assert moments.columns == ("t",)
    assert moments.mean.tolist() == [
        np.average(T[0], weights=np.repeat([1, 2, 3], 4).reshape(3, 4))
    ]


def test_a_file_with_a_broken_link_is_closed_after_the_fit(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["a"] = [1.0, 2.0]
        file["b"] = h5py.SoftLink("/none")
    gc.disable()
    try:
        assert dict(evenly.fit(path).left_out) == {"b": "not readable"}
        with h5py.File(path, "w") as file:  # HDF5 refuses this while the file is open
            file["a"] = [3.0]
    finally:
        gc.enable()
