"""Convert Arrow decimals, integers of two or four words over a power of ten, to float64.

A decimal such as 0.1 has no exact float64 representation, so each value is correctly rounded once.
Integers of up to 53 bits and dyadic fractions such as 0.25 are exact.
"""

import logging
from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.block import Column

_log = logging.getLogger("evenly")

_EXACT_POWER = 22  # 10**22 is the largest power of ten that float64 holds exactly


def decimal_column(
    words: npt.NDArray[np.uint64],
    scale: int,
    validity: npt.NDArray[np.uint8] | None,
    bit_offset: int,
) -> Column:
    """Return a column with the values ``integer / 10**scale``.

    Parameters
    ----------
    words
        One row per value, in two's complement, with the least significant word first.
    scale
        The number of digits after the decimal point.
    validity, bit_offset
        See `Column`.
    """
    low = words[:, 0].view(np.int64)
    one_word = (words[:, 1:].view(np.int64) == (low >> 63)[:, None]).all(axis=1)
    if scale == 0 and one_word.all():
        return Column(np.ascontiguousarray(low), validity, bit_offset)
    if scale > 0:
        _log.debug("Decimals are read as the nearest float64.")
    small = one_word & (low <= 2**53) & (low >= -(2**53))
    if 0 <= scale <= _EXACT_POWER:
        # Both operands are exact, so the division rounds only once (IEEE 754).
        values = low.astype(np.float64) / 10.0**scale
        remaining = np.flatnonzero(~small)
    else:
        values, remaining = np.zeros(len(low)), np.arange(len(low))
    for row in remaining:
        values[row] = _divide_exactly(words[row], scale)
    return Column(values, validity, bit_offset)


def _divide_exactly(words: npt.NDArray[Any], scale: int) -> float:
    """Return one value, computed with Python integers, whose division is correctly rounded."""
    integer = int.from_bytes(words.astype("<u8").tobytes(), "little", signed=True)
    return integer / 10**scale if scale >= 0 else float(integer * 10**-scale)
