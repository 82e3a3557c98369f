"""Read tables in files as PyArrow record batches of all columns, to normalize some of them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, cast

from evenly.errors import SourceError
from evenly.sources.arrow_input import validate_arrow
from evenly.sources.files.csv import CsvTable
from evenly.sources.files.file_opener import FileOpener
from evenly.sources.files.file_ref import FileRef
from evenly.sources.files.partitions import add_to_batch
from evenly.sources.options import ReadOptions
from evenly.sources.source import Source
from evenly.sources.tables import RecordBatchTable, ScalableTable, Table, is_table


def batches_to_scale(
    files: Iterable[FileRef],
    options: ReadOptions,
    dtypes: Mapping[str, str],
    keys: Collection[str] = (),
) -> Iterator[tuple[Any, str | None]]:
    """Yield PyArrow record batches with all columns of tables, and the dtype of their results.

    The dtype is float64 for CSV, whose numbers have no type, and None for the default.

    Parameters
    ----------
    dtypes
        The columns to scale, and the dtypes with which they were fitted. All other columns of
        CSV files are read as text.
    keys
        The columns of group keys, which must be exact.

    Raises
    ------
    SourceError
        If a file does not hold a table.
    """
    opener = FileOpener(options)
    for file in files:
        for opened in opener.open(file):
            for batch, dtype in table_to_scale(opened, dtypes, keys):
                yield add_to_batch(batch, file.partition), dtype


def table_to_scale(
    opened: Table | Source, dtypes: Mapping[str, str], keys: Collection[str] = ()
) -> Iterator[tuple[Any, str | None]]:
    """Yield the record batches of a table in a file, with the dtype of numbers that are text."""
    if isinstance(opened, CsvTable):
        yield from ((batch, "float64") for batch in opened.batches_to_scale(dtypes))
    elif isinstance(opened, RecordBatchTable):
        for batch in _record_batches(opened, dtypes, keys):
            yield validate_arrow(batch, opened.label, SourceError, full=True), None
    else:
        name = opened.label if is_table(opened) else cast(Source, opened).description
        raise SourceError(f"A file must be Parquet, Arrow or CSV, or a database. Received: {name}.")


def _record_batches(
    table: RecordBatchTable, dtypes: Mapping[str, str], keys: Collection[str]
) -> Iterator[Any]:
    if isinstance(table, ScalableTable):
        return table.batches_to_scale(dtypes, keys)
    return table.batches([field.name for field in table.fields])
