"""Open files, folders, patterns and URLs as a source of images, tables or arrays."""

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import cast

from evenly.errors import ColumnError, SourceError
from evenly.redaction import redact_url
from evenly.sources.array_batches import has_arrays, read_arrays
from evenly.sources.batches import BatchSource
from evenly.sources.files.csv_options import check_no_csv
from evenly.sources.files.file_opener import FileOpener
from evenly.sources.files.file_ref import FileRef
from evenly.sources.files.filesystems import size_of
from evenly.sources.images.source import ImageSource
from evenly.sources.opener import SourceOpener
from evenly.sources.options import ReadOptions
from evenly.sources.scan import FileScan
from evenly.sources.selected_column import Part, SelectedColumn, array_column, single_step
from evenly.sources.selection import ColumnSelection, resolve_row_columns
from evenly.sources.source import Source
from evenly.sources.stores.tables import ArraysTable, RecordsTable
from evenly.sources.tables import Table, is_table
from evenly.sources.urls import with_storage
from evenly.typing import Path


def open_paths(x: Path | Sequence[Path], label: str, opener: SourceOpener) -> Source:
    """Open the files that a path, or a list of paths, stands for."""
    paths = [x] if isinstance(x, str | os.PathLike) else x
    return open_scan(FileScan(with_storage(paths, opener.options.storage_options)), label, opener)


def open_scan(scan: FileScan, label: str, opener: SourceOpener) -> Source:
    """Open the files of a scan, which are images or tables."""
    if scan.decide() == "images":
        return _open_images(scan, opener)
    return open_files(scan.tables(), label, opener)


def _open_images(scan: FileScan, opener: SourceOpener) -> ImageSource:
    opener.check_no_select(redact_url(scan.sources[0]))
    check_no_csv(opener.options.csv_format, redact_url(scan.sources[0]))
    remaining = opener.remaining
    return ImageSource(
        scan.image_files if remaining is None else remaining.image_files,
        opener.options,
        description=scan.description,
        nbytes=scan.nbytes if remaining is None else remaining.nbytes,
        skipped=scan.skipped,
        bit_depth=opener.bit_depth,
        counted=None if remaining is None else remaining.count,
    )


def open_files(files: Sequence[FileRef], _: str, opener: SourceOpener) -> Source:
    """Open files with tables, or with arrays, as one source."""
    sizes = [size_of(file) for file in files]
    nbytes = None if None in sizes else sum(filter(None, sizes))
    parts = FileOpener(opener.options, opener.watch).iter_tables(files)
    first = next(parts)
    rows = first.rows if len(files) == 1 and files[0].kind != "zip" else None
    everything = chain([first], parts)
    name = files[0].label + (f" and {len(files) - 1} more" if len(files) > 1 else "")
    if not is_table(first):
        opener.check_no_image_options(name)
        return BatchSource(
            everything,
            lambda part, _: opener.as_source(part),
            description=name,
            rows=rows,
            nbytes=nbytes,
            only=cast(Source, first) if len(files) == 1 else None,
        )
    if has_selected(first, opener.options):
        return opener.open(_selected_column(everything, first, rows, opener.options), name)
    opener = opener.for_numbers(first.fields)
    if not isinstance(first, ArraysTable | RecordsTable):
        opener.check_no_select(name)
    return opener.open_tables(_only_tables(everything), name, rows, nbytes)


def _selected_column(
    tables: Iterable[Table | Source], first: Table, rows: int | None, options: ReadOptions
) -> SelectedColumn:
    """Return the column that ``select=`` names in all of the tables."""
    name, selection = str(single_step(options.select)), options.selection
    others = resolve_row_columns(selection, first.fields, first.label)
    return SelectedColumn(name, parts_of(tables, name, selection), others, rows)


def has_selected(table: Table, options: ReadOptions) -> bool:
    """Return whether ``select=`` names a column of a table that may hold arrays or images."""
    return array_column(options.select, table.fields) is not None and has_arrays(table)


def parts_of(
    tables: Iterable[Table | Source], column: str, selection: ColumnSelection
) -> Iterator[Part]:
    """Yield the column of each table.

    Raises
    ------
    ColumnError
        If a table lacks it.
    SourceError
        If a file does not hold a table.
    """
    for table in _only_tables(tables):
        if not has_arrays(table) or array_column(column, table.fields) is None:
            raise ColumnError(
                f"All parts of a fit must have the selected column. Received: {table.label}, "
                f"where {column!r} is missing or holds no lists."
            )
        others = resolve_row_columns(selection, table.fields, table.label)
        yield Part(table.label, read_arrays(table, column, others, SourceError))


def _only_tables(parts: Iterable[Table | Source]) -> Iterator[Table]:
    for part in parts:
        if not is_table(part):
            raise SourceError(
                "All files of a fit must be tables, or all arrays. "
                f"Received: tables, and then {cast(Source, part).description}."
            )
        yield part
