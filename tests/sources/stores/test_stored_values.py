"""An open array of HDF5 or Zarr has the same values in every call: decoded by its attributes."""

import logging

import h5py
import numpy as np
import pytest
import zarr

import evenly
from evenly.sklearn import StandardScaler

PACKED = np.array([2, -9, 4, 6], np.int16)
ATTRIBUTES = {"_FillValue": np.int16(-9), "scale_factor": np.float64(0.5)}


@pytest.fixture(params=["hdf5", "zarr"])
def array(request, tmp_path):
    if request.param == "hdf5":
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file["v"] = PACKED
            file["v"].attrs.update(ATTRIBUTES)
            yield file["v"]
    else:
        stored = zarr.create_array(tmp_path / "x.zarr", data=PACKED, zarr_format=3)
        stored.attrs.update({"_FillValue": -9, "scale_factor": 0.5})
        yield stored


def test_normalize_decodes_what_fit_decodes(array):
    moments = evenly.fit(array)
    assert (moments.mean.tolist(), moments.missing.tolist()) == ([2.0], [1])
    z = moments.normalize(array)
    assert z.tolist()[2] == 0.0
    assert np.isnan(z).tolist() == [False, True, False, False]
    assert moments.denormalize(array).dtype == np.float64


def test_a_stored_array_is_decoded_as_a_column_of_a_dict_and_by_a_scaler(array):
    moments = evenly.fit({"v": array})
    assert (moments.mean.tolist(), moments.missing.tolist()) == ([2.0], [1])
    assert np.isnan(moments.normalize({"v": array})["v"]).tolist() == [False, True, False, False]
    assert evenly.Moments.empty(["v"]).update({"v": array}) == moments


def test_stored_weights_are_decoded(array):
    message = "Weights must be finite and not negative. Received: nan in row 1 of weights=."
    with pytest.raises(evenly.DataError, match=message):
        evenly.fit(np.ones(4), weights=array)


def test_values_outside_of_the_valid_range_are_named_by_normalize(array, caplog):
    array.attrs["valid_max"] = 5
    moments = evenly.fit(np.arange(3.0))
    with caplog.at_level(logging.WARNING):
        moments.normalize(array)
    assert "1 of 4 values are outside of the valid range, up to 5, and are counted" in caplog.text


def test_a_group_has_no_values_to_normalize(tmp_path):
    group = zarr.open_group(tmp_path / "x.zarr", mode="w")
    with pytest.raises(evenly.UnsupportedTypeError) as refused:
        evenly.fit([1.0, 2.0]).normalize(group)
    assert str(refused.value) == (
        "A group has no values of its own. Received: the Zarr group /. Pass one of its arrays."
    )


def test_masked_values_are_missing_for_a_scaler():
    x = np.ma.masked_equal(np.array([[1.0], [-9.0], [3.0]]), -9.0)
    scaler = StandardScaler().fit(x)
    assert scaler.mean_.tolist() == [2.0]
    assert np.isnan(scaler.transform(x)).tolist() == [[False], [True], [False]]
    assert np.isnan(scaler.inverse_transform(x)).tolist() == [[False], [True], [False]]


def test_variables_of_the_netcdf4_library(tmp_path):
    netcdf4 = pytest.importorskip("netCDF4")
    path = str(tmp_path / "x.nc")
    with netcdf4.Dataset(path, "w") as file:
        file.createDimension("x", 4)
        variable = file.createVariable("v", "i2", ("x",), fill_value=-9)
        variable.scale_factor = 0.5
        variable.set_auto_maskandscale(False)
        variable[:] = PACKED
    with netcdf4.Dataset(path) as file:
        for x in (file["v"], file["v"][:], {"v": file["v"]}):
            moments = evenly.fit(x)
            assert (moments.mean.tolist(), moments.missing.tolist()) == ([2.0], [1])
        assert np.isnan(moments.normalize(file["v"])).tolist() == [False, True, False, False]
        with pytest.raises(evenly.UnsupportedTypeError) as refused:
            evenly.fit(file)
    assert str(refused.value) == (
        "A NetCDF file is read by its path. Received: netCDF4._netCDF4.Dataset. "
        "Pass dataset.filepath(), or one of its variables: dataset['t']."
    )
