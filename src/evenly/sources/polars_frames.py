"""Prepare polars frames for the Arrow C interface."""

import sys
from typing import TYPE_CHECKING

from evenly import _core

if TYPE_CHECKING:
    import polars
    from nanoarrow.c_schema import CSchema


_WIDE = ("Int128", "UInt128")
_WIDE_FORMATS = ("_pli128", "_plu128")
_MAX_DECIMAL = 10**38 - 1


def has_wide_integers(schema: "CSchema") -> bool:
    """Return whether the Arrow schema of a polars frame has integers of 128 bits.

    Polars builds an object for each dtype of a frame, which takes longer than this.
    """
    _, formats = _core.read_fields(schema._addr())
    others = (position for position, arrow_format in enumerate(formats) if not arrow_format)
    return any(schema.child(position).format in _WIDE_FORMATS for position in others)


def exportable(frame: "polars.DataFrame") -> "polars.DataFrame":
    """Return a polars frame without integers of 128 bits, for which Arrow has no type.

    They become decimals of 38 digits, which are read as exactly as possible; the nearest float64
    if a value of the column has more digits.
    """
    wide = [name for name, dtype in frame.schema.items() if str(dtype) in _WIDE]
    return frame.with_columns(_narrow(frame[name]) for name in wide) if wide else frame


def _narrow(series: "polars.Series") -> "polars.Series":
    polars = sys.modules["polars"]
    largest = max(-(series.min() or 0), series.max() or 0)
    if largest <= _MAX_DECIMAL:
        return series.cast(polars.Decimal(38, 0))
    return series.cast(polars.Float64)
