"""Convert Arrow decimals, integers of two or four words over a power of ten, to float64.

A decimal such as 0.1 has no exact float64 representation, so each value is correctly rounded once.
Integers of at most 64 bits and dyadic fractions such as 0.25 are exact.
"""

import logging
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from evenly.block import Column, WideIntegers, validity_to_mask
from evenly.sources.exact_rows import ANY, FLOAT, INT64, UINT64, dtypes_of
from evenly.typing import AnyArray

_log = logging.getLogger("evenly")

_EXACT_POWER = 22  # 10**22 is the largest power of ten that float64 holds exactly
_MAX_POWER = 18  # 10**18 is the largest power of ten that int64 holds


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
    integers: dict[int, int] = {}  # those of up to 64 bits that float64 rounds
    for row in remaining.tolist():
        integer, values[row] = _divide_exactly(words[row], scale)
        if integer is not None and dtypes_of(integer, values[row]) & FLOAT == 0:
            integers[row] = integer
    column = Column(values, validity, bit_offset)
    if not integers:
        return column
    wide = _wide(integers, low, small, scale)
    wide.dtypes[~validity_to_mask(column)] = ANY
    return replace(column, wide=wide)


def _wide(
    integers: dict[int, int], low: npt.NDArray[np.int64], small: npt.NDArray[np.bool_], scale: int
) -> WideIntegers:
    """Return the integers that float64 rounds, and the other rows that int64 holds too."""
    words, dtypes = np.zeros(len(low), np.uint64), np.full(len(low), FLOAT, np.uint8)
    if 0 <= scale <= _MAX_POWER:
        whole = small & (low % 10**scale == 0)
        words[whole] = (low[whole] // 10**scale).view(np.uint64)
        dtypes[whole] |= np.where(low[whole] >= 0, INT64 | UINT64, INT64).astype(np.uint8)
    for row, integer in integers.items():
        words[row], dtypes[row] = integer % 2**64, dtypes_of(integer, np.nan)
    return WideIntegers(words, dtypes)


def _divide_exactly(words: AnyArray, scale: int) -> tuple[int | None, float]:
    """Return one value if it is an integer, and correctly rounded, from Python integers."""
    integer = int.from_bytes(words.astype("<u8").tobytes(), "little", signed=True)
    if scale <= 0:
        return integer * 10**-scale, float(integer * 10**-scale)
    whole, rest = divmod(integer, 10**scale)
    return None if rest else whole, integer / 10**scale
