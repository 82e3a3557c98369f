"""Exact answers by `fractions.Fraction`, slow and plain, to hold everything else against.

Nothing here is shared with the package: sums are Fractions, and rounding is a search
through the float64 numbers, not an integer division.
"""

import math
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np


@dataclass
class Exact:
    """One column's exact statistics."""

    count: Fraction
    missing: Fraction
    sum: Fraction
    squares: Fraction
    min: Fraction | None
    max: Fraction | None

    def mean(self) -> Fraction:
        """Return the exact mean."""
        return self.sum / self.count

    def variance(self, correction: Fraction | int = 0) -> Fraction | None:
        """Return the exact variance; None when the count does not exceed the correction."""
        if self.count == 0 or self.count <= correction:
            return None
        deviations = self.squares - self.sum * self.sum / self.count
        return deviations / (self.count - correction)


def fraction(value: object) -> Fraction | None:
    """Return any dtype's scalar as a Fraction; None for NaN."""
    if isinstance(value, int | np.integer | np.bool_):
        return Fraction(int(value))
    number = float(value)  # exact: float16, bfloat16 and float32 are float64 numbers
    return None if math.isnan(number) else Fraction(number)


def column(values: Iterable[object], weights: Iterable[float] | None = None) -> Exact:
    """Return the exact statistics of one column; NaN counts as missing."""
    result = Exact(Fraction(0), Fraction(0), Fraction(0), Fraction(0), None, None)
    values = list(values)
    for value, weight in zip(values, weights or [1] * len(values), strict=True):
        x, w = fraction(value), Fraction(weight)
        if w == 0:
            continue
        if x is None:
            result.missing += w
            continue
        result.count += w
        result.sum += w * x
        result.squares += w * x * x
        result.min = x if result.min is None else min(result.min, x)
        result.max = x if result.max is None else max(result.max, x)
    return result


def columns(array: np.ndarray, weights: Iterable[float] | None = None) -> list[Exact]:
    """Return the exact statistics of each column of a 2-D array."""
    return [column(array[:, i], weights) for i in range(array.shape[1])]


def rounded(value: Fraction | None) -> float:
    """Return the float64 nearest to a Fraction, ties to even; NaN for None."""
    if value is None:
        return math.nan
    size = abs(value)
    return _nearest(lambda f: f <= size) * (-1 if value < 0 else 1)


def rounded_root(value: Fraction | None) -> float:
    """Return the float64 nearest to the square root of a Fraction; NaN for None."""
    return math.nan if value is None else _nearest(lambda f: f * f <= value)


def _nearest(reached: Callable[[Fraction], bool]) -> float:
    """Return the float64 nearest to the supremum of what is reached, a number of 0 or more.

    Non-negative float64 numbers are ordered as their bits are, so bisect over those.
    """
    low, high = 0, 0x7FF0_0000_0000_0000  # 0 and infinity
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if reached(_value(middle)) else (low, middle)
    half = (_value(low) + _value(high)) / 2
    if not reached(half):
        return _float(low)
    beyond = reached(half + Fraction(1, 2**2400))
    return _float(high if beyond or low % 2 else low)


def _float(bits: int) -> float:
    return float(struct.unpack("<d", struct.pack("<Q", bits))[0])


def _value(bits: int) -> Fraction:
    number = _float(bits)
    return Fraction(2**1024) if math.isinf(number) else Fraction(number)
