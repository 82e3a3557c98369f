"""What `Moments` with a distribution tell, and the errors without one."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import evenly
from evenly import GroupedMoments, Moments
from evenly.errors import ColumnError, DataError

RNG = np.random.default_rng(11)
X = np.column_stack([RNG.normal(size=5000), RNG.integers(0, 9, 5000)])
MOMENTS = evenly.fit(X, distribution=True)


def test_distribution_is_the_number_of_bins():
    assert MOMENTS.distribution == 1024
    assert evenly.fit(X).distribution == 0
    assert evenly.fit(X, distribution=64).distribution == 64
    assert evenly.fit(X, by=np.arange(5000) % 2, distribution=64).distribution == 64
    assert Moments.empty(2, distribution=True).distribution == 1024
    assert GroupedMoments.empty(distribution=True).distribution == 1024


@pytest.mark.parametrize("value", [1, 65_537, -1, "yes", 2.5])
def test_invalid_numbers_of_bins_are_refused(value):
    message = r"distribution must be True, False, or a number of bins from 2 to 65,536. Received"
    with pytest.raises(DataError, match=message):
        evenly.fit(X, distribution=value)


def test_bins_have_edges_that_belong_to_them():
    bins = MOMENTS.bins(0)
    assert bins.shift > 0
    assert (bins.lower <= bins.upper).all()
    assert (bins.upper[:-1] < bins.lower[1:]).all()
    ends = zip(bins.lower, bins.upper, strict=True)
    counts = [((X[:, 0] >= a) & (X[:, 0] <= b)).sum() for a, b in ends]
    assert bins.counts.tolist() == counts
    assert bins.total == 5000


def test_a_coarser_shift_adds_up_counts():
    bins = MOMENTS.bins(0)
    assert bins.coarsen(bins.shift).counts.tolist() == bins.counts.tolist()
    coarse = bins.coarsen(bins.shift + 3)
    assert coarse.shift == bins.shift + 3
    assert coarse.total == bins.total
    assert set(coarse.keys) == set(bins.keys >> np.uint64(3))
    empty = Moments.empty(1, distribution=True).bins()
    assert empty.coarsen(7).total == 0


def test_largest_and_smallest_values_have_finite_bins():
    largest = np.finfo(np.float64).max
    moments = evenly.fit([[largest], [-largest], [1.0]], distribution=2)
    bins = moments.bins()
    assert bins.shift == 63
    assert bins.lower.tolist() == [-largest, 0.0]
    assert bins.upper[1] == largest
    assert np.isfinite(moments.quantile([0.1, 0.5, 0.9])).all()
    assert np.isfinite(moments.cdf([0.0, largest / 2])).all()


def test_quantiles_have_the_shape_of_numpy():
    for q in (0.3, [0.1, 0.5], [[0.1], [0.5]]):
        assert MOMENTS.quantile(q).shape == np.quantile(X, q, axis=0).shape
    np.testing.assert_array_equal(MOMENTS.quantile([0, 1]), [X.min(0), X.max(0)])
    np.testing.assert_allclose(MOMENTS.median, np.median(X, axis=0), atol=0.01)
    iqr = np.subtract(*np.quantile(X, [0.75, 0.25], axis=0))
    np.testing.assert_allclose(MOMENTS.iqr, iqr, atol=0.02)


@pytest.mark.parametrize("q", [-0.1, 1.1, np.nan, [0.5, 2], "median", None])
def test_invalid_quantiles_are_refused(q):
    with pytest.raises(DataError, match=r"A quantile must be from 0 to 1\. Received"):
        MOMENTS.quantile(q)


def test_invalid_methods_are_refused():
    with pytest.raises(DataError, match="method must be one of 'linear', 'lower'"):
        MOMENTS.quantile(0.5, method="median")


def test_histogram_of_few_values_is_that_of_numpy():
    for options in ({"bins": 10}, {"bins": [0, 1, 2.5, 8]}, {"bins": 4, "range": (2, 6)}):
        counts, edges = MOMENTS.histogram(**options, column=1)
        expected, expected_edges = np.histogram(X[:, 1], **options)
        np.testing.assert_array_equal(counts, expected)
        np.testing.assert_allclose(edges, expected_edges)


def test_histogram_of_many_values_shares_out_the_values_of_bins():
    counts, edges = MOMENTS.histogram(20, column=0)
    expected, _ = np.histogram(X[:, 0], edges)
    assert counts.sum() == pytest.approx(5000)
    np.testing.assert_allclose(counts, expected, atol=25)


def test_histogram_of_a_constant_column_and_of_none():
    counts, edges = evenly.fit([[3.0], [3.0]], distribution=True).histogram(2)
    assert counts.tolist() == [0, 2]
    assert edges.tolist() == [2.5, 3.0, 3.5]
    empty = Moments.empty(1, distribution=True).update(np.array([[np.nan]]))
    assert empty.histogram(2).counts.tolist() == [0, 0]


@pytest.mark.parametrize("x", ["0.5", None, True, [0.5, None], np.datetime64("2026-01-01")])
def test_quantiles_and_shares_of_what_is_no_number_are_refused(x):
    with pytest.raises(DataError, match="A quantile must be from 0 to 1"):
        MOMENTS.quantile(x)
    with pytest.raises(DataError, match="Pass one or more numbers"):
        MOMENTS.cdf(x)


@pytest.mark.parametrize("q", [0.25, Fraction(1, 4), Decimal("0.25"), np.float32(0.25), [[0.25]]])
def test_quantiles_of_any_kind_of_number(q):
    np.testing.assert_array_equal(np.squeeze(MOMENTS.quantile(q)), MOMENTS.quantile(0.25))


@pytest.mark.parametrize("bins", [0, -1, 2.5, 10**9, [1.0], [2.0, 1.0], ["0", "1"], "auto", True])
def test_invalid_bins_of_a_histogram_are_refused(bins):
    with pytest.raises(DataError, match="bins must be a number of bins from 1 to 1,000,000, or"):
        MOMENTS.histogram(bins, column=0)


@pytest.mark.parametrize("limits", [(2, 1), (0, np.inf), (np.nan, 1)])
def test_invalid_ranges_of_a_histogram_are_refused(limits):
    with pytest.raises(DataError, match="range must be two finite numbers in ascending order"):
        MOMENTS.histogram(column=0, range=limits)


def test_distinct_values_are_known_up_to_the_number_of_bins():
    values, counts = MOMENTS.distinct(1)
    expected = np.unique(X[:, 1], return_counts=True)
    np.testing.assert_array_equal(values, expected[0])
    np.testing.assert_array_equal(counts, expected[1])
    assert MOMENTS.distinct(0) is None
    assert evenly.fit(X, distribution=8).distinct(1) is None


def test_shares():
    assert MOMENTS.cdf(4, column=1) == (X[:, 1] <= 4).mean()
    assert MOMENTS.cdf([0.0, 4.0]).shape == (2, 2)
    assert MOMENTS.cdf([-99.0, 99.0], column=0).tolist() == [0, 1]
    assert np.isnan(MOMENTS.cdf(np.nan, column=0))
    assert evenly.fit([[1.0], [3.0]], distribution=True).cdf(2.0) == 0.5


def test_columns_are_selected_by_name():
    moments = evenly.fit({"a": [1.0, 2.0], "b": [3.0, 5.0]}, distribution=True)
    assert moments.distinct("b").values.tolist() == [3, 5]
    assert moments.select(["b"]).distinct().values.tolist() == [3, 5]
    with pytest.raises(ColumnError, match="column= must say which of the 2 columns is meant"):
        moments.bins()
    with pytest.raises(ColumnError, match="Unknown: 'c'"):
        moments.bins("c")


@pytest.mark.parametrize("columns", [0, 2, ["a", "b"]])
def test_moments_without_rows_have_no_quantiles(columns):
    """A layer without data and an empty day of a window have such moments."""
    moments = evenly.Moments.empty(columns, distribution=True)
    expected = np.full((2, moments.num_features), np.nan)
    np.testing.assert_array_equal(moments.quantile([0.1, 0.9]), expected)
    np.testing.assert_array_equal(moments.cdf([0.1, 0.9]), expected)
    for low_and_high in (moments.quantile_bounds([0.1, 0.9]), moments.cdf_bounds([0.1, 0.9])):
        np.testing.assert_array_equal(low_and_high, [expected, expected])
    np.testing.assert_array_equal(moments.iqr, expected[0])
    if columns:
        with pytest.raises(DataError, match="needs at least one value per column"):
            moments.normalize(np.ones((1, 2)), method="quantile")


def test_shares_of_what_is_no_number_raise():
    with pytest.raises(DataError, match=r"up to a number\. Received: 'large'"):
        MOMENTS.cdf("large")


def test_bins_cannot_be_changed():
    """They are cached: a change would change all quantiles."""
    with pytest.raises(ValueError, match="read-only"):
        MOMENTS.bins(0).counts[0] = 5


def test_positions_of_numpy_are_positions():
    assert MOMENTS.bins(np.int64(1)).total == MOMENTS.bins(1).total


@pytest.mark.parametrize(
    "read",
    [
        lambda m: m.quantile(0.5),
        lambda m: m.quantile_bounds(0.5),
        lambda m: m.median,
        lambda m: m.iqr,
        lambda m: m.histogram(column=0),
        lambda m: m.distinct(0),
        lambda m: m.cdf(0.0),
        lambda m: m.cdf_bounds(0.0),
        lambda m: m.bins(0),
    ],
)
def test_moments_without_distribution_raise(read):
    message = "need a distribution. Received: moments without one. Fit the data with evenly.fit"
    for moments in (evenly.fit(X), MOMENTS.without_distribution()):
        with pytest.raises(DataError, match=message):
            read(moments)


def test_moments_with_and_without_distribution_cannot_be_combined():
    without = evenly.fit(X)
    message = "Moments with distributions can only be combined with others that have them"
    for combine in (
        lambda: MOMENTS + without,
        lambda: without + MOMENTS,
        lambda: MOMENTS - without,
        lambda: evenly.merge([without, MOMENTS]),
    ):
        with pytest.raises(DataError, match=message):
            combine()
    keys = np.arange(len(X)) % 3
    groups, plain = evenly.fit(X, by=keys, distribution=True), evenly.fit(X, by=keys)
    for combine in (lambda: groups + plain, lambda: plain + groups, lambda: groups - plain):
        with pytest.raises(DataError, match=message):
            combine()
    assert MOMENTS.without_distribution() + without == without + without
    assert MOMENTS.without_distribution().to_bytes() == without.to_bytes()


def test_moments_without_rows_take_the_distribution_of_others():
    for empty in (Moments.empty(2), Moments.empty(2, distribution=True), Moments.empty()):
        assert (empty + MOMENTS).distribution == 1024
        assert (MOMENTS + empty).distribution == 1024
        assert (empty + evenly.fit(X)).distribution == 0
        assert (evenly.fit(X) + empty).distribution == 0
    keys = np.arange(len(X)) % 3
    for groups in (GroupedMoments.empty(), GroupedMoments.empty(distribution=True)):
        assert (groups + evenly.fit(X, by=keys, distribution=64)).distribution == 64
        assert (groups + evenly.fit(X, by=keys)).distribution == 0


def test_equality_is_that_of_the_sums():
    assert evenly.fit(X) == MOMENTS
    rest = MOMENTS + evenly.fit(X * 1e9, distribution=True) - evenly.fit(X * 1e9, distribution=True)
    assert rest == MOMENTS
    assert rest.extremes_are_bounds
    low, high = rest.quantile_bounds(0)
    assert (low <= X.min(0)).all()
    assert (X.min(0) <= high).all()


def test_subtracting_what_was_not_added_raises_and_changes_nothing():
    other = evenly.fit(X[:2] + 1e-3, distribution=True)
    with pytest.raises(DataError, match="Only moments that were added can be subtracted"):
        MOMENTS - other
    assert MOMENTS.bins(0).total == 5000


def test_weights_must_be_whole_numbers():
    message = (
        "Distributions count rows, so weights must be whole numbers. Received: 0.5 in row 1 of"
    )
    with pytest.raises(DataError, match=message):
        evenly.fit(X[:3], weights=[1, 0.5, 2], distribution=True)
    with pytest.raises(DataError, match=message):
        evenly.fit(X[:3], weights=[1, 0.5, 2], by=[0, 0, 1], distribution=True)
    with pytest.raises(DataError, match=r"at most 2\*\*63 - 1 values"):
        evenly.fit(X[:2], weights=[1e300, 1], distribution=True)
    with pytest.raises(DataError, match=r"at most 2\*\*63 - 1 values"):
        evenly.fit(X[:2], weights=[1e300, 1], by=[0, 1], distribution=True)


def test_a_failed_update_changes_nothing():
    moments = evenly.fit(X, distribution=True)
    before = moments.to_bytes()
    with pytest.raises(DataError, match="Every value must be finite"):
        moments.update(np.array([[5.0, 1.0], [2.0, np.inf]]))
    assert moments.to_bytes() == before
    moments.update(np.array([[5.0, 1.0], [2.0, np.inf]]), infinite="missing")
    assert moments.bins(1).total == 5001


def test_zeros_of_a_sparse_matrix_are_counted():
    sparse = pytest.importorskip("scipy.sparse")
    x = sparse.random(300, 4, 0.1, format="csr", rng=5)
    ours, dense = (evenly.fit(a, distribution=True) for a in (x, x.toarray()))
    for index in range(4):
        assert ours.bins(index).counts.tolist() == dense.bins(index).counts.tolist()
    weights = np.arange(300) % 3
    ours, dense = (evenly.fit(a, weights=weights, distribution=True) for a in (x, x.toarray()))
    assert ours.bins(2).counts.tolist() == dense.bins(2).counts.tolist()


def test_windows_keep_distributions():
    window = evenly.Window(2, distribution=True)
    for start in (0, 100, 200):
        window.append(X[start : start + 100])
    expected = evenly.fit(X[100:300], distribution=True)
    assert window.moments.bins(0).counts.tolist() == expected.bins(0).counts.tolist()
    assert evenly.Window(2).moments.distribution == 0
