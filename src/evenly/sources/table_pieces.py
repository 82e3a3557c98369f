"""Split the columns of a table into pieces of rows: small ones, and ones with exact dtypes."""

from collections.abc import Iterator
from typing import Any

from evenly.block import ColumnViews
from evenly.sources import block_sizes
from evenly.sources.exact_rows import split_exact

Piece = tuple[int, tuple[Any, ...], int]
"""A number of rows, their columns, and the number of bytes read for them."""


def split_large(columns: tuple[Any, ...], nbytes: int) -> Iterator[tuple[tuple[Any, ...], int]]:
    """Split columns that are larger than a block, without a copy."""
    rows = len(columns[0])
    width = sum(column.itemsize for column in columns)
    step = max(1, block_sizes.current.table_bytes // width)
    if rows <= step:
        yield columns, nbytes
        return
    for start in range(0, rows, step):
        stop = min(start + step, rows)
        share = nbytes * stop // rows - nbytes * start // rows
        yield tuple(column[start:stop] for column in columns), share


def split_views(columns: ColumnViews) -> Iterator[tuple[ColumnViews, int]]:
    """Split columns that are larger than a block, without a copy."""
    rows, nbytes = columns.views.rows, columns.views.nbytes
    step = max(1, block_sizes.current.table_bytes * rows // max(1, nbytes))
    if rows <= step:
        yield columns, nbytes
        return
    for start in range(0, rows, step):
        part = columns.rows_from(start, min(start + step, rows))
        yield part, part.views.nbytes


def split_where_exact(columns: tuple[Any, ...], nbytes: int) -> Iterator[Piece]:
    """Yield columns as ranges of rows that are exact, without a copy; see `split_exact`."""
    total = max(1, len(columns[0]))
    for start, stop, part in split_exact(columns):
        yield stop - start, part, nbytes * stop // total - nbytes * start // total


def split_large_where_exact(columns: tuple[Any, ...], nbytes: int) -> Iterator[Piece]:
    """Yield columns as small ranges of rows that are exact, without a copy."""
    for part, share in split_large(columns, nbytes):
        yield from split_where_exact(part, share)
