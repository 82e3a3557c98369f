"""Scale single columns of data frame libraries: series, and arrays of Arrow."""

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from evenly.errors import ColumnError, format_names
from evenly.sources.arrow_input import validate_arrow
from evenly.transform.group_scaling import AnyScaling, GroupScaling
from evenly.transform.scaling import Scaling


def scale_series(
    x: object, scaling: AnyScaling, scale_frame: Callable[[Any, AnyScaling], Any]
) -> Any:
    """Return a series scaled like a frame of one column; its name and index are kept.

    Moments of several columns are matched by the name of the series.

    Raises
    ------
    ColumnError
        If the moments have several columns, and none of that name.
    """
    name = getattr(x, "name", None)
    index = _column_of(scaling, None if name is None else str(name))
    label = "" if name is None else str(name)
    part = replace(scaling[index : index + 1], columns=(label,))
    if hasattr(x, "to_frame"):
        frame = x.to_frame(name=label)
        scaled = scale_frame(frame, part)
        return scaled.iloc[:, 0].rename(name) if hasattr(scaled, "iloc") else scaled.to_series()
    return _scale_arrow(x, label, part, scale_frame)


def _scale_arrow(
    x: object, label: str, part: AnyScaling, scale_frame: Callable[[Any, AnyScaling], Any]
) -> Any:
    pyarrow = sys.modules["pyarrow"]
    validate_arrow(x, "the array")  # before PyArrow's kernels use its buffers
    table_type = pyarrow.Table if isinstance(x, pyarrow.ChunkedArray) else pyarrow.RecordBatch
    return scale_frame(table_type.from_arrays([x], [label]), part).column(0)


def _column_of(scaling: Scaling | GroupScaling, name: str | None) -> int:
    """Return the index of the column of the moments that a series stands for."""
    if scaling.num_features == 1:
        return 0
    columns = scaling.columns or ()
    if name in columns:
        return columns.index(name)
    known = format_names(columns) if columns else f"{scaling.num_features} columns without names"
    raise ColumnError(
        "A series must have the name of a column of the moments, if they have several. "
        f"Received: {name!r}; the moments have {known}. Rename it, or pass "
        "moments.select([...]) of one column."
    )
