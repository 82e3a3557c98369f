"""Exactness, compared with fractions: any data, any split, any order."""

import json
import os
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evenly
import strategies
from evenly import Moments, _core, exact_stats
from oracle import columns, rounded, rounded_root

THREADS = (1, 2, 3, 7)


def fitted(array, **options):
    return Moments.empty(array.shape[1]).update(array, **options)


def sums_of(moments):
    """Return all additive statistics as Fractions."""
    parts = (moments._state.counts(), moments._state.missings())
    counts, missings = ([exact_stats.fraction(value) for value in part] for part in parts)
    return list(zip(counts, missings, moments.sum, moments.sum_of_squares, strict=True))


def expected_sums(exact):
    return [(column.count, column.missing, column.sum, column.squares) for column in exact]


@given(strategies.arrays().flatmap(strategies.laid_out))
def test_sums_match_fractions_in_any_layout(array):
    assert sums_of(fitted(array)) == expected_sums(columns(array))


@given(strategies.arrays(max_rows=700, max_columns=2, names=strategies.FLOATS, min_rows=200))
def test_sums_over_blocks_match_fractions(array):
    assert sums_of(fitted(array)) == expected_sums(columns(array))


@given(strategies.arrays(), st.data())
def test_merge_of_any_split_equals_whole(array, data):
    parts = data.draw(strategies.splits(len(array)))
    merged = evenly.merge(fitted(array[start:stop]) for start, stop in parts)
    assert merged == fitted(array)
    assert sums_of(merged) == expected_sums(columns(array))


@given(strategies.arrays(max_rows=12), st.data())
def test_any_merge_tree_equals_whole(array, data):
    parts = [fitted(array[i : i + 1]) for i in range(len(array))] or [fitted(array)]
    while len(parts) > 1:
        a = parts.pop(data.draw(st.integers(0, len(parts) - 1)))
        b = parts.pop(data.draw(st.integers(0, len(parts) - 1)))
        parts.append(a + b)
    assert parts[0] == fitted(array)


@given(strategies.arrays(), st.randoms(use_true_random=False))
def test_row_order_does_not_matter(array, random):
    order = list(range(len(array)))
    random.shuffle(order)
    assert fitted(array[order]) == fitted(array)


@given(strategies.arrays(max_rows=600, names=("float32", "float64", "int64")))
def test_threads_do_not_matter(array):
    states = [_core.State(array.shape[1]) for _ in THREADS]
    for state, threads in zip(states, THREADS, strict=True):
        state.update(array, threads=threads)
    assert all(state == states[0] for state in states)


@given(strategies.arrays(), strategies.arrays())
def test_add_then_subtract_is_identity(a, b):
    b = np.resize(b, (len(b), a.shape[1])) if b.size else np.zeros((0, a.shape[1]))
    first, second = fitted(a), fitted(b)
    assert (first + second) - second == first
    assert first + second == second + first


@given(strategies.arrays(min_rows=1), st.data())
def test_integer_weight_equals_repeated_rows(array, data):
    weights = data.draw(strategies.whole_weights(len(array)))
    assert fitted(array, weights=weights) == fitted(np.repeat(array, weights, axis=0))


@given(strategies.arrays(min_rows=1), st.data())
def test_fractional_weights_are_exact(array, data):
    weights = data.draw(strategies.fractional_weights(len(array)))
    assert sums_of(fitted(array, weights=weights)) == expected_sums(columns(array, weights))


@given(strategies.arrays(), strategies.corrections)
def test_statistics_are_correctly_rounded(array, correction):
    moments = fitted(array)
    check_statistics(moments, columns(array), Fraction(correction))


@given(strategies.arrays(min_rows=1, max_rows=10), strategies.corrections, st.data())
def test_weighted_statistics_are_correctly_rounded(array, correction, data):
    weights = data.draw(strategies.fractional_weights(len(array)))
    exact = columns(array, weights)
    check_statistics(fitted(array, weights=weights), exact, Fraction(correction))


def check_statistics(moments, exact, correction):
    variances = [column.variance(correction) for column in exact]
    means = [rounded(column.mean() if column.count else None) for column in exact]
    np.testing.assert_array_equal(moments.mean, means)
    np.testing.assert_array_equal(moments.variance(correction), list(map(rounded, variances)))
    np.testing.assert_array_equal(moments.std(correction), list(map(rounded_root, variances)))
    for name in ("min", "max"):
        expected = [rounded(getattr(column, name)) for column in exact]
        np.testing.assert_array_equal(getattr(moments, name), expected)


@given(strategies.arrays(min_rows=1))
def test_constant_iff_exact_variance_is_zero(array):
    expected = [column.count > 0 and column.variance() == 0 for column in columns(array)]
    assert fitted(array).constant.tolist() == expected


@given(st.fractions(min_value=0), st.integers(-2200, 2200))
def test_sqrt_rounded_at_every_magnitude(ratio, e):
    exact = ratio * Fraction(2) ** e
    assert exact_stats.sqrt_rounded(ratio.numerator, ratio.denominator, e) == rounded_root(exact)


@given(st.fractions(min_value=0), st.integers(-1100, 1100))
def test_divide_rounded_at_every_magnitude(ratio, e):
    exact = ratio * Fraction(2) ** e
    assert exact_stats.divide_rounded(ratio.numerator, ratio.denominator, e) == rounded(exact)


@given(st.integers(2**52, 2**53 - 1), st.sampled_from([-1, 0, 1]), st.integers(-1000, 900))
def test_sqrt_rounded_ties_to_even(mantissa, off, e):
    """Squares of midpoints, and numbers very close to them."""
    middle = Fraction(2 * mantissa + 1)
    exact = (middle**2 + Fraction(off, 2**300)) * Fraction(4) ** e
    assert exact_stats.sqrt_rounded(exact.numerator, exact.denominator, 0) == rounded_root(exact)


def numacc(first, pair, size):
    """Return a NIST NumAcc data set: a first value, then two others in turn."""
    return np.array([first, *([pair[0], pair[1]] * ((size - 1) // 2))])[:, None]


@pytest.mark.parametrize(
    ("data", "mean", "std"),
    [
        (np.array([10000001.0, 10000003.0, 10000002.0])[:, None], 10000002, 1),
        (numacc(1.2, (1.1, 1.3), 1001), 1.2, 0.1),
        (numacc(1000000.2, (1000000.1, 1000000.3), 1001), 1000000.2, 0.1),
        (numacc(10000000.2, (10000000.1, 10000000.3), 1001), 10000000.2, 0.1),
    ],
    ids=["NumAcc1", "NumAcc2", "NumAcc3", "NumAcc4"],
)
def test_nist_numacc_data_sets(data, mean, std):
    """https://www.itl.nist.gov/div898/strd/univ/numacc4.html: certified for the decimals.

    1000000.1 is no float64, so the float64 data differ from NIST's in the 17th digit.
    Right to every digit means: the float64 nearest to the answer for the floats given.
    The certified values hold as far as the data in binary let them: 15 digits less those
    that the offset takes.
    """
    moments = fitted(data)
    (exact,) = columns(data)
    assert moments.mean[0] == rounded(exact.mean()) == pytest.approx(mean, rel=1e-15)
    assert moments.std(correction=1)[0] == rounded_root(exact.variance(1))
    assert moments.std(correction=1)[0] == pytest.approx(std, rel=1e-15 + 1e-15 * mean)


@pytest.mark.parametrize(("offset", "dtype"), [(1.7e9, "float32"), (1e15, "float64")])
def test_large_offset_loses_no_digits(offset, dtype):
    array = np.random.default_rng(1).normal(offset, 200, (5_000, 2)).astype(dtype)
    check_statistics(fitted(array), columns(array), Fraction(1))


def kernel_script(path):
    return f"""
import json, numpy as np
from evenly import Moments, _core
arrays = np.load({str(path)!r})
results = [_core.kernel()]
for name in arrays.files:
    moments = Moments.empty().update(arrays[name])
    results.append([[str(x) for x in part] for part in (moments.sum, moments.sum_of_squares)])
    with np.errstate(all="ignore"):
        results.append(moments.normalize(arrays[name], constant="center").tobytes().hex())
print(json.dumps(results))
"""


@pytest.fixture(scope="session")
def hard_arrays(tmp_path_factory):
    """Save arrays of many shapes, dtypes and ranges in one file, with their exact sums."""
    rng = np.random.default_rng(7)
    arrays = {}
    for name in ("float64", "float32", "float16", "int8", "int64", "uint8", "bool"):
        for rows, number in ((1, 1), (3, 5), (255, 1), (257, 3), (300, 17), (40, 70)):
            wide = rng.normal(size=(rows, number)) * np.exp2(rng.integers(-30, 30, (rows, number)))
            with np.errstate(over="ignore", invalid="ignore"):
                array = wide.astype(name)
            array = np.where(np.isfinite(array), array, 1).astype(name)
            if name.startswith("float") and rows > 3:
                array[rng.random((rows, number)) < 0.1] = np.nan
            arrays[f"{name} {rows} {number}"] = np.concatenate([array, array[:1] * 0 + 1])
    path = tmp_path_factory.mktemp("kernels") / "arrays.npz"
    np.savez(path, **arrays)
    exact = [columns(array) for array in arrays.values()]
    return path, exact


@pytest.fixture(scope="session")
def plain_results(hard_arrays):
    return run_forced("plain", hard_arrays[0])


def run_forced(kernel, path):
    done = subprocess.run(
        [sys.executable, "-c", kernel_script(path)],
        env={**os.environ, "EVENLY_KERNEL": kernel},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("kernel", _core.kernels())
def test_kernels_give_the_same_bits(kernel, hard_arrays, plain_results):
    path, exact = hard_arrays
    results = run_forced(kernel, path)
    assert results[0] == kernel  # the kernel was forced
    assert results[1:] == plain_results[1:]
    for columns_, sums in zip(exact, results[1::2], strict=True):
        assert sums[0] == [str(column.sum) for column in columns_]
        assert sums[1] == [str(column.squares) for column in columns_]


def test_unknown_kernel_raises():
    done = subprocess.run(
        [sys.executable, "-c", "import evenly._core"],
        env={**os.environ, "EVENLY_KERNEL": "pdp-11"},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "pdp-11" in done.stderr
