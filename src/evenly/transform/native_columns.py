"""Replace columns of frames of polars and PyArrow; the type of the frame is kept.

All columns pass through the core together, as Arrow data in both directions.
"""

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from evenly import _core
from evenly.sources.frames import CapsuleTable, open_table
from evenly.transform.columns import TableScaler, scale_batches
from evenly.transform.pandas_columns import replace_in_pandas
from evenly.transform.schema_metadata import with_new_types

if TYPE_CHECKING:
    import polars
    import pyarrow


Replace = Callable[[Any, Any, Sequence[int], TableScaler], Any]
"""Take a frame, its table, the position of each column of the moments, and what scales them."""


def replacer_of(x: object) -> Replace | None:
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


def replace_in_polars(
    frame: "polars.DataFrame", table: CapsuleTable, positions: Sequence[int], scaler: TableScaler
) -> "polars.DataFrame":
    """Return a polars frame with columns scaled."""
    polars = sys.modules["polars"]
    names = tuple(table.fields[position].name for position in positions)
    parts = [
        polars.Series(ArrowStruct(columns, names)).struct.unnest()
        for columns in scale_batches(scaler, table.views(names))
    ]
    scaled = polars.concat(parts) if len(parts) > 1 else parts[0]
    if list(positions) == list(range(frame.width)):
        return scaled
    columns = frame.get_columns()
    for position, series in zip(positions, scaled.get_columns(), strict=True):
        columns[position] = series
    return polars.DataFrame(columns)


def replace_in_lazy(
    frame: "polars.LazyFrame", table: CapsuleTable, positions: Sequence[int], scaler: TableScaler
) -> "polars.LazyFrame":
    """Return a lazy frame of polars whose columns are scaled, batch by batch, when it is read."""
    polars = sys.modules["polars"]
    names = [table.fields[position].name for position in positions]
    schema = polars.DataFrame(schema=frame.collect_schema())
    results = [_scale_series(schema[name], i, scaler).dtype for i, name in enumerate(names)]
    return frame.with_columns(
        polars.selectors.by_name(name).map_batches(
            lambda series, index=index: _scale_series(series, index, scaler),
            return_dtype=result,
            is_elementwise=True,
        )
        for index, (name, result) in enumerate(zip(names, results, strict=True))
    )


def _scale_series(series: "polars.Series", index: int, scaler: TableScaler) -> "polars.Series":
    """Return a series of polars scaled as one of the columns of the moments."""
    polars = sys.modules["polars"]
    names = (series.name,)
    views = _open(series.to_frame()).views(names)
    parts = [
        polars.Series(ArrowStruct(columns, names)).struct.field(series.name)
        for columns in scale_batches(scaler, views, indices=[index])
    ]
    return polars.concat(parts) if len(parts) > 1 else parts[0]


def replace_in_arrow(
    frame: "pyarrow.Table | pyarrow.RecordBatch",
    table: CapsuleTable,
    positions: Sequence[int],
    scaler: TableScaler,
) -> "pyarrow.Table | pyarrow.RecordBatch":
    """Return a PyArrow table or record batch with columns scaled."""
    pyarrow = sys.modules["pyarrow"]
    names = tuple(table.fields[position].name for position in positions)
    if not len(frame):
        table = _open(_one_chunk(frame))
    batches = [
        pyarrow.record_batch(ArrowStruct(columns, names))
        for columns in scale_batches(scaler, table.views(names))
    ]
    is_batch = isinstance(frame, pyarrow.RecordBatch)
    scaled = batches[0] if is_batch else pyarrow.Table.from_batches(batches)
    if list(positions) == list(range(frame.num_columns)):
        schema = scaled.schema.with_metadata(frame.schema.metadata)
        return scaled.replace_schema_metadata(with_new_types(schema, names).metadata)
    columns, fields = list(frame.columns), list(frame.schema)
    for position, column, field in zip(positions, scaled.columns, scaled.schema, strict=True):
        columns[position], fields[position] = column, field
    schema = pyarrow.schema(fields, metadata=frame.schema.metadata)
    return type(frame).from_arrays(columns, schema=with_new_types(schema, names))


def _one_chunk(table: "pyarrow.Table | pyarrow.RecordBatch") -> "pyarrow.StructArray":
    """Return an array of structs without rows: a table without rows is a stream without chunks."""
    pyarrow = sys.modules["pyarrow"]
    columns = [pyarrow.array([], dtype) for dtype in table.schema.types]
    return pyarrow.StructArray.from_arrays(columns, fields=list(table.schema))


def _open(x: object) -> CapsuleTable:
    table = open_table(x, "the frame")
    assert isinstance(table, CapsuleTable)
    return table
