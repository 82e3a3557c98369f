"""The distribution of a column in plain Python: the oracle of `evenly`'s histograms."""

import math
import struct
from collections import Counter
from collections.abc import Iterable
from fractions import Fraction

SIGN = 1 << 63


def ordered(value: float) -> int:
    """Return the 64 bits of a float64 as an integer that has the order of the values."""
    (bits,) = struct.unpack("<Q", struct.pack("<d", value or 0.0))  # -0.0 is 0.0
    return bits ^ (2 * SIGN - 1) if bits & SIGN else bits | SIGN


def from_ordered(key: int) -> float:
    """Return the float64 with these ordered bits."""
    bits = key ^ SIGN if key & SIGN else key ^ (2 * SIGN - 1)
    return float(struct.unpack("<d", struct.pack("<Q", bits))[0])


def smallest_shift(values: Iterable[float], bins: int) -> int:
    """Return the smallest shift for which at most this many bins are occupied."""
    keys = {ordered(value) for value in values}
    return next(s for s in range(65) if len({key >> s for key in keys}) <= bins)


def histogram(
    values: Iterable[float], bins: int = 1024, weights: Iterable[int] | None = None
) -> tuple[int, dict[int, int]]:
    """Return the shift and the count of each occupied bin, in ascending order.

    NaN and infinities are missing; a weight of 0 leaves a row out.
    """
    values = list(values)
    counts: Counter[float] = Counter()
    for value, weight in zip(values, weights or [1] * len(values), strict=True):
        if weight and math.isfinite(value):
            counts[value or 0.0] += weight
    shift = smallest_shift(counts, bins)
    return shift, coarsen({ordered(value): count for value, count in counts.items()}, shift)


def coarsen(counts: dict[int, int], by: int) -> dict[int, int]:
    """Drop more bits of the keys of a histogram."""
    result: Counter[int] = Counter()
    for key, count in counts.items():
        result[key >> by] += count
    return dict(sorted(result.items()))


def bounds(key: int, shift: int) -> tuple[float, float]:
    """Return the smallest and the largest finite value of a bin."""
    first, last = key << shift, (key << shift) + (1 << shift) - 1
    most = math.nextafter(math.inf, 0.0)
    first, last = max(first, ordered(-most)), min(last, ordered(most))
    return from_ordered(first), from_ordered(last)


def quantile(values: Iterable[float], q: float) -> Fraction:
    """Return the quantile between exact order statistics, by linear interpolation."""
    ranked = sorted(Fraction(value) for value in values if math.isfinite(value))
    place = Fraction(q) * (len(ranked) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ranked) - 1)
    return ranked[low] + (place - low) * (ranked[high] - ranked[low])
