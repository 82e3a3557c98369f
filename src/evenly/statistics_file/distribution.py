"""Write, read and validate the distribution of a column of a statistics file.

``docs/format.md`` specifies it. Bins are two strings, since arrays of numbers would take ten times
their memory while they are read.
"""

import re
from itertools import accumulate, pairwise

import numpy as np

from evenly import exact_stats
from evenly.distribution.bins import Bins, Floats, ordered_bits
from evenly.errors import StatisticsFileError
from evenly.exact_stats import Dyadic

_KEYS = ("counts", "keys", "shift")
_HEXADECIMAL = re.compile(r"(?:0|[1-9a-f][0-9a-f]{0,15})(?: [1-9a-f][0-9a-f]{0,15})*", re.ASCII)
_DECIMAL = re.compile(r"[1-9][0-9]{0,18}(?: [1-9][0-9]{0,18})*", re.ASCII)
_TOLERANCE = 1e-9
_SMALLEST, _EXACT_INTEGERS = 2.0**-400, 2.0**53
"""Sums are compared with bins within this range. Below it squares may underflow; above it, integers
are counted by the nearest float64."""


def write_bins(bins: Bins) -> str:
    """Return the JSON object of a distribution: keys as differences, which are short."""
    keys = bins.keys.tolist()
    steps = [*keys[:1], *(after - before for before, after in pairwise(keys))]
    counts = " ".join(map(str, bins.counts.tolist()))
    text = " ".join(f"{step:x}" for step in steps)
    return f'{{"counts": "{counts}", "keys": "{text}", "shift": {bins.shift}}}'


def read_bins(entry: object, label: str, most_bins: int) -> Bins:
    """Validate a parsed distribution and return its bins.

    Raises
    ------
    StatisticsFileError
        When a key is missing or unknown, or a value has the wrong type or size.
    """
    if not isinstance(entry, dict) or tuple(sorted(entry)) != _KEYS:
        raise _error(label, f"must be an object with exactly the keys {', '.join(_KEYS)}")
    shift, texts = entry["shift"], (entry["keys"], entry["counts"])
    if type(shift) is not int or not 0 <= shift <= 63:
        raise _error(label, "must have a shift from 0 to 63")
    for text, pattern in zip(texts, (_HEXADECIMAL, _DECIMAL), strict=True):
        valid = type(text) is str and len(text) <= 20 * most_bins
        if not valid or (text and not pattern.fullmatch(text)):
            raise _error(label, "must have keys in hexadecimal and positive counts in decimal")
    keys = list(accumulate(int(step, 16) for step in texts[0].split()))
    counts = [int(count) for count in texts[1].split()]
    if len(keys) != len(counts) or len(keys) > most_bins:
        raise _error(label, f"must have as many counts as keys, and at most {most_bins:,}")
    if keys and (keys[-1] >= 1 << (64 - shift) or sum(counts) >= 2**63):
        raise _error(label, "must have keys of 64 bits and less than 2**63 values")
    return Bins(shift, np.array(keys, np.uint64), np.array(counts, np.int64))


def check_bins(
    bins: Bins,
    count: Dyadic,
    sums: tuple[Dyadic, Dyadic],
    ends: tuple[float | None, float | None],
    label: str,
) -> None:
    """Check that the bins can be those of values with this count, sums and extremes.

    Raises
    ------
    StatisticsFileError
        When they cannot.
    """
    if not exact_stats.fits_int64(count) or bins.total != count[0] << count[1]:
        raise _error(label, "must have as many values as the column")
    low, high = ends
    if low is None or high is None:
        return
    first, last = ordered_bits([low, high]) >> np.uint64(bins.shift)
    if bins.keys[0] < first or bins.keys[-1] > last:
        raise _error(label, "must have no bin below min or above max")
    lower, upper = np.maximum(bins.lower, low), np.minimum(bins.upper, high)
    sizes = np.maximum(abs(lower), abs(upper))
    is_tiny = (sizes > 0) & (sizes < _SMALLEST)
    if max(abs(low), abs(high)) > _EXACT_INTEGERS or is_tiny.any():
        return
    if not _contain(bins.counts.astype(np.float64), lower, upper, *sums):
        raise _error(label, "must have bins that can have the sums of the column")


def _contain(counts: Floats, lower: Floats, upper: Floats, total: Dyadic, squares: Dyadic) -> bool:
    """Return whether values in bins can have these sums, up to rounding."""
    inner = np.where((lower < 0) & (upper > 0), 0.0, np.minimum(abs(lower), abs(upper)))
    outer = np.maximum(abs(lower), abs(upper))
    slack = _TOLERANCE * (counts @ outer)
    value, square = exact_stats.to_float(total), exact_stats.to_float(squares)
    least, most = counts @ inner**2, counts @ outer**2
    return bool(
        counts @ lower - slack <= value <= counts @ upper + slack
        and least * (1 - _TOLERANCE) <= square <= most * (1 + _TOLERANCE)
    )


def _error(label: str, rule: str) -> StatisticsFileError:
    return StatisticsFileError(f"{label}: 'distribution' {rule}.")
