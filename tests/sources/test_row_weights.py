"""Tests of weights along some axes of an array."""

import h5py
import numpy as np
import pytest
import xarray
import zarr
from hypothesis import given
from hypothesis import strategies as st

import evenly

X = np.random.default_rng(0).normal(size=(4, 3, 5))
LATITUDE = np.array([-60.0, 0.0, 30.0])
COSINE = np.cos(np.deg2rad(LATITUDE))


def repeated(weights, shape=X.shape):
    """Return one weight per value."""
    return np.broadcast_to(weights, shape).reshape(-1)


@pytest.fixture(params=["netcdf", "zarr", "xarray"])
def named(request, tmp_path):
    """Return a source whose axes have names."""
    data = xarray.Dataset({"t": (("time", "lat", "lon"), X)}, coords={"lat": LATITUDE})
    if request.param == "netcdf":
        data.to_netcdf(tmp_path / "x.nc", engine="netcdf4")
        return tmp_path / "x.nc"
    if request.param == "zarr":
        data.to_zarr(tmp_path / "x.zarr", zarr_format=2, consolidated=False)
        return tmp_path / "x.zarr"
    return data


def test_data_array_is_repeated_along_axes_by_name(named):
    weights = xarray.DataArray(COSINE, dims="lat")
    right = evenly.fit(X.reshape(-1), weights=repeated(COSINE[:, None]))
    moments = evenly.fit(named, columns=["t"], weights=weights)
    assert moments.mean.tolist() == right.mean.tolist()
    assert moments.std().tolist() == right.std().tolist()
    assert (moments.columns, moments.rows) == (("t",), 60)


@pytest.mark.parametrize("key", ["lat", 1, -2, np.int64(1)])
def test_weights_by_name_or_number_of_an_axis(named, key):
    right = evenly.fit(X.reshape(-1), weights=repeated(COSINE[:, None]))
    found = evenly.fit(named, columns=["t"], weights={key: COSINE})
    assert found.mean.tolist() == right.mean.tolist()


def test_weights_of_several_axes_are_multiplied(named):
    days = np.array([31, 28, 31, 30])
    both = days[:, None, None] * COSINE[:, None]
    right = evenly.fit(X.reshape(-1), weights=repeated(both))
    found = evenly.fit(named, columns=["t"], weights={"lat": COSINE, "time": days})
    assert found.mean.tolist() == right.mean.tolist()
    in_another_order = xarray.DataArray(both[:, :, 0].T, dims=("lat", "time"))
    assert evenly.fit(named, columns=["t"], weights=in_another_order) == found


def test_axis_of_columns_has_no_weights(named):
    weights = {"time": np.arange(4)}
    found = evenly.fit(named, select="t", feature_axis=1, weights=weights)
    right = evenly.fit(X, feature_axis=1, weights=repeated(np.arange(4)[:, None], (4, 5)))
    assert found.mean.tolist() == right.mean.tolist()
    assert found.rows == right.rows
    with pytest.raises(evenly.DataError, match=r"must be along axes of rows.*'lat'.*columns="):
        evenly.fit(named, select="t", feature_axis=1, weights={"lat": COSINE})


@pytest.mark.parametrize("shape", [(4, 1, 5), (1, 1, 5), (4, 5), (1, 5), (4, 1)])
@pytest.mark.parametrize("kind", ["array", "hdf5", "zarr"])
def test_weights_of_several_dimensions(tmp_path, shape, kind):
    """The axis of the columns is of length 1, or left out."""
    weights = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    rows = weights.squeeze(1) if weights.ndim == 3 else weights
    source = X
    if kind == "hdf5":
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file.create_dataset("x", data=X, chunks=(1, 3, 5))
        source = tmp_path / "x.h5"
    elif kind == "zarr":
        source = zarr.create_array(tmp_path / "x.zarr", data=X, chunks=(1, 3, 5))
    right = evenly.fit(np.moveaxis(X, 1, -1).reshape(-1, 3), weights=repeated(rows, (4, 5)))
    assert evenly.fit(source, feature_axis=1, weights=weights) == right


@given(st.data())
def test_any_split_of_rows_has_its_weights(data):
    """Blocks are ranges of the first axis; their weights are computed one after the other."""
    from evenly.sources.row_weights import RepeatedWeights

    rows = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    shape = tuple(data.draw(st.sampled_from([1, n])) for n in rows)
    factor = np.random.default_rng(0).random(shape)
    weights = RepeatedWeights(factor, rows)
    start = data.draw(st.integers(0, len(weights)))
    stop = data.draw(st.integers(start, len(weights)))
    assert weights[start:stop].tolist() == repeated(factor, rows)[start:stop].tolist()


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"height": COSINE}, "must be along axes of the data.*'height'.*'time', 'lat', 'lon'"),
        ({3: COSINE}, "must be along axes of the data.*3"),
        ({"time": COSINE}, r"must have the lengths of the axes.*shape \(3,\) along 'time'"),
        ({}, "must name an axis"),
        (np.ones((3, 5)), r"must have the lengths of the axes.*shape \(3, 5\)"),
        (np.ones((4, 2, 5)), r"must have the lengths of the axes.*shape \(4, 2, 5\)"),
        (COSINE, r"shape \(3,\), for .*weights=\{'lat': w\}"),
        ({"lat": [1.0, -1.0, 1.0]}, "finite and not negative.*-1.0"),
        ({"lat": ["a", "b", "c"]}, "numeric"),
    ],
)
def test_invalid_weights_are_refused(weights, message):
    data = xarray.Dataset({"t": (("time", "lat", "lon"), X)})
    with pytest.raises((evenly.DataError, evenly.UnsupportedTypeError), match=message):
        evenly.fit(data, columns=["t"], weights=weights)


def test_weights_along_axes_need_an_array():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1.0, 2.0]})
    with pytest.raises(evenly.UnsupportedTypeError, match=r"need one array.*dict for a DataFrame"):
        evenly.fit(frame, weights={"a": [1, 2]})


def test_a_data_array_of_one_dimension_is_one_weight_per_row():
    weights = xarray.DataArray([1.0, 2.0], dims="row")
    assert evenly.fit(np.ones((2, 3)), weights=weights) == evenly.fit(
        np.ones((2, 3)), weights=np.array([1.0, 2.0])
    )


@pytest.mark.parametrize("name", ["w", ""])
def test_arrays_have_no_column_of_weights(name):
    with pytest.raises(evenly.ColumnError, match=f"no names, only positions.* Received: '{name}'"):
        evenly.fit(np.ones((3, 2)), weights=name)
