"""Read the attributes that say how the values of a variable are encoded.

These are the attributes of the CF conventions, sections 2.5.1 and 8.1 (https://cfconventions.org),
and of the NetCDF users' guide: ``_FillValue``, ``missing_value``, ``scale_factor``, ``add_offset``,
``_Unsigned``, ``valid_min``, ``valid_max`` and ``valid_range``.
"""

import base64
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evenly.sources.fill_values import value_in
from evenly.typing import AnyDtype

ENCODING = ("_FillValue", "missing_value", "scale_factor", "add_offset", "_Unsigned")
VALID = ("valid_min", "valid_max", "valid_range")
ATTRIBUTES = (*ENCODING, *VALID, "units", "coordinates", "bounds", "climatology")
"""The attributes that are read; others have no effect on values."""

_TEXT_NUMBERS = ("nan", "inf", "infinity")
"""Floats that JSON cannot express, which Zarr stores as text."""


class AttributeValueError(ValueError):
    """An attribute does not have a value that decodes numbers; the message describes it."""


@dataclass(frozen=True, slots=True)
class ValidRange:
    """The range outside which values are suspect.

    Attributes
    ----------
    low, high
        The least and the greatest valid value; None without a bound.
    is_packed
        Whether the bounds apply to values before they are unpacked.
    """

    low: float | None
    high: float | None
    is_packed: bool

    def __str__(self) -> str:
        """Return the range for messages.

        >>> str(ValidRange(0, 100, False)), str(ValidRange(None, 2.5, False))
        ('from 0 to 100', 'up to 2.5')
        """
        low = "" if self.low is None else f"from {self.low} "
        high = "on" if self.high is None else f"{'to' if low else 'up to'} {self.high}"
        return low + high


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the values of a variable are stored.

    Attributes
    ----------
    integers
        The dtype to interpret integers as, if ``_Unsigned`` changes it; otherwise the stored one.
    fills
        The values that are missing, in that dtype.
    scale, offset
        The scale factor and the offset of packed values; None if they are not packed.
    dtype
        The dtype of the decoded values.
    valid
        The range of valid values; None if it is not known.
    """

    integers: AnyDtype
    fills: tuple[object, ...]
    scale: Any
    offset: Any
    dtype: AnyDtype
    valid: ValidRange | None

    @property
    def is_packed(self) -> bool:
        """Whether values are stored with a scale factor or an offset."""
        return self.scale is not None or self.offset is not None


def encoding_of(stored: AnyDtype, attributes: Mapping[str, Any]) -> Encoding | None:
    """Return the encoding of a variable; None if its values are stored as they are.

    Raises
    ------
    AttributeValueError
        If an attribute is not a number where it must be one.
    """
    if stored.kind not in "iuf" or stored.itemsize > 8:
        return None
    integers = _apply_unsigned(stored, attributes.get("_Unsigned"))
    scale = _packing(attributes, "scale_factor", neutral=1)
    offset = _packing(attributes, "add_offset", neutral=0)
    fills = [
        fill
        for name in ("_FillValue", "missing_value")
        for value in _numbers(attributes, name)
        for fill in _to_stored(value, stored, integers)
    ]
    packed = scale is not None or offset is not None
    valid = _valid_range(attributes, stored, integers, packed)
    if integers == stored and not fills and not packed and valid is None:
        return None
    if packed:
        dtype = _unpacked_dtype(integers, scale, offset)
    else:
        dtype = _masked_dtype(integers) if fills else integers.newbyteorder("=")
    return Encoding(integers, tuple(dict.fromkeys(fills)), scale, offset, dtype, valid)


def text_of(value: object) -> str:
    """Return an attribute as text; an empty string if it is not text."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value) if isinstance(value, str) else ""


def is_time(units: object) -> bool:
    """Return whether a variable has units of times, such as "hours since 1900-01-01"."""
    return " since " in text_of(units)


def _apply_unsigned(stored: AnyDtype, unsigned: object) -> AnyDtype:
    kind = {("i", "true"): "u", ("u", "false"): "i"}.get((stored.kind, text_of(unsigned).lower()))
    return stored if kind is None else np.dtype(f"{stored.byteorder}{kind}{stored.itemsize}")


def _packing(attributes: Mapping[str, Any], name: str, neutral: int) -> Any:
    """Return a parameter of packing; None if it is absent or changes nothing."""
    if name not in attributes:
        return None
    values = _numbers(attributes, name)
    if len(values) != 1 or not np.isfinite(values[0]):
        raise AttributeValueError(f"{name}={_show(attributes[name])}")
    return None if values[0] == neutral else values[0]


def _numbers(attributes: Mapping[str, Any], name: str) -> list[Any]:
    """Return the numbers in an attribute, as NumPy scalars."""
    if name not in attributes:
        return []
    value = attributes[name]
    if isinstance(value, str | bytes):
        value = _number_in_text(text_of(value))
    array = np.asarray(value)
    if array.dtype.kind == "b":
        array = array.astype(np.int8)
    if array.dtype.kind not in "iuf":
        raise AttributeValueError(f"{name}={_show(attributes[name])}")
    return list(array.reshape(-1).astype(array.dtype.newbyteorder("=")))


def _number_in_text(text: str) -> Any:
    """Return a float that is stored as text: in base64, as xarray writes it to Zarr 3, or "NaN"."""
    if text.lower().lstrip("+-") in _TEXT_NUMBERS:
        return float(text)
    try:
        return struct.unpack("<d", base64.b64decode(text, validate=True))[0]
    except (ValueError, struct.error):
        return text


def _to_stored(value: object, stored: AnyDtype, integers: AnyDtype) -> Iterable[Any]:
    """Yield the value of the dtype `integers` that a fill value stands for, if there is one.

    With ``_Unsigned``, a value of the stored dtype stands for the value with the same bits.
    """
    found = value_in(value, integers)
    if found is None and integers != stored and (found := value_in(value, stored)) is not None:
        found = np.array(found, stored).view(integers).item()
    if found is not None:
        yield found


def _masked_dtype(dtype: AnyDtype) -> AnyDtype:
    """Return the dtype of values some of which are missing; 64-bit integers keep theirs."""
    if dtype.kind == "f" or dtype.itemsize == 8:
        return dtype.newbyteorder("=")
    return np.dtype(np.float32 if dtype.itemsize <= 2 else np.float64)


def _unpacked_dtype(dtype: AnyDtype, scale: Any, offset: Any) -> AnyDtype:
    """Return the dtype that values are unpacked to.

    That is the dtype of the attributes, as CF section 8.1 requires. It is float64 if they are
    integers or of different dtypes, which CF does not allow, and where an offset of float32 would
    lose bits. xarray follows the same rule.
    """
    dtypes = {value.dtype for value in (scale, offset) if value is not None}
    if offset is None:
        return scale.dtype if scale.dtype.kind == "f" else np.dtype(np.float64)
    if scale is None or dtypes != {np.dtype(np.float32)}:
        return np.dtype(np.float64)
    is_wide = dtype.kind in "iu" and dtype.itemsize == 4
    return np.dtype(np.float64 if is_wide else np.float32)


def _valid_range(
    attributes: Mapping[str, Any], stored: AnyDtype, integers: AnyDtype, packed: bool
) -> ValidRange | None:
    """Return the range of valid values; None if it is not declared, or not in numbers.

    The bounds of packed integers are packed as well, unless they are floats.
    """
    try:
        bounds = {name: _numbers(attributes, name) for name in VALID}
    except AttributeValueError:
        return None
    low, high = bounds["valid_min"], bounds["valid_max"]
    if len(bounds["valid_range"]) == 2:
        low, high = bounds["valid_range"][:1], bounds["valid_range"][1:]
    if not (low or high):
        return None
    is_packed = packed and not (stored.kind in "iu" and (low or high)[0].dtype.kind == "f")
    return ValidRange(_bound(low, stored, integers), _bound(high, stored, integers), is_packed)


def _bound(values: list[Any], stored: AnyDtype, integers: AnyDtype) -> Any:
    """Return a bound as a Python number; None if there is none."""
    if not values:
        return None
    value = values[0].item()
    if integers.kind == "u" and stored.kind == "i" and -(2 ** (8 * stored.itemsize - 1)) <= value:
        return value % 2 ** (8 * stored.itemsize) if value < 0 else value
    return value


def _show(value: object) -> str:
    text = repr(value.tolist() if isinstance(value, np.ndarray) else value)
    return text if len(text) <= 60 else text[:60] + "…"
