"""Read columns of Python objects: numbers with None, decimals, what databases return.

Values are converted one by one: an integer of at most 64 bits is exact, and any other number is the
nearest float64.
"""

from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.block import Column, mask_to_validity
from evenly.errors import DataError
from evenly.sources.exact_rows import wide_integers, with_missing
from evenly.sources.fields import NULL, NUMBER
from evenly.typing import AnyArray

Objects = npt.NDArray[np.object_]

_MISSING = ("NoneType", "NaTType", "NAType")
_NUMBERS = (bool, int, float, Decimal, Fraction, np.bool_, np.integer, np.floating)


def kind_of_objects(values: Objects) -> str:
    """Return the kind of a column of objects, as `Field` has it.

    >>> kind_of_objects(np.array([Decimal("1.5"), None, 2], object))
    'number'
    >>> kind_of_objects(np.array(["a", None], object)), kind_of_objects(np.array([None], object))
    ('text', 'null')
    >>> kind_of_objects(np.array([1, "a"], object))
    'object'
    """
    types = [kind for kind in set(map(type, values)) if kind.__name__ not in _MISSING]
    others = [kind for kind in types if not issubclass(kind, _NUMBERS)]
    has_numbers = len(types) > len(others) and not all(
        is_missing(value) for value in values if isinstance(value, _NUMBERS)
    )
    if not others:
        return NUMBER if has_numbers else NULL
    is_text = not has_numbers and all(issubclass(kind, str) for kind in others)
    return "text" if is_text else "object"


def is_missing(value: object) -> bool:
    """Return whether an object stands for a missing value: None, NaN, NaT, NA.

    >>> is_missing(None), is_missing(float("nan")), is_missing(Decimal("sNaN")), is_missing("")
    (True, True, True, False)
    """
    if value is None:
        return True
    try:
        return bool(value != value)  # NaN and NaT differ from themselves
    except (TypeError, InvalidOperation):  # pandas.NA, a signaling NaN
        return True
    except ValueError:  # an array
        return False


def object_column(values: Objects, label: str) -> Column:
    """Return a column of numbers, given as objects.

    Raises
    ------
    DataError
        If a number is beyond the range of float64.
    """
    present = np.array([not is_missing(value) for value in values], np.bool_)
    numbers = values[present].tolist()
    converted = _integers(numbers)
    wide = None
    if converted is None:
        converted = np.array([_nearest(number, label) for number in numbers], np.float64)
        wide = wide_integers([_as_integer(number) for number in numbers], converted)
    result = np.zeros(len(values), converted.dtype)
    result[present] = converted
    return Column(result, mask_to_validity(present), wide=with_missing(wide, present))


def _integers(numbers: list[Any]) -> AnyArray | None:
    """Return numbers as 64-bit integers; None if one of them does not fit."""
    if not numbers or not all(_is_integer(number) for number in numbers):
        return None
    exact = [int(number) for number in numbers]
    for dtype in (np.int64, np.uint64):
        limits = np.iinfo(dtype)
        if limits.min <= min(exact) and max(exact) <= limits.max:
            return np.array(exact, dtype)
    return None


def _as_integer(number: Any) -> int | None:
    """Return the integer that a number is; None for others."""
    if isinstance(number, float | np.floating):
        number = float(number)
        return int(number) if number.is_integer() and abs(number) < 2.0**64 else None
    return int(number) if _is_integer(number) else None


def _is_integer(number: Any) -> bool:
    if isinstance(number, int | np.integer | np.bool_):
        return True
    if isinstance(number, float | np.floating):
        return False
    if isinstance(number, Decimal) and (not number.is_finite() or number.adjusted() > 20):
        return False  # int() of such a number could take all memory
    return bool(number == int(number))


def _nearest(number: Any, label: str) -> float:
    try:
        return float(number)
    except OverflowError:
        raise DataError(
            "A number must be in the range of float64. "
            f"Received: an integer of {number.bit_length():,} bits in {label}. Correct it, or "
            "divide the column by a power of ten."
        ) from None
