"""Methods of normalization: which numbers of a column become which of the result."""

from fractions import Fraction

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import preprocessing

import evenly
import strategies
from evenly.errors import DataError
from evenly.moments.anchors import anchors
from evenly.transform.affine_scaling import AnchorArrays, affine_scaling
from evenly.transform.methods import parse_method

RNG = np.random.default_rng(3)
X = np.column_stack([RNG.normal(1e9, 2, 500), RNG.integers(0, 9, 500), np.full(500, 7.25)])
X[3, 0] = np.nan
MOMENTS = evenly.fit(X, distribution=True)
FRAME = pd.DataFrame(X, columns=["time", "code", "constant"])
NAMED = evenly.fit(FRAME, distribution=True)
METHODS = ["minmax", "maxabs", "robust", "quantile"]
VARYING = X[:, :2]


@pytest.mark.parametrize(
    ("method", "scaler"),
    [
        ("minmax", preprocessing.MinMaxScaler()),
        ("maxabs", preprocessing.MaxAbsScaler()),
        ("robust", preprocessing.RobustScaler()),
    ],
)
def test_methods_are_those_of_scikit_learn(method, scaler):
    expected = scaler.fit_transform(VARYING)
    found = MOMENTS.normalize(X, method=method)
    np.testing.assert_allclose(found[:, :2], expected, rtol=1e-6, atol=1e-6)
    assert (found[:, 2] == 0).all()


def test_ends_become_the_ends_of_the_range():
    y = MOMENTS.normalize(X, method="minmax", range=(-3, 5))
    np.testing.assert_allclose(np.nanmin(y, 0), [-3, -3, 0], rtol=1e-12)
    np.testing.assert_allclose(np.nanmax(y, 0), [5, 5, 0], rtol=1e-12)
    ends = MOMENTS.quantile([0.1, 0.9])
    y = MOMENTS.normalize(ends, method="quantile", q=(0.1, 0.9))
    np.testing.assert_allclose(y, [[-1, -1, 0], [1, 1, 0]], atol=1e-12)
    y = MOMENTS.normalize(ends, method="quantile", q=(0.1, 0.9), range=(0, 10))
    np.testing.assert_allclose(y, [[0, 0, 0], [10, 10, 0]], atol=1e-12)


@given(strategies.arrays(strategies.FLOATS, min_rows=1, missing=False), st.sampled_from(METHODS))
def test_denormalize_restores_values(x, method):
    x = x.astype(np.float64)
    moments = evenly.fit(x, distribution=True)
    options = {"method": method, "constant": "center"}
    y = moments.normalize(x, **options)
    assert np.isfinite(y).all() or np.abs(x).max() > 1e200
    back = moments.denormalize(y, **options)
    size = np.abs(x).max(0)
    good = size < 1e200
    np.testing.assert_allclose(
        back[:, good], x[:, good], rtol=0, atol=1e-12 * max(size[good], default=0) + 1e-300
    )


@pytest.mark.parametrize("method", METHODS)
def test_constant_columns(method):
    x = np.full((3, 1), 7.25)
    moments = evenly.fit(x, distribution=True)
    assert moments.normalize(x + 1, method=method).tolist() == [[0]] * 3
    assert moments.denormalize(np.zeros((1, 1)), method=method).tolist() == [[7.25]]
    assert moments.normalize(x + 1, method=method, constant="center").tolist() == [[1]] * 3
    with pytest.raises(DataError, match="Received: values that are all equal in column 0"):
        moments.normalize(x, method=method, constant="error")


def test_equal_quantiles_of_a_column_that_varies():
    x = np.array([[0.0]] * 9 + [[4.0]])
    moments = evenly.fit(x, distribution=True)
    message = r"q=\(0.25, 0.75\), which must not be 0. Received: equal quantiles in column 0"
    with pytest.raises(DataError, match=message):
        moments.normalize(x, method="robust")
    centered = moments.normalize(x, method="robust", constant="center")
    np.testing.assert_array_equal(centered, x)
    assert moments.normalize(x, method="quantile", q=(0, 1))[-1] == 1


@pytest.mark.parametrize("convert", [np.array, torch.tensor, pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("method", METHODS)
def test_every_container(convert, method):
    moments = MOMENTS if convert in (np.array, torch.tensor) else NAMED
    data = convert(X) if moments is MOMENTS else convert(FRAME)
    expected = MOMENTS.normalize(X, method=method, clip=0.7)
    found = moments.normalize(data, method=method, clip=0.7)
    assert type(found) is type(data)
    np.testing.assert_array_equal(np.asarray(found), expected)
    assert np.nanmax(np.abs(expected)) == 0.7


def test_a_tensor_with_a_gradient_is_limited():
    x = torch.tensor(X, requires_grad=True)
    y = MOMENTS.normalize(x, method="minmax", clip=True)
    np.testing.assert_array_equal(
        y.detach().numpy(), MOMENTS.normalize(X, method="minmax", clip=True)
    )


def test_clip_keeps_the_range_of_the_method():
    beyond = X + 100
    for method, low, high in (("minmax", 0, 1), ("maxabs", -1, 1), ("quantile", -1, 1)):
        y = MOMENTS.normalize(beyond, method=method, clip=True)
        assert low <= np.nanmin(y)
        assert np.nanmax(y) == high
    assert np.nanmax(MOMENTS.normalize(beyond, clip=2.0)) == 2
    assert np.isnan(MOMENTS.normalize(X, method="minmax", clip=True)[3, 0])


def test_moments_of_a_relation_have_methods():
    relation = duckdb.from_df(FRAME)
    found = NAMED.normalize(relation, method="minmax").df()["code"]
    np.testing.assert_allclose(found, MOMENTS.normalize(X, method="minmax")[:, 1])


LAZY = {
    "duckdb": (duckdb.from_arrow, lambda relation: relation.to_arrow_table()),
    "polars": (lambda table: pl.from_arrow(table).lazy(), lambda frame: frame.collect().to_arrow()),
}
EDGES = pa.table(
    {
        "x": pa.array([None, np.nan, -9.0, 0.0, 0.25, 1.0, 9.0, np.inf, -np.inf, -0.0]),
        "n": pa.array([None, -9, 0, 1, 2, 3, 9, 2**62, -(2**62), None], pa.int64()),
        "f": pa.array([np.nan, -1e30, 0.0, None, 1.0, 0.3, 1e30, 0.7, 2.0, 0.1], pa.float32()),
        "text": [*"abcdefghij"],
    }
)


@pytest.mark.parametrize("missing", ["keep", "zero"])
@pytest.mark.parametrize(
    "options",
    [
        {"method": "minmax", "clip": True},
        {"method": "minmax", "range": (2, 5), "clip": True},
        {"clip": 0.7},
    ],
)
@pytest.mark.parametrize("library", LAZY)
def test_clip_in_a_query_is_that_of_the_data(library, options, missing):
    """NULL stays NULL, and NaN stays NaN, although both engines sort it above all numbers."""
    lazy, collect = LAZY[library]
    moments = evenly.fit({"x": [0.0, 1.0], "n": [0, 4], "f": np.float32([0, 1])})
    query = moments.normalize(lazy(EDGES), missing=missing, **options)
    assert isinstance(query, pl.LazyFrame | duckdb.DuckDBPyRelation)
    found, expected = collect(query), moments.normalize(EDGES, missing=missing, **options)
    assert found["text"].to_pylist() == EDGES["text"].to_pylist()
    for name in "xnf":
        assert found[name].is_null().to_pylist() == expected[name].is_null().to_pylist()
        np.testing.assert_array_equal(found[name].to_numpy(), expected[name].to_numpy())


def test_float32_at_a_large_offset_is_correct():
    x = (1.7e9 + 128 * np.arange(9)).astype(np.float32)[:, None]
    y = evenly.fit(x).normalize(x, method="minmax")
    assert y.dtype == np.float32
    np.testing.assert_allclose(y[:, 0], np.arange(9) / 8, atol=1e-7)


def test_numbers_near_the_limits_of_float64():
    for low, high in ((-1.5e308, 1.5e308), (5e-324, 2e-323), (-1e-310, 1e-310)):
        moments = evenly.fit([[low], [high]])
        assert moments.normalize([[low], [high]], method="minmax").tolist() == [[0], [1]]
        assert moments.denormalize([[0.0], [1.0]], method="minmax").tolist() == [[low], [high]]


def test_integers_beyond_float64():
    x = np.array([[2**62], [2**62 + 1], [2**62 + 3]])
    y = evenly.fit(x).normalize(x, method="minmax")
    np.testing.assert_allclose(y[:, 0], [0, 1 / 3, 1], rtol=1e-15)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "log"}, "method must be one of 'standard', 'minmax'"),
        ({"method": "minmax", "q": (0, 1)}, "q= is an option of the methods 'robust' and"),
        ({"method": "maxabs", "range": (0, 1)}, "range= is an option of the methods 'minmax'"),
        ({"method": "minmax", "range": (1, 0)}, "range must be two finite numbers in ascending"),
        ({"method": "minmax", "range": (0, np.inf)}, "range must be two finite numbers"),
        ({"method": "minmax", "range": 3}, "range must be two finite numbers"),
        ({"method": "quantile", "q": (0.9, 0.1)}, "q must be two finite numbers in ascending"),
        ({"method": "quantile", "q": (1, 99)}, "q must be two numbers from 0 to 1. Received"),
        ({"clip": True}, "True for a method with a range"),
        ({"method": "robust", "clip": True}, "True for a method with a range"),
        ({"clip": -1}, "clip must be a positive number"),
        ({"clip": "yes"}, "clip must be a positive number"),
        ({"method": "minmax", "correction": 1}, "which only method='standard' uses. Received"),
        ({"method": "minmax", "tolerance": 0.1}, "which only method='standard' uses. Received"),
    ],
)
def test_invalid_options_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        MOMENTS.normalize(X, **options)


def test_moments_that_do_not_suffice_are_refused():
    with pytest.raises(DataError, match="Quantiles, histograms and shares need a distribution"):
        evenly.fit(X).normalize(X, method="robust")
    rest = MOMENTS - evenly.fit(X[:5], distribution=True)
    with pytest.raises(DataError, match=r"whose extremes are bounds\. Fit the remaining rows"):
        rest.normalize(X, method="minmax")
    assert np.isfinite(rest.normalize(X[5:], method="robust", constant="center")).all()
    empty = evenly.fit([[np.nan], [np.nan]], distribution=True)
    for method in METHODS:
        with pytest.raises(DataError, match="Normalizing needs at least one value per column"):
            empty.normalize([[1.0]], method=method)


def test_the_center_is_exact():
    x = np.array([[0.1], [0.3], [0.7]])
    scaling = evenly.fit(x)._scaling(
        inverse=False,
        constant="zero",
        correction=0,
        method=evenly.transform.methods.parse_method("minmax", (-1, 2)),
    )
    low, high = Fraction(0.1), Fraction(0.7)
    zero = low + (high - low) / 3
    assert scaling.hi[0] == float(zero)
    assert scaling.lo[0] == float(zero - Fraction(scaling.hi[0]))
    assert scaling.factor[0] == float(3 / (high - low))


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("constant", ["zero", "center"])
@pytest.mark.parametrize(
    "options",
    [
        ("minmax",),
        ("minmax", (-1, 1)),
        ("minmax", (0, 255)),
        ("minmax", (-3, 5)),
        ("maxabs",),
        ("robust",),
        ("quantile",),
        ("quantile", (0, 1), (0.1, 0.8)),
    ],
)
def test_scalings_of_many_columns_are_those_of_fractions(options, constant, inverse):
    rng = np.random.default_rng(5)
    scale = 10.0 ** rng.integers(-310, 308, 300)
    columns = [
        rng.normal(size=(7, 300)) * scale,
        np.round(rng.normal(size=(7, 300)), 2) + rng.integers(-5, 5, 300) * 1e6,
        rng.integers(-2, 2, (7, 300)).astype(float),
        np.full((7, 2), [3.7, -0.0]),
        np.full((7, 1), np.nan),
    ]
    moments = evenly.fit(np.hstack(columns), distribution=4)
    method = parse_method(*options)
    found = anchors(moments, method)
    expected = affine_scaling(
        None,
        AnchorArrays.of(map(found.exact, range(moments.num_features))),
        method,
        inverse=inverse,
        constant=constant,
        too_few="nan",
    )
    scaling = affine_scaling(None, found, method, inverse=inverse, constant=constant, too_few="nan")
    for name in ("hi", "lo", "factor", "power"):
        a, b = getattr(scaling, name), getattr(expected, name)
        assert np.array_equal(a, b, equal_nan=True)
        assert np.array_equal(np.signbit(a), np.signbit(b))


def test_integers_that_float64_cannot_tell_apart_are_not_constant():
    moments = evenly.fit(np.array([[2**53], [2**53 + 1]]))
    normalized = moments.normalize(
        np.array([[2**53]]), method="minmax", constant="error", dtype="float64"
    )
    assert normalized.tolist() == [[0.0]]
