"""The differences are exact, and their intervals contain the truth."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import evenly
import oracle
from evenly.drift.facts import facts_of
from evenly.drift.intervals import (
    kurtosis_bound,
    mean_shift,
    missing_difference,
    std_ratio,
)

stats = pytest.importorskip("scipy.stats")
LARGEST, SMALLEST = np.finfo(np.float64).max, np.finfo(np.float64).smallest_subnormal
EXTREMES = (-LARGEST, -1.0, -SMALLEST, 0.0, SMALLEST, 2 * SMALLEST, 1e-162, 6.36e161, LARGEST)
values = st.one_of(
    st.lists(
        st.one_of(st.floats(-1e6, 1e6), st.floats(allow_nan=False, allow_infinity=False)),
        min_size=2,
        max_size=30,
    ),
    # Enough rows of the same few values that the interval is finite
    st.builds(
        lambda x, n: x * n,
        st.lists(st.sampled_from(EXTREMES), min_size=1, max_size=3),
        st.integers(2, 60),
    ),
)


def facts(column):
    """Return the facts of one column of values."""
    return facts_of(evenly.fit(np.asarray(column, np.float64)[:, None]))[(None, 0)]


OVERFLOW = Fraction(2) ** 1024  # the float64 after the largest one, without a bound of exponents


def to_fraction(value):
    """Return a float, of which an infinity is the first power of two that overflows."""
    return Fraction(value) if math.isfinite(value) else OVERFLOW


def is_rounded_root(value, square):
    """Return whether a float is the nearest one to the root of a fraction."""
    low, exact = to_fraction(math.nextafter(value, -math.inf)), to_fraction(value)
    if max(0, (low + exact) / 2) ** 2 > square:  # the root is below the midpoint
        return False
    high = to_fraction(math.nextafter(value, math.inf))
    return value == math.inf or square <= ((exact + high) / 2) ** 2


@given(values, values)
@example([0.0, -1e-121, 1.8e202], [0.0, 0.0, 1.8e202])  # the shift underflows
@example([0.0, 1e-121], [0.0, 2e187])  # the shift and the ratio overflow
def test_shift_and_ratio_are_correctly_rounded(a, b):
    one, two = (oracle.column(x) for x in (a, b))
    shift, ratio = mean_shift(facts(a), facts(b), 0.01), std_ratio(facts(a), facts(b), 0.01)
    if not one.variance():
        assert shift.value == 0 or math.isinf(shift.value)
        assert ratio.value == 1 or math.isinf(ratio.value)
        return
    difference = two.mean() - one.mean()
    assert is_rounded_root(abs(shift.value), difference**2 / one.variance())
    assert shift.value == 0 or (shift.value > 0) == (difference > 0)  # it may underflow
    assert is_rounded_root(ratio.value, two.variance() / one.variance())


@given(values, values)
@example([0.0, 1.0], [6.36e161, 6.36e161])
@example([0.0, 1.0], [6.36e161, 6.37e161])
@example([0.0, SMALLEST] * 40, [-LARGEST, LARGEST] * 40)
def test_intervals_contain_their_estimates(a, b):
    for measure in (mean_shift, std_ratio, missing_difference):
        interval = measure(facts(a), facts(b), 0.01)
        assert interval.low <= interval.value <= interval.high


@pytest.mark.parametrize(("i", "j"), [(-1000, -1000), (900, 900), (-500, 500), (480, -520)])
def test_ratio_does_not_depend_on_the_sizes_of_the_columns(i, j):
    rng = np.random.default_rng(8)
    a, b = rng.normal(size=2000), rng.exponential(size=1500)
    near = std_ratio(facts(a), facts(b), 0.01)
    far = std_ratio(facts(np.ldexp(a, i)), facts(np.ldexp(b, j)), 0.01)
    assert 0 < near.low < near.high < math.inf
    # Student's t differs: the degrees of freedom are near those of the larger variance.
    assert list(far) == pytest.approx(np.ldexp(near, j - i), rel=1e-12 if i == j else 1e-3)


@pytest.mark.parametrize("power", [-1000, 900])
def test_shift_does_not_depend_on_the_unit(power):
    rng = np.random.default_rng(9)
    a, b = rng.normal(size=60), rng.exponential(size=50)
    near, far = (mean_shift(facts(np.ldexp(a, k)), facts(np.ldexp(b, k)), 0.01) for k in (0, power))
    assert near.low < near.value < near.high
    assert list(far) == pytest.approx(list(near), rel=1e-12)


def test_intervals_beyond_float64_are_infinite():
    tiny, huge = facts([0.0, SMALLEST] * 40), facts([0.9 * LARGEST, LARGEST] * 40)
    assert tuple(mean_shift(tiny, huge, 0.01)) == (math.inf,) * 3
    assert tuple(mean_shift(tiny, facts([-LARGEST, -0.9 * LARGEST] * 40), 0.01)) == (-math.inf,) * 3
    assert tuple(std_ratio(tiny, huge, 0.01)) == (math.inf,) * 3
    assert tuple(std_ratio(huge, tiny, 0.01)) == (0, 0, 0)


def weighted(weights):
    """Return the facts of 0, 1, 2 ... and of missing values, with weights."""
    x = np.arange(float(len(weights)))
    x[-1] = np.nan
    moments = evenly.fit(x[:, None], weights=np.asarray(weights, np.float64))
    return facts_of(moments)[(None, 0)]


@pytest.mark.parametrize(
    "weights",
    [
        [1, 1e-20, 1],
        [1, 2.0**-52, 1],
        [1, 1e-320, 1],
        [1e-310] * 3,
        [1e308] * 5,
        [1e-300, 1e300, 1],
    ],
)
def test_total_weights_may_have_any_size(weights):
    for other in ([2.0, 3.0, 1.0], weights):
        for a, b in ((weights, other), (other, weights)):
            for measure in (mean_shift, std_ratio, missing_difference):
                interval = measure(weighted(a), weighted(b), 0.01)
                assert interval.low <= interval.value <= interval.high


def test_share_of_little_weight_is_unknown():
    """A weight near 0 says nothing: Wilson's interval of each share is then from 0 to 1."""
    little, many = weighted([1e-310] * 2), weighted([1e308] * 2)
    assert missing_difference(many, little, 0.01) == pytest.approx((0, -0.5, 0.5))
    assert missing_difference(many, many, 0.01) == pytest.approx((0, 0, 0))


def test_shift_is_exact_at_a_large_offset():
    x = np.arange(1000.0)
    near, far = (mean_shift(facts(o + x), facts(o + x + 1), 0.01) for o in (0, 2.0**52))
    assert near == far


def test_interval_of_the_mean_is_welchs():
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 1, 40), rng.normal(0.3, 3, 25)
    interval = mean_shift(facts(a), facts(b), 0.01)
    result = stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.99)
    expected = [end / a.std() for end in (result.low, result.high)]
    # The degrees of freedom are rounded down, which makes it a little wider.
    assert [interval.low, interval.high] == pytest.approx(expected, rel=0.01)
    assert interval.low < expected[0] < expected[1] < interval.high


LAWS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "uniform": lambda rng, n: rng.uniform(size=n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "coin": lambda rng, n: rng.integers(0, 2, n),
    "lognormal": lambda rng, n: rng.lognormal(size=n),
}


@pytest.mark.parametrize("law", LAWS)
def test_interval_of_the_ratio_contains_the_truth_for_any_law(law):
    """At 95 %, fewer than 5 % of the intervals may miss; the bound makes them wider."""
    rng = np.random.default_rng(5)
    missed = 0
    for _ in range(200):
        a, b = LAWS[law](rng, 300), 2 * LAWS[law](rng, 300)
        interval = std_ratio(facts(a), facts(b), 0.05)
        missed += not interval.low <= 2 <= interval.high
    assert missed <= 20  # 10 expected at most


def test_ratio_is_found_in_spite_of_the_bound():
    rng = np.random.default_rng(6)
    interval = std_ratio(
        facts(rng.normal(size=100_000)), facts(1.2 * rng.normal(size=100_000)), 1e-4
    )
    assert 1.1 < interval.low < 1.2 < interval.high < 1.3


def test_one_outlier_makes_the_ratio_infinitely_uncertain():
    rng = np.random.default_rng(7)
    a, b = rng.normal(size=(2, 1000))
    b[0] = 1e6
    ratio = std_ratio(facts(a), facts(b), 1e-3)
    assert ratio.value > 1e4
    assert ratio.low == 0


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=40))
def test_kurtosis_is_at_most_the_bound(x):
    own = facts(x)
    expected = stats.kurtosis(x, fisher=False) if own.variance else 1.0
    assert kurtosis_bound(own) >= expected * (1 - 1e-9)


def test_interval_of_a_share_is_newcombes():
    """Example of Newcombe (1998), method 10: 56 of 70 and 48 of 80."""
    a = np.where(np.arange(70) < 56, np.nan, 0.0)
    b = np.where(np.arange(80) < 48, np.nan, 0.0)
    value, low, high = missing_difference(facts(b), facts(a), 0.05)
    assert [round(x, 4) for x in (value, low, high)] == [0.2, 0.0524, 0.3339]


def test_share_of_zero_has_an_interval():
    value, low, high = missing_difference(facts(np.zeros(100)), facts(np.zeros(100)), 0.01)
    assert value == 0
    assert low < -0.05 < 0.05 < high


# ---- Constants and few rows ----


def test_constants_that_differ_are_infinitely_far_apart_if_there_are_enough_rows():
    few = mean_shift(facts([1.0] * 3), facts([2.0] * 3), 1e-3)
    many = mean_shift(facts([1.0] * 100), facts([2.0] * 100), 1e-3)
    assert (few.value, few.low) == (math.inf, -math.inf)
    assert tuple(many) == (math.inf, math.inf, math.inf)


def test_equal_constants_are_the_same():
    a, b = facts([0.1] * 100), facts([0.1] * 50)
    assert tuple(mean_shift(a, b, 1e-3)) == (0, 0, 0)
    assert tuple(std_ratio(a, b, 1e-3)) == (1, 1, 1)


@pytest.mark.parametrize("events", [1, 3])
def test_rare_event_in_one_sample_is_no_shift(events):
    a, b = np.zeros(1000), np.zeros(1000)
    b[:events] = 1
    for one, two in ((a, b), (b, a)):
        shift, ratio = (f(facts(one), facts(two), 1e-3) for f in (mean_shift, std_ratio))
        assert shift.low <= 0 <= shift.high
        assert ratio.low <= 1 <= ratio.high


def test_column_that_begins_to_vary_is_found():
    a, b = np.zeros(1000), np.zeros(1000)
    b[:200] = 1
    assert mean_shift(facts(a), facts(b), 1e-3).low == math.inf
    assert std_ratio(facts(a), facts(b), 1e-3).low == math.inf


def test_single_row_has_an_infinite_interval():
    for one, two in (([1.0], [1.0, 2.0]), ([1.0, 2.0], [9.0])):
        shift, ratio = (f(facts(one), facts(two), 1e-3) for f in (mean_shift, std_ratio))
        assert (shift.low, shift.high) == (-math.inf, math.inf)
        assert (ratio.low, ratio.high) == (0, math.inf)


def test_columns_without_values_have_no_measures():
    empty, full = facts([np.nan, np.nan]), facts([1.0, 2.0])
    for measure in (mean_shift, std_ratio):
        assert measure(empty, full, 0.01) is None
        assert measure(full, empty, 0.01) is None
    assert missing_difference(full, empty, 0.01).value == 1
