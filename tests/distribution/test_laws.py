"""Laws: bins depend on the values alone, and quantiles are where the bounds say."""

import pickle
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dyadic_histogram
import evenly
import strategies
from evenly import Moments, _core

MOST_BINS = st.sampled_from([2, 3, 5, 16, 1024])


def bins_of(moments):
    """Return the shift and the counts of each column."""
    columns = [moments.bins(i) for i in range(moments.num_features)]
    return [
        (bins.shift, dict(zip(bins.keys.tolist(), bins.counts.tolist(), strict=True)))
        for bins in columns
    ]


def file_of(moments):
    """Return the statistics file without the names of sources."""
    copy = moments.copy()
    copy.sources = ()
    return copy.to_bytes()


def expected(x, most, weights=None):
    """Return the same in plain Python."""
    columns = np.asarray(x).T.tolist()
    return [dyadic_histogram.histogram(map(float, c), most, weights) for c in columns]


@given(st.data(), strategies.arrays(), MOST_BINS, st.integers(1, 3))
def test_bins_are_those_of_the_reference(data, x, most, threads):
    array = data.draw(strategies.laid_out(x))
    moments = Moments.empty(x.shape[1], distribution=most)
    moments.update(array, threads=threads)
    assert bins_of(moments) == expected(x, most)
    assert moments.distribution == most
    for index, (_, counts) in enumerate(bins_of(moments)):
        assert sum(counts.values()) == moments.count[index]


@given(st.data(), strategies.arrays(min_rows=1), MOST_BINS)
def test_any_split_and_order_gives_the_same_bins(data, x, most):
    whole = evenly.fit(x, distribution=most)
    parts = [evenly.fit(x[a:b], distribution=most) for a, b in data.draw(strategies.splits(len(x)))
             if b > a]  # fmt: skip
    parts = data.draw(st.permutations(parts))
    while len(parts) > 1:  # any tree of additions
        index = data.draw(st.integers(0, len(parts) - 2))
        parts[index : index + 2] = [parts[index] + parts[index + 1]]
    assert bins_of(parts[0]) == bins_of(whole)
    assert file_of(parts[0]) == file_of(whole)


@given(st.data(), strategies.arrays(min_rows=1), MOST_BINS)
def test_a_whole_weight_counts_that_often(data, x, most):
    weights = data.draw(strategies.whole_weights(len(x)))
    moments = Moments.empty(distribution=most).update(x, weights=weights)
    assert bins_of(moments) == expected(x, most, weights)


@given(st.data(), strategies.arrays(strategies.FLOATS, min_rows=1), MOST_BINS)
def test_groups_have_the_bins_of_their_rows(data, x, most):
    keys = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(x), max_size=len(x))))
    groups = evenly.fit(x, by=keys, distribution=most)
    for key, moments in groups.items():
        assert bins_of(moments) == expected(x[keys == key], most)
    assert bins_of(groups.total()) == expected(x, most)
    parts = [
        evenly.fit(x[a:b], by=keys[a:b], distribution=most)
        for a, b in data.draw(strategies.splits(len(x)))
        if b > a
    ]
    total = sum(data.draw(st.permutations(parts)))
    assert file_of(total) == file_of(groups)


@given(strategies.arrays(min_rows=1), strategies.arrays(min_rows=1), MOST_BINS)
def test_subtraction_gives_exact_counts_in_the_bins_of_the_sum(x, y, most):
    x, y = (a[:, :1].astype(np.float64) for a in (x, y))
    both = evenly.fit(np.concatenate([x, y]), distribution=most)
    rest = both - evenly.fit(y, distribution=most)
    ((shift, counts),) = bins_of(rest)
    if rest.count[0]:
        assert shift == both.bins().shift
    ((finer, own),) = expected(x, most)
    assert counts == dyadic_histogram.coarsen(own, shift - finer)


@given(strategies.arrays(min_rows=1), st.sampled_from([(1024, 3), (16, 5)]))
def test_the_sum_has_the_smaller_number_of_bins(x, numbers):
    more, fewer = numbers
    for ours, theirs in (numbers, reversed(numbers)):
        total = evenly.fit(x, distribution=ours) + evenly.fit(x, distribution=theirs)
        assert total.distribution == fewer
        assert bins_of(total) == expected(np.concatenate([x, x]), fewer)
    keys = np.arange(len(x)) % 2
    groups = evenly.fit(x, by=keys, distribution=more)
    groups += evenly.fit(x[:1], by=keys[:1], distribution=fewer)
    assert groups.distribution == fewer
    for key, moments in groups.items():
        rows = np.concatenate([x[keys == key], x[:1] if key == 0 else x[:0]])
        assert bins_of(moments) == expected(rows, fewer)


@given(strategies.arrays(min_rows=1), MOST_BINS)
def test_files_and_pickles_hold_the_bins(x, most):
    moments = evenly.fit(x, distribution=most)
    for copy in (
        Moments.from_bytes(moments.to_bytes()),
        pickle.loads(pickle.dumps(moments)),
        moments.copy(),
        moments.select(range(x.shape[1])),
    ):
        assert bins_of(copy) == bins_of(moments)
        assert copy.to_bytes() == moments.to_bytes()
        assert copy.distribution == most
    groups = evenly.fit(x, by=np.arange(len(x)) % 3, distribution=most)
    for other in (
        evenly.GroupedMoments.from_bytes(groups.to_bytes()),
        pickle.loads(pickle.dumps(groups)),
    ):
        assert other.to_bytes() == groups.to_bytes()


@given(strategies.arrays(min_rows=1), MOST_BINS, st.floats(0, 1))
@settings(max_examples=200)
def test_quantiles_lie_within_their_bounds(x, most, q):
    moments = evenly.fit(x, distribution=most)
    low, high = moments.quantile_bounds(q)
    estimate = moments.quantile(q)
    for index, column in enumerate(np.asarray(x).T.astype(np.float64).tolist()):
        values = sorted(value for value in column if value == value)
        if not values:
            assert np.isnan([estimate[index], low[index], high[index]]).all()
            continue
        place = q * (len(values) - 1)
        below = int(place)
        a, b = values[below], values[min(below + 1, len(values) - 1)]
        true = float(Fraction(a) + (Fraction(b) - Fraction(a)) * Fraction(place - below))
        assert low[index] <= true <= high[index]
        assert low[index] <= estimate[index] <= high[index]
        if len(set(values)) <= most:
            assert estimate[index] == true == low[index] == high[index]


@given(
    st.lists(st.integers(-20, 20), min_size=1, max_size=40),
    st.sampled_from(["linear", "lower", "higher", "midpoint", "nearest"]),
    st.lists(st.sampled_from([0, 0.1, 0.25, 0.5, 0.75, 0.9, 1]), max_size=4),
)
def test_quantiles_of_few_values_are_those_of_numpy(values, method, q):
    moments = evenly.fit(np.array(values)[:, None], distribution=True)
    found = moments.quantile(q, method=method)
    assert found.shape == (len(q), 1)
    np.testing.assert_allclose(found[:, 0], np.quantile(values, q, method=method), rtol=1e-14)


@given(strategies.arrays(strategies.FLOATS, min_rows=1, max_columns=2), MOST_BINS)
def test_shares_lie_within_their_bounds(x, most):
    moments = evenly.fit(x, distribution=most)
    finite = np.asarray(x, np.float64)
    at = np.unique(finite[np.isfinite(finite)])
    for index in range(x.shape[1]):
        column = finite[:, index][~np.isnan(finite[:, index])]
        low, high = moments.cdf_bounds(at, column=index)
        estimate = moments.cdf(at, column=index)
        if not len(column):
            assert np.isnan(estimate).all()
            continue
        true = (column[:, None] <= at).sum(0) / len(column)
        assert (low <= true).all()
        assert (true <= high).all()
        assert (low <= estimate).all()
        assert (estimate <= high).all()


@pytest.mark.parametrize("kernel", ["int64", "uint64"])
def test_large_integers_are_counted_by_their_float64(kernel):
    values = np.array([2**62 + 1, 2**62, 2**53 + 1, 7], kernel)
    moments = evenly.fit(values, distribution=True)
    assert bins_of(moments) == expected(values.astype(np.float64)[:, None], 1024)
    assert Moments.from_bytes(moments.to_bytes()).to_bytes() == moments.to_bytes()


def long_columns():
    """Yield columns that are long enough for every way of counting."""
    rng = np.random.default_rng(7)
    rows = 40_000
    normal = rng.normal(size=rows)
    yield "normal", normal
    yield "float32", normal.astype(np.float32)
    yield "float16", normal.astype(np.float16)
    yield "bfloat16", normal.astype(ml_dtypes.bfloat16)
    yield "offset", 1.7e9 + normal
    yield "pixels", rng.integers(0, 256, rows).astype(np.uint8)
    yield "negative integers", rng.integers(-300, 300, rows)
    yield "cents", rng.integers(-400, 400, rows) / 100
    yield "mostly zero", np.where(rng.random(rows) < 0.6, -0.0, 1.7e9 + normal)
    yield "mostly missing", np.where(rng.random(rows) < 0.6, np.nan, normal)
    yield "all numbers", rng.integers(0, 2**64, rows, dtype=np.uint64).view(np.float64)
    yield "shifted later", np.concatenate([normal[:20_000], 1e-200 * normal[:20_000]])
    yield "finer later", np.concatenate([np.round(normal[:20_000]), normal[:20_000] / 3])
    yield "constant", np.full(rows, 0.1)
    yield "largest", np.where(rng.random(rows) < 0.5, 1.7976931348623157e308, normal)


LONG = dict(long_columns())


@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("most", [2, 100, 1024])
def test_long_columns(name, most):
    x = LONG[name][:, None]
    finite = np.where(np.isinf(x), np.nan, x) if x.dtype.kind == "f" else x
    one = _core.State(1, bins=most)
    assert one.update(_plain(x), -1, None, True, 1, _name(x)) is None
    assert _bins(one) == expected(finite, most)[0]
    for threads in (2, 3):
        state = _core.State(1, bins=most)
        state.update(_plain(x), -1, None, True, threads, _name(x))
        assert state.pack() == one.pack()
    rows = _core.State(1, bins=most)
    for start in range(0, len(x), 7_777):
        rows.update(_plain(x[start : start + 7_777]), -1, None, True, 1, _name(x))
    rows.rows = one.rows
    assert rows.pack() == one.pack()


def _plain(x):
    return x.view(np.uint16) if x.dtype == ml_dtypes.bfloat16 else x


def _name(x):
    return "bfloat16" if x.dtype == ml_dtypes.bfloat16 else None


def _bins(state):
    shift, keys, counts = state.histogram(0)
    return shift, dict(zip(keys.tolist(), counts.tolist(), strict=True))


def test_long_weighted_columns_and_groups():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(20_000, 2))
    weights = rng.integers(0, 4, len(x))
    repeated = evenly.fit(np.repeat(x, weights, axis=0), distribution=200)
    assert bins_of(evenly.fit(x, weights=weights, distribution=200)) == bins_of(repeated)
    keys = rng.integers(0, 3, len(x))
    groups = evenly.fit(x, by=keys, weights=weights, distribution=200)
    for key, moments in groups.items():
        rows = np.repeat(x[keys == key], weights[keys == key], axis=0)
        assert bins_of(moments) == bins_of(evenly.fit(rows, distribution=200))
