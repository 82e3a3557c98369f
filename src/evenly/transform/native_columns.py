"""Replace columns of frames of polars and PyArrow; the type of the frame is kept.

All columns pass through the core together, as Arrow data in both directions.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

from evenly import _core
from evenly.sources.frames import column_views
from evenly.transform.columns import TableScaler, scale_batches
from evenly.transform.pandas_columns import replace_in_pandas

Replace = Callable[[Any, Sequence[int], TableScaler], Any]
"""Take a frame, the position in it of each column of the moments, and what scales them."""

_LABEL = "the frame"


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


class ArrowStruct:
    """Columns of floats as an object with an Arrow capsule, without a copy."""

    def __init__(self, columns: _core.FloatColumns, names: Sequence[str]) -> None:
        self._columns = columns
        self._names = names

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        return self._columns.to_arrow(self._names)


def replace_in_polars(frame: Any, positions: Sequence[int], scaler: TableScaler) -> Any:
    """Return a polars frame with columns scaled."""
    polars = sys.modules["polars"]
    present = frame.columns
    names = [present[position] for position in positions]
    whole = names == present
    views = column_views(frame if whole else frame[names], _LABEL)
    parts = [
        polars.Series(ArrowStruct(columns, names)).struct.unnest()
        for columns in scale_batches(scaler, views)
    ]
    scaled = polars.concat(parts) if len(parts) > 1 else parts[0]
    if whole:
        return scaled
    columns = frame.get_columns()
    for position, series in zip(positions, scaled.get_columns(), strict=True):
        columns[position] = series
    return polars.DataFrame(columns)


def replace_in_lazy(frame: Any, positions: Sequence[int], scaler: TableScaler) -> Any:
    """Return a lazy frame of polars whose columns are scaled, batch by batch, when it is read."""
    polars = sys.modules["polars"]
    schema = frame.collect_schema()
    scaled = replace_in_polars(polars.DataFrame(schema=schema), positions, scaler).schema
    names = list(schema)
    return frame.with_columns(
        polars.selectors.by_name(names[position]).map_batches(
            lambda series, index=index: _scale_series(series, index, scaler),
            return_dtype=scaled[names[position]],
            is_elementwise=True,
        )
        for index, position in enumerate(positions)
    )


def _scale_series(series: Any, index: int, scaler: TableScaler) -> Any:
    """Return a series of polars scaled as one of the columns of the moments."""
    polars = sys.modules["polars"]
    views = column_views(series.to_frame(), _LABEL)
    parts = [
        polars.Series(ArrowStruct(columns, [series.name])).struct.field(series.name)
        for columns in scale_batches(scaler, views, indices=[index])
    ]
    return polars.concat(parts) if len(parts) > 1 else parts[0]


def replace_in_arrow(table: Any, positions: Sequence[int], scaler: TableScaler) -> Any:
    """Return a PyArrow table or record batch with columns scaled."""
    pyarrow = sys.modules["pyarrow"]
    own = table.select(list(positions))
    names = own.schema.names
    batches = [
        pyarrow.record_batch(ArrowStruct(columns, names))
        for columns in scale_batches(scaler, column_views(own if len(own) else _empty(own), _LABEL))
    ]
    is_batch = isinstance(table, pyarrow.RecordBatch)
    scaled = batches[0] if is_batch else pyarrow.Table.from_batches(batches)
    columns, fields = list(table.columns), list(table.schema)
    for position, column, field in zip(positions, scaled.columns, scaled.schema, strict=True):
        columns[position], fields[position] = column, field
    schema = pyarrow.schema(fields, metadata=table.schema.metadata)
    return type(table).from_arrays(columns, schema=schema)


def _empty(table: Any) -> Any:
    """Return a batch without rows: a table without rows is a stream without chunks."""
    pyarrow = sys.modules["pyarrow"]
    columns = [pyarrow.array([], dtype) for dtype in table.schema.types]
    return pyarrow.RecordBatch.from_arrays(columns, schema=table.schema)
