"""Replace columns of frames of pandas, polars and PyArrow; the type of the frame is kept."""

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from evenly.block import Column, validity_to_mask
from evenly.sources.frames import open_table
from evenly.sources.pandas_frames import read_series
from evenly.transform.columns import ScaleColumn, with_nan

Replace = Callable[[Any, Sequence[int], ScaleColumn], Any]
"""Take a frame, the positions of columns in it, and the function to scale them."""


def replacer_of(x: Any) -> Replace | None:
    """Return the function that replaces columns of a frame; None for other libraries."""
    pandas, polars, pyarrow = (sys.modules.get(name) for name in ("pandas", "polars", "pyarrow"))
    if pandas is not None and isinstance(x, pandas.DataFrame):
        return replace_in_pandas
    if polars is not None and isinstance(x, polars.DataFrame):
        return replace_in_polars
    if polars is not None and isinstance(x, polars.LazyFrame):
        return replace_in_lazy
    if pyarrow is not None and isinstance(x, pyarrow.Table | pyarrow.RecordBatch):
        return replace_in_arrow
    return None


def replace_in_pandas(frame: Any, positions: Sequence[int], scale: ScaleColumn) -> Any:
    """Return a pandas frame with columns scaled; a column that can have NA still has it."""
    result = frame.copy(deep=False)
    for index, position in enumerate(positions):
        series = frame.iloc[:, position]
        scaled = scale(index, read_series(series), 0)
        result.isetitem(position, _pandas_array(scaled, series.dtype))
    return result


def _pandas_array(column: Column, given: Any) -> Any:
    """Return an array of pandas: of the kind of a given dtype if it is nullable, of NumPy else."""
    pandas = sys.modules["pandas"]
    if hasattr(given, "pyarrow_dtype"):
        pyarrow = sys.modules["pyarrow"]
        array = pyarrow.array(arrow_array(column))
        return pandas.array(array, dtype=pandas.ArrowDtype(array.type))
    if hasattr(given, "numpy_dtype"):
        return pandas.arrays.FloatingArray(column.values, ~validity_to_mask(column))
    return with_nan(column)


def replace_in_polars(frame: Any, positions: Sequence[int], scale: ScaleColumn) -> Any:
    """Return a polars frame with columns scaled."""
    columns = frame.get_columns()
    return frame.with_columns(
        _scale_series(columns[position], index, scale) for index, position in enumerate(positions)
    )


def _scale_series(series: Any, index: int, scale: ScaleColumn) -> Any:
    polars = sys.modules["polars"]
    parts = [
        polars.Series(arrow_array(scaled)).alias(series.name)
        for scaled in _scaled_chunks(series, index, scale)
    ]
    return polars.concat(parts) if len(parts) > 1 else parts[0]


def replace_in_lazy(frame: Any, positions: Sequence[int], scale: ScaleColumn) -> Any:
    """Return a lazy frame of polars whose columns are scaled, batch by batch, when it is read."""
    polars = sys.modules["polars"]
    schema = frame.collect_schema()
    scaled = replace_in_polars(polars.DataFrame(schema=schema), positions, scale).schema
    names = list(schema)
    return frame.with_columns(
        polars.selectors.by_name(names[position]).map_batches(
            lambda series, index=index: _scale_series(series, index, scale),
            return_dtype=scaled[names[position]],
            is_elementwise=True,
        )
        for index, position in enumerate(positions)
    )


def replace_in_arrow(table: Any, positions: Sequence[int], scale: ScaleColumn) -> Any:
    """Return a PyArrow table or record batch with columns scaled."""
    pyarrow = sys.modules["pyarrow"]
    for index, position in enumerate(positions):
        name, column = table.schema.names[position], table.column(position)
        own = table.select([position])  # with the metadata of its field, unlike the column
        if not len(column):  # a table without rows is a stream without chunks, which have types
            empty = pyarrow.array([], column.type)
            own = pyarrow.StructArray.from_arrays([empty], fields=list(own.schema))
        parts = [pyarrow.array(arrow_array(x)) for x in _scaled_chunks(own, index, scale)]
        whole = parts[0] if isinstance(column, pyarrow.Array) else pyarrow.chunked_array(parts)
        table = table.set_column(position, name, whole)
    return table


def _scaled_chunks(series: Any, index: int, scale: ScaleColumn) -> Iterable[Column]:
    """Yield the scaled chunks of a series or a table of one column; at least one, maybe empty."""
    first_row = 0
    table = open_table(series, "the column")
    names = tuple(field.name for field in table.fields or ())
    for (column,), _ in table.column_batches(names):
        yield scale(index, column, first_row)
        first_row += len(column)


def arrow_array(column: Column) -> Any:
    """Return a column of floats as an object with an Arrow capsule, without a copy."""
    import nanoarrow

    types = {np.dtype(np.float32): nanoarrow.float32(), np.dtype(np.float64): nanoarrow.float64()}
    return nanoarrow.c_array_from_buffers(
        types[column.values.dtype], len(column), [column.validity, column.values]
    )
