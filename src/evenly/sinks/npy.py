"""NPY files written by appending rows; the header is rewritten at the end."""

from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from evenly.errors import DataError, UnsupportedTypeError
from evenly.typing import AnyArray

Array = AnyArray


class NpySink:
    """A `Sink` that appends arrays along their first axis.

    NumPy pads the header so that the number of rows can be filled in once it is known
    (`numpy.lib.format`, ``GROWTH_AXIS_MAX_DIGITS``).
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._rows = 0
        self._shape: tuple[int, ...] | None = None
        self._dtype = np.dtype(np.float64)

    def write(self, batch: object) -> None:
        """Append an array, or the columns of a record batch stacked into one."""
        array = batch if isinstance(batch, np.ndarray) else _stack_columns(batch)
        if self._shape is None:
            self._shape, self._dtype = array.shape[1:], array.dtype
            self._write_header()
        if (array.shape[1:], array.dtype) != (self._shape, self._dtype):
            raise DataError(
                "All rows of an NPY file must have the same shape and dtype. "
                f"Received: {self._dtype} rows of shape {self._shape}, and then "
                f"{array.dtype} rows of shape {array.shape[1:]}. Choose one dtype with dtype=."
            )
        self._rows += len(array)
        self._file.write(np.ascontiguousarray(array).data)

    def close(self) -> None:
        """Write the number of rows into the header."""
        if self._shape is not None:
            self._file.seek(0)
            self._write_header()
            self._file.seek(0, 2)

    def _write_header(self) -> None:
        assert self._shape is not None
        npy.write_array_header_1_0(
            self._file,
            {
                "descr": npy.dtype_to_descr(self._dtype),
                "fortran_order": False,
                "shape": (self._rows, *self._shape),
            },
        )


def _stack_columns(batch: Any) -> Array:
    columns = [column.to_numpy(zero_copy_only=False) for column in batch.columns]
    not_numeric = [
        repr(name)
        for name, column in zip(batch.schema.names, columns, strict=True)
        if column.dtype.kind not in "fiub"
    ]
    if not_numeric:
        raise UnsupportedTypeError(
            "An NPY file holds numbers of one type. Received: a table with columns that are not "
            f"numeric: {', '.join(not_numeric[:10])}. Write .parquet or .csv instead."
        )
    return np.stack(columns, axis=1)
