"""Write, read and validate the distribution of a column of a statistics file.

``docs/format.md`` specifies it. Bins are two strings, since arrays of numbers would take ten times
their memory while they are read.
"""

import re
from itertools import accumulate, pairwise

import numpy as np

from evenly import exact_stats
from evenly.distribution.bins import Bins
from evenly.errors import StatisticsFileError
from evenly.exact_stats import Dyadic

_KEYS = ("counts", "keys", "shift")
_HEXADECIMAL = re.compile(r"(?:0|[1-9a-f][0-9a-f]{0,15})(?: [1-9a-f][0-9a-f]{0,15})*", re.ASCII)
_DECIMAL = re.compile(r"[1-9][0-9]{0,18}(?: [1-9][0-9]{0,18})*", re.ASCII)


def write_bins(bins: Bins) -> str:
    """Return the JSON object of a distribution: keys as differences, which are short."""
    keys = bins.keys.tolist()
    steps = [*keys[:1], *(after - before for before, after in pairwise(keys))]
    counts = " ".join(map(str, bins.counts.tolist()))
    text = " ".join(f"{step:x}" for step in steps)
    return f'{{"counts": "{counts}", "keys": "{text}", "shift": {bins.shift}}}'


def read_bins(entry: object, label: str, most_bins: int, count: Dyadic) -> Bins:
    """Validate a parsed distribution and return its bins.

    Parameters
    ----------
    most_bins
        The maximum number of bins.
    count
        The number of values of the column.

    Raises
    ------
    StatisticsFileError
        When a key is missing or unknown, or a value has the wrong type or size.
    """
    if not isinstance(entry, dict) or tuple(sorted(entry)) != _KEYS:
        raise distribution_error(
            label, f"must be an object with exactly the keys {', '.join(_KEYS)}"
        )
    shift, texts = entry["shift"], (entry["keys"], entry["counts"])
    if type(shift) is not int or not 0 <= shift <= 63:
        raise distribution_error(label, "must have a shift from 0 to 63")
    for text, pattern in zip(texts, (_HEXADECIMAL, _DECIMAL), strict=True):
        valid = type(text) is str and len(text) <= 20 * most_bins
        if not valid or (text and not pattern.fullmatch(text)):
            raise distribution_error(
                label, "must have keys in hexadecimal and positive counts in decimal"
            )
    keys = list(accumulate(int(step, 16) for step in texts[0].split()))
    counts = [int(count) for count in texts[1].split()]
    if len(keys) != len(counts) or len(keys) > most_bins:
        raise distribution_error(
            label, f"must have as many counts as keys, and at most {most_bins:,}"
        )
    if keys and keys[-1] >= 1 << (64 - shift):
        raise distribution_error(label, "must have keys of 64 bits")
    if not exact_stats.fits_int64(count) or sum(counts) != count[0] << count[1]:
        raise distribution_error(label, "must have as many values as the column")
    return Bins(shift, np.array(keys, np.uint64), np.array(counts, np.int64))


def distribution_error(label: str, rule: str) -> StatisticsFileError:
    """Return the error for a distribution that breaks a rule."""
    return StatisticsFileError(f"{label}: 'distribution' {rule}.")
