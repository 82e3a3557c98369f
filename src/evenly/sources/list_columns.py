"""Convert columns of Arrow lists of equal length to arrays."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from evenly.errors import DataError, UnsupportedTypeError
from evenly.typing import AnyArray

if TYPE_CHECKING:
    import pyarrow


T = TypeVar("T")


class ListReader:
    """Convert the chunks of a column of lists: rows first, then the axes of the lists.

    Missing numbers become NaN, and so do the numbers of missing lists.

    Parameters
    ----------
    name
        The name of the column.
    label
        The name of the table, for messages.
    """

    def __init__(self, name: str, label: str) -> None:
        self._name = name
        self._label = label
        self._lengths: dict[int, int] = {}  # of the lists at each level, once they are known

    def arrays(self, chunks: "Iterable[tuple[T, pyarrow.Array]]") -> Iterator[tuple[T, AnyArray]]:
        """Yield an array for each PyArrow array, which is the second item of a pair.

        Raises
        ------
        DataError
            If the lists differ in length, or all are missing.
        UnsupportedTypeError
            If the lists do not hold numbers.
        """
        waiting: list[tuple[T, int]] = []  # rows before the first list, whose length is unknown
        for origin, chunk in chunks:
            array = self._convert(chunk, 0, str(chunk.type))
            if array is None:
                waiting.append((origin, len(chunk)))
                continue
            for missing, rows in waiting:
                yield missing, np.full((rows, *array.shape[1:]), np.nan)
            waiting = []
            yield origin, array
        if waiting:
            raise DataError(
                "A column of lists needs at least one list, for the number of columns. Received: "
                f"{self._name!r} of {self._label}, with {sum(n for _, n in waiting):,} missing "
                "ones."
            )

    def _convert(self, values: "pyarrow.Array", level: int, dtype: str) -> AnyArray | None:
        """Return the array of nested lists; None if all are missing and of unknown length."""
        values = _storage(values)
        if not hasattr(values.type, "value_type") or hasattr(values.type, "index_type"):
            return self._numbers(values, dtype)
        present = values.is_valid().to_numpy(zero_copy_only=False) if values.null_count else None
        lists = values if present is None else values.drop_null()
        if len(lists) or hasattr(lists.type, "list_size"):
            self._check_length(lists, level)
        length = self._lengths.get(level)
        inner = self._convert(lists.flatten(), level + 1, dtype)
        if length is None or inner is None:
            return None
        array = inner.reshape(len(lists), length, *inner.shape[1:])
        return array if present is None else _with_missing(array, present)

    def _check_length(self, lists: object, level: int) -> None:
        """Check that all lists of a level have the same length."""
        least, most = _lengths(lists)
        least, most = (f(self._lengths.get(level, x), x) for f, x in ((min, least), (max, most)))
        if least != most:
            raise DataError(
                "All lists in a column must have the same length. "
                f"Received: {self._name!r} of {self._label}, with lengths from {least} to {most}. "
                "Truncate or pad them, or pass them one by one from a generator."
            )
        self._lengths[level] = most

    def _numbers(self, values: "pyarrow.Array", dtype: str) -> AnyArray:
        """Return the numbers at the innermost level; integers with missing ones as float64."""
        import pyarrow
        import pyarrow.types as types

        if types.is_null(values.type):
            return np.full(len(values), np.nan)
        if not _is_number(values.type):
            raise UnsupportedTypeError(
                "A selected column must hold lists of numbers, or images. "
                f"Received: {self._name!r} of {self._label}, of type {dtype}. Convert it first."
            )
        if types.is_integer(values.type) and values.null_count:
            try:
                values = values.cast(pyarrow.float64())
            except pyarrow.ArrowInvalid:
                raise DataError(
                    "Integers beyond 2**53 with missing values have no exact array. Received: "
                    f"{self._name!r} of {self._label}, of type {dtype}. Fill the missing values."
                ) from None
        array: AnyArray = values.to_numpy(zero_copy_only=False)
        # PyArrow makes objects of booleans with missing ones.
        return array.astype(np.float64) if array.dtype == object else array


def _storage(array: object) -> "pyarrow.Array":
    """Return the storage of an extension array, such as Hugging Face's Array2D."""
    return array.storage if hasattr(array, "storage") else array


def _lengths(lists: "pyarrow.Array") -> tuple[int, int]:
    """Return the least and the greatest length of lists without a missing one."""
    if hasattr(lists.type, "list_size"):
        return lists.type.list_size, lists.type.list_size
    lengths = np.asarray(lists.value_lengths())
    return int(lengths.min()), int(lengths.max())


def _with_missing(array: AnyArray, present: npt.NDArray[np.bool_]) -> AnyArray:
    """Return an array with rows of NaN where lists are missing.

    Integers of 64 bits become float64, which `evenly.fit` would not do without missing lists.
    """
    exact = array.dtype.kind == "f" or array.dtype.itemsize < 8
    if not exact and np.abs(array.astype(np.float64)).max(initial=0) > 2**53:
        raise DataError(
            "Integers beyond 2**53 with missing lists have no exact array. "
            f"Received: {int(np.abs(array).max())}. Drop the rows of missing lists."
        )
    dtype = array.dtype if array.dtype.kind == "f" else np.dtype(np.float64)
    full = np.full((len(present), *array.shape[1:]), np.nan, dtype)
    full[present] = array
    return full


def _is_number(dtype: object) -> bool:
    import pyarrow.types as types

    return bool(types.is_integer(dtype) or types.is_floating(dtype) or types.is_boolean(dtype))
