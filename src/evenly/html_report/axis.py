"""Ticks of an axis at round numbers."""

import math
import sys


def ticks(low: float, high: float, most: int = 4) -> list[float]:
    """Return at most `most` multiples of 1, 2 or 5 times a power of ten between two numbers.

    The list is empty if the step would be subnormal, since such a number has too few digits.

    >>> ticks(0, 10), ticks(-2.3, 3.9), ticks(5, 5)
    ([0.0, 5.0, 10.0], [-2.0, 0.0, 2.0], [])
    """
    smallest = (high - low) / most
    if not sys.float_info.min * 10 <= smallest < math.inf:
        return []
    power = math.floor(math.log10(smallest))
    for factor in (1, 2, 5, 10, 20, 50):
        step = factor * 10.0**power
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            return [_round(index, factor, power) for index in range(first, last + 1)]
    return []


def _round(index: int, factor: int, power: int) -> float:
    """Return a multiple of a step as its decimal, so that 3 * 0.1 is 0.3."""
    return float(f"{index * factor}e{power}")
