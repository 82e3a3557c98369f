"""Arrow's decimals as float64: integers in two or four words, over a power of ten.

A decimal such as 0.1 has no exact float64, so each value is rounded once, correctly; whole
numbers of up to 53 bits, and dyadic ones such as 0.25, are exact.
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
    """Return a column of the values ``integer / 10**scale``.

    Parameters
    ----------
    words
        A row a value, the least significant word first, in two's complement.
    scale
        How many digits stand behind the point.
    validity, bit_offset
        As of `Column`.
    """
    low = words[:, 0].view(np.int64)
    one_word = (words[:, 1:].view(np.int64) == (low >> 63)[:, None]).all(axis=1)
    if scale == 0 and one_word.all():
        return Column(np.ascontiguousarray(low), validity, bit_offset)
    if scale > 0:
        _log.debug("Decimals are read as the nearest float64.")
    small = one_word & (low <= 2**53) & (low >= -(2**53))
    if 0 <= scale <= _EXACT_POWER:
        # Both operands are exact, so that the division rounds once (IEEE 754).
        values = low.astype(np.float64) / 10.0**scale
        rest = np.flatnonzero(~small)
    else:
        values, rest = np.zeros(len(low)), np.arange(len(low))
    for row in rest:
        values[row] = _quotient(words[row], scale)
    return Column(values, validity, bit_offset)


def _quotient(words: npt.NDArray[Any], scale: int) -> float:
    """Return one value by Python's integers, whose division rounds correctly."""
    integer = int.from_bytes(words.astype("<u8").tobytes(), "little", signed=True)
    return integer / 10**scale if scale >= 0 else float(integer * 10**-scale)
