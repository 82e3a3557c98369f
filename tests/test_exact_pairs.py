"""Arithmetic with pairs of float64 against fractions."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from evenly.exact_pairs import Floats, divide, interpolate, two_sum

N = 4000


def exact(values: Floats) -> list[Fraction]:
    return [Fraction(value) for value in values.tolist()]


def numbers(seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    return rng.normal(size=N) * 10.0 ** rng.integers(-12, 12, N)


def prices(seed: int) -> Floats:
    return np.round(np.random.default_rng(seed).normal(size=N) * 100, 2)


@pytest.mark.parametrize("values", [numbers, prices])
@pytest.mark.parametrize("share", [0.5, 0.25, 0.99, 0.3])
def test_interpolation_is_rounded_once(values: Callable[[int], Floats], share: float) -> None:
    a, b = values(1), values(2)
    result, is_certain = interpolate(a, b, np.full(N, share))
    expected = [
        float(x + (y - x) * Fraction(share)) for x, y in zip(exact(a), exact(b), strict=True)
    ]
    assert (result == expected)[is_certain].all()
    assert is_certain.mean() > 0.9


def test_halves_between_neighbors_are_certain() -> None:
    a = numbers(3)
    b = np.nextafter(a, np.inf)
    result, is_certain = interpolate(a, b, np.full(N, 0.5))
    assert is_certain.all()
    assert np.array_equal(
        result, [float((x + y) / 2) for x, y in zip(exact(a), exact(b), strict=True)]
    )


@pytest.mark.parametrize("extreme", [1e300, 1e-300, 5e-324])
def test_extreme_numbers_are_not_certain(extreme: float) -> None:
    a, one = np.array([extreme]), np.array([1.0])
    assert not interpolate(a, -a, one / 2)[1].any()
    assert not divide((one, 0 * one), (a, 0 * a))[1].any()


@pytest.mark.parametrize("seed", [1, 2])
def test_quotient_of_pairs_is_rounded_once(seed: int) -> None:
    a, b = two_sum(numbers(seed), numbers(seed + 10)), two_sum(numbers(seed + 20), prices(seed))
    result, is_certain = divide(a, b)
    pairs = zip(*map(exact, (*a, *b)), strict=True)
    expected = [float((x + y) / (u + v)) for x, y, u, v in pairs]
    assert (result == expected)[is_certain].all()
    assert is_certain.mean() > 0.9
