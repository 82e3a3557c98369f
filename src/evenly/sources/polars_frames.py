"""Prepare polars frames for the Arrow C interface."""

import sys
from typing import Any

_WIDE = ("Int128", "UInt128")
_MAX_DECIMAL = 10**38 - 1


def exportable(frame: Any) -> Any:
    """Return a polars frame without integers of 128 bits, for which Arrow has no type.

    They become decimals of 38 digits, which are read as exactly as possible; the nearest float64
    if a value of the column has more digits.
    """
    wide = [name for name, dtype in frame.schema.items() if str(dtype) in _WIDE]
    return frame.with_columns(_narrow(frame[name]) for name in wide) if wide else frame


def _narrow(series: Any) -> Any:
    polars = sys.modules["polars"]
    largest = max(-(series.min() or 0), series.max() or 0)
    if largest <= _MAX_DECIMAL:
        return series.cast(polars.Decimal(38, 0))
    return series.cast(polars.Float64)
