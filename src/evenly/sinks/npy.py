"""NPY files that grow: rows are appended, and the header is written again at the end."""

from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from evenly.errors import DataError, UnsupportedTypeError

Array = npt.NDArray[Any]


class NpySink:
    """Append arrays along their first axis.

    NumPy pads the header of an array that may grow: the number of rows can be put in
    its label when it is known (`numpy.lib.format`, ``GROWTH_AXIS_MAX_DIGITS``).
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._rows = 0
        self._shape: tuple[int, ...] | None = None
        self._dtype = np.dtype(np.float64)

    def write(self, part: Any) -> None:
        """Append an array, or the columns of a record batch side by side."""
        array = part if isinstance(part, np.ndarray) else _side_by_side(part)
        if self._shape is None:
            self._shape, self._dtype = array.shape[1:], array.dtype
            self._header()
        if (array.shape[1:], array.dtype) != (self._shape, self._dtype):
            raise DataError(
                "All parts of an NPY file must have the same shape, but for the rows, and the "
                f"same dtype. Received: {self._dtype} of shape {self._shape} a row, and then "
                f"{array.dtype} of shape {array.shape[1:]}. A dtype can be chosen for all."
            )
        self._rows += len(array)
        self._file.write(np.ascontiguousarray(array).data)

    def close(self) -> None:
        """Put the number of rows into the header."""
        if self._shape is not None:
            self._file.seek(0)
            self._header()
            self._file.seek(0, 2)

    def _header(self) -> None:
        assert self._shape is not None
        npy.write_array_header_1_0(
            self._file,
            {
                "descr": npy.dtype_to_descr(self._dtype),
                "fortran_order": False,
                "shape": (self._rows, *self._shape),
            },
        )


def _side_by_side(batch: Any) -> Array:
    columns = [column.to_numpy(zero_copy_only=False) for column in batch.columns]
    wrong = [
        repr(name)
        for name, column in zip(batch.schema.names, columns, strict=True)
        if column.dtype.kind not in "fiub"
    ]
    if wrong:
        raise UnsupportedTypeError(
            "An NPY file holds numbers of one type. Received: a table in which "
            f"{', '.join(wrong[:10])} is no number. Write .parquet or .csv instead."
        )
    return np.stack(columns, axis=1)
