"""The moments that a scaler is created from."""

import os

from evenly.errors import DataError, UnsupportedTypeError
from evenly.moments import Moments, load
from evenly.typing import Path


def as_scaler_moments(given: Moments | Path) -> Moments:
    """Return a copy of moments, or load those of a file.

    Raises
    ------
    DataError
        If the moments have no columns or no rows.
    UnsupportedTypeError
        If they are the moments of groups, or something else.
    """
    moments: object = load(given) if isinstance(given, str | os.PathLike) else given
    if not isinstance(moments, Moments):
        raise UnsupportedTypeError(
            "A scaler is made from Moments, or from the path of their statistics file. "
            f"Received: {type(moments).__name__}. Pass grouped.total(), or one group: "
            "grouped[key]."
        )
    if not moments.num_features or not moments.rows:
        nothing = "rows" if moments.num_features else "columns"
        raise DataError(
            "A scaler needs moments of at least one column and one row. Received: moments without "
            f"{nothing}. Fit some data first."
        )
    return moments.copy()
