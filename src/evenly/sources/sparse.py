"""Read sparse matrices of SciPy and similar libraries; zeros that are not stored are values."""

from collections.abc import Generator
from typing import Any

from evenly.block import Block
from evenly.sources.feature_axis import check_table_axis
from evenly.sources.native_arrays import check_dtype
from evenly.sources.opener import SourceOpener
from evenly.sources.selection import ColumnSelection, resolve_positions
from evenly.sources.source import SequentialSource


def open_sparse(x: object, label: str, opener: SourceOpener) -> "SparseSource":
    """Open a sparse matrix as a source."""
    opener.check_no_select(x)
    opener.check_no_file_options(x)
    opener.check_no_image_options(x)
    check_table_axis(opener.options.feature_axis, label, "The columns of a sparse matrix")
    return SparseSource(x, opener.options.selection, label=label)


class SparseSource(SequentialSource):
    """A source of one block, whose data is a CSC matrix without duplicate entries.

    Parameters
    ----------
    matrix
        A sparse matrix; one of a single dimension is one column.
    selection
        The columns to read, by position.
    label
        The name of the matrix, for messages.
    """

    names: tuple[str, ...] | None = None

    def __init__(self, matrix: Any, selection: ColumnSelection, *, label: str) -> None:
        check_dtype(matrix.dtype, label)
        columns = canonical(matrix if len(matrix.shape) == 2 else matrix.reshape((-1, 1)))
        self._selected = resolve_positions(selection, columns.shape[1], label)
        self._matrix = columns if self._selected is None else columns[:, self._selected]
        self._label = label
        self.description = f"{label} of shape {tuple(matrix.shape)}"
        self.rows: int | None = columns.shape[0]
        self.nbytes: int | None = int(columns.data.nbytes)
        self.left_out: dict[str, str] = {}

    def blocks(self) -> Generator[Block]:
        """Yield all rows."""
        yield Block(
            None,
            self._matrix,
            label=self._label,
            nbytes=self.nbytes or 0,
            column_numbers=self._selected,
        )


def canonical(x: Any) -> Any:
    """Return a matrix as CSC without duplicate entries; do not copy it needlessly.

    Duplicate entries are added, since their sum is the value of the matrix at that position.
    """
    columns = x.tocsc()
    if columns.has_canonical_format:
        return columns
    columns = columns.copy() if columns is x else columns
    columns.sum_duplicates()
    return columns
