"""Distances of distributions, beside SciPy's on the values themselves."""

import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import evenly
from evenly.drift.facts import facts_of
from evenly.drift.intervals import kurtosis_bound
from evenly.drift.shape import shape_distance

stats = pytest.importorskip("scipy.stats")
samples = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=200)


def facts(x, bins=1024):
    """Return the facts of one column of values."""
    moments = evenly.fit(np.asarray(x, np.float64)[:, None], distribution=bins)
    return facts_of(moments)[(None, 0)]


def distances(a, b, bins=1024, error=0.01):
    return shape_distance(facts(a, bins), facts(b, bins), error)


@example([3.0, 3.0], [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 0.5, 0.25])  # rounded shares: over 1
@given(*[st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2)] * 2)
def test_any_numbers_have_distances(a, b):
    shape = distances(a, b, bins=16)
    assert 0 <= shape.ks.low <= shape.ks.value <= shape.ks.high <= 1
    assert 0 <= shape.wasserstein.low <= shape.wasserstein.value <= shape.wasserstein.high


@pytest.mark.parametrize(("power", "bins"), [(-1060, 1024), (-900, 16), (1000, 16), (1010, 1024)])
def test_distances_do_not_depend_on_the_unit(power, bins):
    """Also near the limits of float64, where sums of differences overflow or underflow."""
    rng = np.random.default_rng(2)
    a, b = (rng.integers(-(2**13), 2**13, n) * 1.0 for n in (3000, 2000))
    b += 4000
    near, far = (distances(np.ldexp(a, k), np.ldexp(b, k), bins) for k in (0, power))
    for one, two in ((near.ks, far.ks), (near.wasserstein, far.wasserstein)):
        assert list(two) == pytest.approx(list(one), abs=0.01)
    assert far.wasserstein.value > 0.5


def test_kurtosis_does_not_depend_on_the_unit():
    x = np.random.default_rng(2).integers(-50, 50, 1000) * 1.0
    near = kurtosis_bound(facts(x))
    assert near == pytest.approx(stats.kurtosis(x, fisher=False))
    for power in (-1068, -1000, 1017):
        assert kurtosis_bound(facts(np.ldexp(x, power))) == pytest.approx(near, rel=1e-6)


def test_distances_of_few_values_are_scipys():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 30, 500), rng.integers(3, 40, 400)
    shape = distances(a, b)
    ks = stats.ks_2samp(a, b).statistic
    assert shape.ks.value == pytest.approx(ks)
    assert shape.ks_bounds == pytest.approx((ks, ks))
    assert shape.wasserstein.value == pytest.approx(stats.wasserstein_distance(a, b) / a.std())


@pytest.mark.parametrize("offset", [0.0, 1.7e9])
def test_distances_of_many_values_are_close_to_scipys(offset):
    rng = np.random.default_rng(0)
    a, b = offset + rng.normal(size=50_000), offset + rng.normal(0.1, 1.3, size=50_000)
    shape = distances(a, b)
    ks = stats.ks_2samp(a, b).statistic
    low, high = shape.ks_bounds
    assert low <= ks <= high
    assert high - low < 0.02
    assert shape.ks.value == pytest.approx(ks, abs=0.01)
    expected = stats.wasserstein_distance(a, b) / a.std()
    assert shape.wasserstein.value == pytest.approx(expected, abs=0.01)


@given(samples, samples, st.sampled_from([2, 4, 16]))
def test_bounds_contain_the_distance_of_the_samples(a, b, bins):
    low, high = distances(a, b, bins).ks_bounds
    exact = stats.ks_2samp(a, b, method="asymp").statistic
    assert low - 1e-9 <= exact <= high + 1e-9


@given(samples, st.sampled_from([2, 16, 1024]))
def test_sample_is_the_same_as_itself(x, bins):
    shape = distances(x, x, bins)
    assert (shape.ks.value, shape.ks.low) == (0, 0)
    assert (shape.wasserstein.value, shape.wasserstein.low) == (0, 0)
    assert shape.psi == 0


@given(samples, samples)
def test_ks_is_symmetric(a, b):
    forth, back = distances(a, b), distances(b, a)
    assert forth.ks == pytest.approx(back.ks)


def test_interval_contains_the_true_distance():
    """Between N(0, 1) and N(0.5, 1): 2 Φ(0.25) - 1 and 0.5."""
    truth = 2 * stats.norm.cdf(0.25) - 1
    for seed in range(50):
        rng = np.random.default_rng(seed)
        shape = distances(rng.normal(size=500), rng.normal(0.5, size=500))
        assert shape.ks.low <= truth <= shape.ks.high
        assert shape.wasserstein.low <= 0.55


def test_psi_is_that_of_the_deciles():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=20_000), rng.normal(0.5, size=20_000)
    edges = np.quantile(a, np.linspace(0, 1, 11)[1:-1])
    p, q = (np.bincount(np.searchsorted(edges, x), minlength=10) / len(x) for x in (a, b))
    expected = ((q - p) * np.log(q / p)).sum()
    assert distances(a, b).psi == pytest.approx(expected, rel=0.05)


def test_empty_decile_does_not_make_psi_infinite():
    assert 1 < distances(np.arange(100), np.arange(50)).psi < 10


def test_distance_from_a_constant_is_infinite_if_certain():
    assert distances(np.zeros(1000), np.ones(1000)).wasserstein.low == np.inf
    assert distances(np.zeros(5), np.ones(5)).wasserstein.low == 0


def test_columns_without_values_have_no_shape():
    assert distances([np.nan, np.nan], [1.0, 2.0]) is None


def test_comparison_without_a_distribution_on_one_side_has_no_shape():
    x = np.arange(100.0)[:, None]
    comparison = evenly.compare(evenly.fit(x, distribution=True), evenly.fit(x))
    assert comparison[0].shape is None
    assert "KS" not in repr(comparison)


def test_kurtosis_of_the_bins_makes_the_ratio_more_certain():
    x, y = np.random.default_rng(0).normal(size=(2, 10_000, 1))
    widths = []
    for options in ({}, {"distribution": True}):
        ratio = evenly.compare(evenly.fit(x, **options), evenly.fit(y, **options))[0].std_ratio
        widths.append(ratio.high - ratio.low)
    assert widths[1] < 0.6 * widths[0]


def test_table_and_dict_have_the_distances():
    rng = np.random.default_rng(0)
    a, b = (evenly.fit(rng.normal(size=(500, 1)), distribution=True) for _ in range(2))
    comparison = evenly.compare(a, b)
    assert "KS" in repr(comparison).splitlines()[1]
    (column,) = comparison.to_dict()["columns"]
    assert column["ks"].keys() == {"value", "low", "high", "sample_low", "sample_high"}
    assert column["wasserstein"]["value"] == comparison[0].shape.wasserstein.value
    assert column["psi"] == comparison[0].shape.psi
    assert "<svg" in comparison.to_html()


# ---- The histograms of the page ----


def page_of(a, b):
    """Return the bars, the outline and the note of the histogram of two samples in the page."""
    first, second = (evenly.fit(np.asarray(x)[:, None], distribution=True) for x in (a, b))
    page = evenly.compare(first, second).to_html()
    drawing = re.search(r'<svg viewBox="-8.*?</svg>', page).group()
    note = re.search(r"class=out [^>]*>([^<]*)", drawing)
    return *re.findall(r'<path d="([^"]*)"', drawing)[:2], note and note.group(1)


def test_histogram_of_few_integers_has_a_bar_for_each():
    hours = np.arange(24)
    bars, outline, note = page_of(np.repeat(hours, 3), np.repeat(hours[5:], 2))
    assert bars == "M0 34v-27h192v27z"  # no gap; 19 / 24 of the height of 34
    assert outline == "M0 34h40v-34h152v34z"
    assert note is None


@pytest.mark.parametrize("number", [32, 60, 96])
def test_each_bar_of_integers_stands_for_the_same_number_of_them(number):
    bars, outline, _ = page_of(np.arange(number), np.arange(number))
    assert bars == outline == "M0 34v-34h192v34z"


def test_report_and_comparison_draw_a_column_alike():
    x = np.r_[np.random.default_rng(0).normal(size=500), np.zeros(600), 1e6]
    bars, _, note = page_of(x, x)
    page = evenly.fit(x[:, None], distribution=True).to_html()
    assert f'<path d="{bars}"' in page
    assert note == "0.1 % → 0.1 % outside"
    assert ">0.1 % outside<" in page


def test_constant_columns_are_drawn():
    bars, outline, _ = page_of(np.full(9, 5.0), np.full(3, 5.0))
    assert bars == outline == "M0 34h64v-34h64v34z"


def test_quartiles_are_those_of_the_moments():
    moments = evenly.fit(np.random.default_rng(0).normal(size=(999, 1)), distribution=True)
    assert facts_of(moments)[(None, 0)].quartiles == (*moments.quantile([0.25, 0.75]).ravel(),)
    assert facts_of(moments.without_distribution())[(None, 0)].quartiles is None
