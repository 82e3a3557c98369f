"""Read arrays and tensors: objects with ``__array__`` or ``__dlpack__``, lists of numbers."""

import logging
import math
import sys
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np

from evenly.block import Block, Column
from evenly.errors import UnsupportedTypeError
from evenly.sources import block_sizes
from evenly.sources.arrow_input import checked
from evenly.sources.feature_axis import resolve_feature_axis
from evenly.sources.group_keys import factorize_named
from evenly.sources.native_arrays import is_native, to_native
from evenly.sources.opener import SourceOpener
from evenly.sources.options import ReadOptions
from evenly.sources.row_weights import RowAxes
from evenly.sources.selection import NUMBER, Field, resolve_positions
from evenly.sources.source import SequentialSource, Source
from evenly.sources.tables import ColumnBatch

_log = logging.getLogger("evenly")


class ArraySource(SequentialSource):
    """A source of blocks that are ranges of the rows of an array, without a copy.

    Parameters
    ----------
    array
        A NumPy array or a CPU tensor, from `as_array`.
    options
        The columns to read, by position, and their axis.
    label
        The name of the array, for messages.
    """

    names: tuple[str, ...] | None = None

    def __init__(self, array: Any, options: ReadOptions, *, label: str) -> None:
        self._array = array
        self._label = label
        shape = tuple(array.shape)
        self._axis, number = resolve_feature_axis(shape, options.feature_axis, label)
        self._selected = resolve_positions(options.selection, number, label)
        self.description = f"{label} of shape {shape}"
        self.rows: int | None = math.prod(array.shape) // number if number else 0
        self.nbytes: int | None = int(array.nbytes)
        self.row_axes = RowAxes(shape, None, self._axis if len(shape) > 1 else None)
        self.left_out: dict[str, str] = {}

    def blocks(self) -> Generator[Block]:
        """Yield ranges of the first axis that holds rows."""
        shape = tuple(self._array.shape)
        axis = 1 if self._axis == 0 and len(shape) > 1 else 0
        copied = self._selected is not None or not is_native(self._array)
        sizes = block_sizes.current
        size = sizes.copied_array_bytes if copied else sizes.array_bytes
        step = max(1, size * shape[axis] // max(1, self._array.nbytes))
        if not copied:
            step = max(step, sizes.min_array_rows * shape[axis] // max(1, self.rows or 0))
        row = 0
        for start in range(0, shape[axis], step):
            rows = self._array[(slice(None),) * axis + (slice(start, start + step),)]
            nbytes = int(rows.nbytes)
            block = Block(
                None,
                to_native(take_columns(rows, self._axis, self._selected)),
                feature_axis=self._axis if len(shape) > 1 else -1,
                label=self._label,
                first_row=row,
                nbytes=nbytes,
                column_numbers=self._selected,
            )
            yield block
            row += block.rows


def take_columns(array: Any, axis: int, positions: list[int] | None) -> Any:
    """Return the columns at some positions; a view if they are consecutive."""
    if positions is None or array.ndim == 1:
        return array
    first, last = positions[0], positions[-1]
    indices: Any = positions
    if positions == list(range(first, last + 1)):
        indices = slice(first, last + 1)
    return array[(slice(None),) * axis + (indices,)]


def open_array(x: Any, label: str, opener: SourceOpener) -> Source:
    """Open an array-like object; the fields of a structured array are columns."""
    opener.check_no_select(x)
    opener.check_no_file_options(x)
    array = as_array(x, label)
    if getattr(array.dtype, "names", None) is not None:
        return opener.open_tables([StructuredTable(array, label)], label)
    return ArraySource(array, opener.options, label=label)


class StructuredTable:
    """A NumPy structured array as a table, whose columns are views of its fields."""

    rows: int | None
    nbytes: int | None

    def __init__(self, array: Any, label: str) -> None:
        self._array = array.reshape(-1)
        self.label = label
        self.rows, self.nbytes = len(self._array), int(self._array.nbytes)
        self.fields = tuple(field_of(name, array.dtype[name]) for name in array.dtype.names)

    def column_batches(
        self, names: tuple[str, ...], keys: tuple[str, ...] = ()
    ) -> Iterator[ColumnBatch]:
        """Yield all rows at once; they can be sliced without a copy."""
        columns = (
            *(Column(to_native(self._array[name])) for name in names),
            *(factorize_named(self._array[name], name, self.label) for name in keys),
        )
        yield ColumnBatch(columns, self.nbytes or 0)


def field_of(name: str, dtype: np.dtype[Any]) -> Field:
    """Return the `Field` of a column with a dtype."""
    if dtype.subdtype is not None:
        return Field(name, "nested")
    try:
        check_dtype(dtype, "")
    except UnsupportedTypeError:
        kinds = {"U": "text", "T": "text", "S": "binary", "M": "datetime"}
        return Field(name, kinds.get(dtype.kind, str(dtype)))
    return Field(name, NUMBER)


def as_array(x: Any, label: str = "the array") -> Any:
    """Convert an array-like object to a NumPy array or a CPU tensor, without a copy if possible.

    Data on another device is copied to the CPU, with a warning in the log.

    Raises
    ------
    UnsupportedTypeError
        If the values are not numbers of at most 64 bits, or the data is sparse.
    """
    if type(x) is np.ndarray and is_plain(x.dtype):
        return x
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(x, torch.Tensor):
        return _as_tensor(x, label)
    if hasattr(x, "tocsr") or hasattr(x, "todense"):
        raise UnsupportedTypeError(
            f"An array must be dense. Received: {type(x).__name__}, which is sparse. "
            "Pass x.toarray(), or a generator of dense slices."
        )
    array = _as_numpy(x, label)
    if array.dtype.names is None:
        check_dtype(array.dtype, label)
    return array


def _as_tensor(x: Any, label: str) -> Any:
    dtype = str(x.dtype).removeprefix("torch.")
    if x.is_complex() or x.is_quantized or dtype.startswith("float8") or x.is_nested:
        raise _not_numeric_error(dtype, label)
    if str(x.layout) != "torch.strided":
        raise UnsupportedTypeError(
            f"A tensor must be dense. Received: layout {x.layout}. Pass x.to_dense()."
        )
    if x.device.type != "cpu":
        _log.warning("The tensor is on %s; it is copied to the CPU.", x.device)
    return x.detach().cpu().resolve_neg()


def _as_numpy(x: Any, label: str) -> Any:
    if isinstance(x, np.ma.MaskedArray):
        return _masked_to_nan(x)
    if isinstance(x, np.ndarray):
        return x
    if not hasattr(x, "__array__") and hasattr(x, "__dlpack__"):
        return np.from_dlpack(x) if _on_cpu(x) else np.from_dlpack(x, device="cpu")
    if not _on_cpu(x):
        _log.warning("%s is on another device; it is copied to the CPU.", type(x).__name__)
        if hasattr(x, "get"):  # CuPy does not convert implicitly
            return x.get()
    checked(x, label)  # PyArrow arrays have __array__ as well
    try:
        return np.asarray(x)
    except (ValueError, TypeError) as error:
        raise UnsupportedTypeError(
            "An array must be rectangular and numeric. "
            f"Received: {label} of type {type(x).__name__}: {error}."
        ) from None


def _on_cpu(x: Any) -> bool:
    if not hasattr(x, "__dlpack_device__"):
        return True
    return int(x.__dlpack_device__()[0]) in (1, 3)  # kDLCPU, kDLCUDAHost


def _masked_to_nan(x: Any) -> Any:
    """Return the values of a masked array, with NaN for masked values."""
    if not np.ma.is_masked(x):
        return x.data
    if x.dtype.kind == "f":
        return x.filled(np.nan)
    if x.dtype.kind in "iub" and x.dtype.itemsize < 8:
        return x.astype(np.float64).filled(np.nan)
    raise UnsupportedTypeError(
        f"A masked array must fit in float64 to use NaN. Received: dtype {x.dtype}. "
        "Convert it with x.astype(float)."
    )


def is_plain(dtype: np.dtype[Any]) -> bool:
    """Return whether a dtype is NumPy's own, and a float of at most 64 bits, in native byte order.

    The name of a dtype is computed on each access, which takes a microsecond; this does not.
    """
    return dtype.isbuiltin == 1 and dtype.char in "efd"


def check_dtype(dtype: np.dtype[Any], label: str) -> None:
    """Check that a dtype is an integer, a boolean or a float of at most 64 bits."""
    if (dtype.kind in "fiub" and dtype.itemsize <= 8) or dtype.name == "bfloat16":
        return
    raise _not_numeric_error(str(dtype), label)


def _not_numeric_error(dtype: str, label: str) -> UnsupportedTypeError:
    return UnsupportedTypeError(
        "An array must hold integers, booleans or floats of at most 64 bits. "
        f"Received: {label} of dtype {dtype}. Convert it first, to float64 for example."
    )
