"""Arrays and tensors: anything with ``__array__`` or ``__dlpack__``, and lists of numbers."""

import logging
import math
import sys
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np

from evenly.block import Block, Column
from evenly.errors import DataError, UnsupportedTypeError
from evenly.sources.arrow_input import checked
from evenly.sources.group_keys import KeyName, factorize_named
from evenly.sources.selection import NUMBER, ColumnSelection, Field, resolve_positions
from evenly.sources.tables import ColumnBatch

_log = logging.getLogger("evenly")

_BYTES = 256 * 2**20
"""A block's size: some 10 ms of work, so that progress and Ctrl-C come through."""
_COPIED_BYTES = 16 * 2**20
"""A block's size when it must be copied: columns are picked, or bytes swapped."""
_LEAST_ROWS = 16_384
"""Of a block that is not copied: each block costs each of its columns some 0.1 µs."""


class ArraySource:
    """The blocks of one array: ranges of its rows, none of them copied.

    Parameters
    ----------
    array
        A NumPy array or a CPU tensor, from `as_array`.
    choice
        Which columns, by position.
    feature_axis
        The axis along which the columns lie.
    """

    names: tuple[str, ...] | None = None

    def __init__(
        self,
        array: Any,
        choice: ColumnSelection,
        *,
        feature_axis: int = -1,
        label: str = "the array",
    ) -> None:
        self._array = array
        self._label = label
        self._axis, number = resolve_feature_axis(tuple(array.shape), feature_axis, label)
        self._picked = resolve_positions(choice, number, label)
        self.description = f"{label} of shape {tuple(array.shape)}"
        self.rows: int | None = math.prod(array.shape) // number if number else 0
        self.nbytes: int | None = int(array.nbytes)
        self.left_out: dict[str, str] = {}

    def blocks(self) -> Generator[Block]:
        """Yield ranges of the first axis that holds rows."""
        shape = tuple(self._array.shape)
        axis = 1 if self._axis == 0 and len(shape) > 1 else 0
        copied = self._picked is not None or not is_native(self._array)
        size = _COPIED_BYTES if copied else _BYTES
        step = max(1, size * shape[axis] // max(1, self._array.nbytes))
        if not copied:
            step = max(step, _LEAST_ROWS * shape[axis] // max(1, self.rows or 0))
        row = 0
        for start in range(0, shape[axis], step):
            part = self._array[(slice(None),) * axis + (slice(start, start + step),)]
            nbytes = int(part.nbytes)
            block = Block(
                None,
                to_native(take_columns(part, self._axis, self._picked)),
                feature_axis=self._axis if len(shape) > 1 else -1,
                label=self._label,
                first_row=row,
                nbytes=nbytes,
                column_numbers=self._picked,
            )
            yield block
            row += block.rows


def resolve_feature_axis(shape: tuple[int, ...], feature_axis: int, label: str) -> tuple[int, int]:
    """Return the axis of features, counted from the front, and the number of features.

    Raises
    ------
    DataError
        When the array has no such axis, or no axis at all.
    """
    if not shape:
        raise DataError(
            "An array must have rows. Received: a single number. Put batches of one row or more."
        )
    if len(shape) == 1 and feature_axis in (-1, 1):
        return 1, 1
    if len(shape) == 1 or not -len(shape) <= feature_axis < len(shape):
        raise DataError(
            "feature_axis must be an axis of the array. "
            f"Received: {feature_axis}, and {label} of shape {shape}."
        )
    if shape[feature_axis] == 0:
        raise DataError(f"At least one column must be there. Received: {label} of shape {shape}.")
    return feature_axis % len(shape), shape[feature_axis]


def take_columns(part: Any, axis: int, picked: list[int] | None) -> Any:
    """Return the columns at the picked positions; a view, where they follow one another."""
    if picked is None or part.ndim == 1:
        return part
    first, last = picked[0], picked[-1]
    chosen: Any = picked
    if picked == list(range(first, last + 1)):
        chosen = slice(first, last + 1)
    return part[(slice(None),) * axis + (chosen,)]


class StructuredTable:
    """A NumPy structured array as a table: its fields are columns, in place."""

    rows: int | None
    nbytes: int | None

    def __init__(self, array: Any, label: str) -> None:
        self._array = array.reshape(-1)
        self.label = label
        self.rows, self.nbytes = len(self._array), int(self._array.nbytes)
        self.fields = tuple(field_of(name, array.dtype[name]) for name in array.dtype.names)

    def column_batches(self, names: tuple[str, ...]) -> Iterator[ColumnBatch]:
        """Yield everything at once; who wants less can cut it without copying."""
        columns = tuple(
            factorize_named(self._array[name], name, self.label)
            if isinstance(name, KeyName)
            else Column(to_native(self._array[name]))
            for name in names
        )
        yield ColumnBatch(columns, self.nbytes or 0)


def field_of(name: str, dtype: np.dtype[Any]) -> Field:
    """Return the field that values of a dtype make."""
    if dtype.subdtype is not None:
        return Field(name, "nested")
    try:
        check_dtype(dtype, "")
    except UnsupportedTypeError:
        kinds = {"U": "text", "T": "text", "S": "binary", "M": "datetime"}
        return Field(name, kinds.get(dtype.kind, str(dtype)))
    return Field(name, NUMBER)


def as_array(x: Any, label: str = "the array") -> Any:
    """Return something array-like as a NumPy array or a CPU tensor, copied only if it must be.

    Data on another device is brought to the host, with a remark in the log.

    Raises
    ------
    UnsupportedTypeError
        For values that are no numbers of at most 64 bits, and for sparse data.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(x, torch.Tensor):
        return _as_tensor(x, label)
    if hasattr(x, "tocsr") or hasattr(x, "todense"):
        raise UnsupportedTypeError(
            f"An array must be dense. Received: {type(x).__name__}, which is sparse. "
            "Pass x.toarray(), or slices of it, one after the other, from a generator."
        )
    array = _as_numpy(x, label)
    if array.dtype.names is None:
        check_dtype(array.dtype, label)
    return array


def _as_tensor(x: Any, label: str) -> Any:
    dtype = str(x.dtype).removeprefix("torch.")
    if x.is_complex() or x.is_quantized or dtype.startswith("float8") or x.is_nested:
        raise UnsupportedTypeError(_not_numeric(dtype, label))
    if str(x.layout) != "torch.strided":
        raise UnsupportedTypeError(
            f"A tensor must be dense. Received: layout {x.layout}. Pass x.to_dense()."
        )
    if x.device.type != "cpu":
        _log.warning("The tensor is on %s; it is copied to the host to be fitted.", x.device)
    return x.detach().cpu().resolve_neg()


def _as_numpy(x: Any, label: str) -> Any:
    if isinstance(x, np.ma.MaskedArray):
        return _masked_to_nan(x)
    if isinstance(x, np.ndarray):
        return x
    if not hasattr(x, "__array__") and hasattr(x, "__dlpack__"):
        return np.from_dlpack(x) if _on_cpu(x) else np.from_dlpack(x, device="cpu")
    if not _on_cpu(x):
        _log.warning("%s is on a device; it is copied to the host.", type(x).__name__)
        if hasattr(x, "get"):  # CuPy refuses to do it unasked
            return x.get()
    checked(x, label)  # PyArrow's arrays are arrays, too
    try:
        return np.asarray(x)
    except (ValueError, TypeError) as error:
        raise UnsupportedTypeError(
            "An array must be rectangular, of numbers. "
            f"Received: {label} of type {type(x).__name__}: {error}."
        ) from None


def _on_cpu(x: Any) -> bool:
    if not hasattr(x, "__dlpack_device__"):
        return True
    return int(x.__dlpack_device__()[0]) in (1, 3)  # kDLCPU, kDLCUDAHost


def _masked_to_nan(x: Any) -> Any:
    """Return a masked array's values with NaN where they are masked."""
    if not np.ma.is_masked(x):
        return x.data
    if x.dtype.kind == "f":
        return x.filled(np.nan)
    if x.dtype.kind in "iub" and x.dtype.itemsize < 8:
        return x.astype(np.float64).filled(np.nan)
    raise UnsupportedTypeError(
        f"A masked array must fit float64, to have NaN. Received: dtype {x.dtype}. "
        "Convert it with x.astype(float)."
    )


def check_dtype(dtype: np.dtype[Any], label: str) -> None:
    """Check that a dtype is an integer, a boolean or a float of at most 64 bits."""
    if dtype.name == "bfloat16" or (dtype.kind in "fiub" and dtype.itemsize <= 8):
        return
    raise UnsupportedTypeError(_not_numeric(str(dtype), label))


def _not_numeric(dtype: str, label: str) -> str:
    return (
        "An array must hold integers, booleans or floats of at most 64 bits. "
        f"Received: {label} of dtype {dtype}. Convert it first, to float64 for example."
    )


def is_native(array: Any) -> bool:
    """Whether the core can read the array: machine byte order, aligned."""
    return not isinstance(array, np.ndarray) or (array.dtype.isnative and array.flags.aligned)


def to_native(array: Any) -> Any:
    """Return an array that the core can read, copied only if it must be."""
    if is_native(array):
        return array
    return array.astype(array.dtype.newbyteorder("="), order="C")
