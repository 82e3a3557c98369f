"""Read pandas frames: NumPy columns without a copy, other columns as Arrow data.

Converting all columns to Arrow would copy every float column to look for NaN, require PyArrow for
plain numbers, and fail for a whole frame because of one column of mixed objects.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly import _core, extras
from evenly.block import Column, ColumnViews, GroupKeys, mask_to_validity, missing_column
from evenly.errors import UnsupportedTypeError, first_line
from evenly.sources.arrow import take
from evenly.sources.arrow_group_keys import factorize_series
from evenly.sources.arrow_input import open_arrow_array, schema_of, validate_arrow
from evenly.sources.arrow_reader import series_reader
from evenly.sources.arrow_schema import column_kind, kind_of_category
from evenly.sources.column_views import set_column
from evenly.sources.fields import NUMBER, Field
from evenly.sources.group_keys import factorize_column, from_codes
from evenly.sources.native_arrays import to_native
from evenly.sources.object_columns import kind_of_objects, object_column
from evenly.sources.pandas_blocks import is_numpy_number, number_blocks
from evenly.sources.selected_column import ArrayBatch
from evenly.sources.selection import RowColumns
from evenly.sources.tables import ColumnBatch
from evenly.typing import AnyDtype

if TYPE_CHECKING:
    import pandas
    import pyarrow


class PandasTable:
    """A DataFrame, or a Series as a frame with one column; the index is not a column."""

    def __init__(self, frame: "pandas.DataFrame", label: str) -> None:
        if frame.ndim == 1:
            frame = frame.to_frame(name="" if frame.name is None else frame.name)
        self._frame = frame
        self.label = label
        self.rows: int | None = len(frame)
        self.nbytes: int | None = None
        names = map(str, frame.columns.tolist())
        self.fields = tuple(map(Field, names, _kinds(frame)))

    def column_batches(
        self, names: tuple[str, ...], keys: tuple[str, ...] = ()
    ) -> Iterator[ColumnBatch]:
        """Yield all rows at once; they can be sliced without a copy."""
        indices = {field.name: index for index, field in enumerate(self.fields)}
        columns: tuple[Column | GroupKeys, ...] = (
            *_view_columns(self._frame, [indices[name] for name in names]),
            *(pandas_keys(self._frame.iloc[:, indices[name]]) for name in keys),
        )
        yield ColumnBatch(columns, sum(column.nbytes for column in columns))

    def views(self, names: tuple[str, ...]) -> Iterator[ColumnViews]:
        """Yield all rows at once, as views for the core."""
        indices = {field.name: index for index, field in enumerate(self.fields)}
        yield _view_columns(self._frame, [indices[name] for name in names])

    def array_batches(self, name: str, others: RowColumns) -> Iterator[ArrayBatch]:
        """Yield all rows of a column of arrays at once."""
        extras.require("pyarrow", extra="files", feature="Reading a column of arrays")
        index = [field.name for field in self.fields].index(name)
        values = _arrays_to_pyarrow(self._frame.iloc[:, index])
        for columns, _ in self.column_batches(others.numbers, others.by):
            yield ArrayBatch(values, columns)


def _kinds(frame: "pandas.DataFrame") -> list[str]:
    """Return the kinds of the columns; only those of objects are looked at one by one."""
    dtypes = frame.dtypes.tolist()
    by_id = dict(zip(map(id, dtypes), range(len(dtypes)), strict=True))  # equal ones are mostly one
    kinds = {key: _kind_at(frame, dtypes[index], index) for key, index in by_id.items()}
    result = [kinds[key] for key in map(id, dtypes)]
    objects = {
        id(dtype) for dtype in map(dtypes.__getitem__, by_id.values()) if dtype == np.object_
    }
    for position, dtype in enumerate(dtypes) if objects else ():
        if id(dtype) in objects:
            result[position] = kind_of_series(frame.iloc[:, position])
    return result


def _kind_at(frame: "pandas.DataFrame", dtype: AnyDtype, position: int) -> str:
    """Return the kind of a column from its dtype; indexing a frame takes 100 µs."""
    if is_numpy_number(dtype) and dtype.itemsize <= 8:
        return NUMBER
    return kind_of_series(frame.iloc[:0, position])


def _view_columns(frame: "pandas.DataFrame", positions: Sequence[int]) -> ColumnViews:
    """Return columns whose kinds are those of numbers or times."""
    columns = ColumnViews(_core.Columns(len(positions), len(frame)), {}, {})
    others = dict(enumerate(positions))
    for indices, values in number_blocks(frame, positions):
        columns.views.set_matrix(indices, to_native(values))
        for index in indices:
            del others[index]
    for index, position in others.items():
        set_column(columns, index, read_series(frame.iloc[:, position]))
    return columns


def pandas_keys(series: "pandas.Series") -> GroupKeys:
    """Return a series as keys; pandas factorizes its own objects, strings and categories."""
    dtype = series.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "fiub":
        return factorize_column(Column(series.to_numpy()))
    if getattr(dtype, "kind", "") in "mM" and not hasattr(dtype, "pyarrow_dtype"):
        return factorize_column(_time_column(series), str(getattr(dtype, "tz", None) or ""))
    if _is_arrow(dtype):
        return _arrow_keys(series)
    codes, values = series.factorize()
    present = codes >= 0
    known = codes if present.all() else codes[present]
    return from_codes(known.astype(np.int64), values.tolist(), present)


def kind_of_series(series: "pandas.Series") -> str:
    """Return the kind of a column of pandas, as `Field` has it."""
    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        return _kind_of_numpy(series)
    name = str(dtype)
    if name.startswith("datetime64["):  # with a time zone
        return f"timestamp[{dtype.unit}]"
    if name in ("str", "string") or name.startswith("string["):
        return "text"
    if name == "category":
        return kind_of_category(kind_of_series(dtype.categories.to_series()))
    if _is_sparse(dtype):
        return kind_of_series(series.head(0).sparse.to_dense())
    if _is_masked(dtype):
        return NUMBER
    if hasattr(dtype, "pyarrow_dtype"):
        return column_kind(schema_of(dtype.pyarrow_dtype))
    return name


def _kind_of_numpy(series: "pandas.Series") -> str:
    dtype = series.dtype
    if dtype.kind in "fiub":
        return NUMBER if dtype.itemsize <= 8 else str(dtype)
    if dtype.kind in "mM":
        name = "timestamp" if dtype.kind == "M" else "duration"
        return f"{name}[{np.datetime_data(dtype)[0]}]"
    return kind_of_objects(series.to_numpy()) if dtype.kind == "O" else str(dtype)


def _is_sparse(dtype: object) -> bool:
    return str(dtype).startswith("Sparse[")


def _is_masked(dtype: object) -> bool:
    """Return whether a dtype is a masked numeric dtype of pandas: Int64, Float32, boolean."""
    return (
        getattr(dtype, "kind", "") in "fiub"
        and hasattr(dtype, "numpy_dtype")
        and not hasattr(dtype, "pyarrow_dtype")
    )


def read_series(series: "pandas.Series") -> Column:
    """Return a column of pandas whose kind is that of numbers or times."""
    dtype = series.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "fiub":
        return Column(series.to_numpy())
    if isinstance(dtype, np.dtype) and dtype.kind == "O":
        return object_column(series.to_numpy(), f"column {str(series.name)!r}")
    if isinstance(dtype, np.dtype) or str(dtype).startswith("datetime64["):
        return _time_column(series)
    if _is_masked(dtype):
        missing = series.isna().to_numpy()
        return Column(
            series.array.to_numpy(dtype.numpy_dtype, na_value=0), mask_to_validity(~missing)
        )
    if str(dtype) == "category":
        return _category_column(series)
    if _is_sparse(dtype):
        return read_series(series.sparse.to_dense())
    return _read_arrow(series)


def _time_column(series: "pandas.Series") -> Column:
    """Return timestamps or durations as integers in their unit."""
    missing = series.isna().to_numpy()
    values = series.array.asi8 if hasattr(series.array, "asi8") else series.to_numpy().view("i8")
    unit = getattr(series.dtype, "unit", None) or np.datetime_data(series.dtype)[0]
    name = "duration" if series.dtype.kind == "m" else "timestamp"
    return Column(np.asarray(values), mask_to_validity(~missing), dtype=f"{name}[{unit}]")


def _category_column(series: "pandas.Series") -> Column:
    codes = series.cat.codes.to_numpy()
    entries = read_series(series.cat.categories.to_series())
    if not len(entries):
        return missing_column(len(series))
    return take(entries, np.maximum(codes, 0), codes >= 0)


def _is_arrow(dtype: object) -> bool:
    """Return whether pandas stores a dtype as Arrow data, including Arrow strings."""
    return hasattr(dtype, "pyarrow_dtype") or getattr(dtype, "storage", "") == "pyarrow"


def _arrow_keys(series: "pandas.Series") -> GroupKeys:
    return factorize_series(_to_pyarrow(series), str(series.name), "the frame")


def _read_arrow(series: "pandas.Series") -> Column:
    """Return a column that pandas stores as Arrow data."""
    array = _to_pyarrow(series)
    if hasattr(array, "chunks"):
        array = array.combine_chunks()
    opened = open_arrow_array(array, "the frame")
    return series_reader(opened.schema, str(series.name), "the frame")(opened)


def _arrays_to_pyarrow(series: "pandas.Series") -> "pyarrow.Array | pyarrow.ChunkedArray":
    """Return a column of arrays, lists or bytes as a PyArrow array.

    Raises
    ------
    UnsupportedTypeError
        If the values are of several kinds, such as both numbers and lists.
    """
    import pyarrow

    if _is_arrow(series.dtype):
        return _to_pyarrow(series)
    try:
        return pyarrow.array([_nested(value) for value in series], from_pandas=True)
    except pyarrow.ArrowException as why:
        raise UnsupportedTypeError(
            "A selected column must hold lists of numbers, or images. Received: column "
            f"{series.name!r} of the frame: {first_line(why)}. Convert it first."
        ) from None


def _nested(value: object) -> Any:
    """Return an array as PyArrow accepts it: of one dimension, or a list of arrays."""
    if not hasattr(value, "shape"):
        return value
    array = np.asarray(value)
    return array if array.ndim < 2 else [_nested(part) for part in array]


def _to_pyarrow(series: "pandas.Series") -> "pyarrow.Array | pyarrow.ChunkedArray":
    """Return a column as a validated PyArrow array; PyArrow may copy it afterwards."""
    pyarrow = extras.require("pyarrow", extra="files", feature=f"Reading pandas' {series.dtype}")
    return validate_arrow(pyarrow.array(series), f"column {series.name!r} of the frame")
