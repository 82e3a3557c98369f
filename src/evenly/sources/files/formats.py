"""Detect a file's format by its first bytes, or else by its suffix, and open it."""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, cast

from evenly.errors import SourceError, format_names
from evenly.printable import printable
from evenly.sources.arrow_input import checked
from evenly.sources.files import archives, arrow_ipc, npy
from evenly.sources.files.arrow_ipc import IpcFileTable, IpcStreamTable
from evenly.sources.files.csv import CsvTable
from evenly.sources.files.csv_options import check_no_csv
from evenly.sources.files.file_ref import DATA_SUFFIXES, FileRef, suffixes_of
from evenly.sources.files.fingerprint import ChangeCheck, Watch
from evenly.sources.files.locate import open_file
from evenly.sources.files.mapped_file import CAN_MAP
from evenly.sources.files.parquet import ParquetTable
from evenly.sources.files.partitioned_table import with_partition
from evenly.sources.files.partitions import add_to_batch
from evenly.sources.files.recordings import recording_error_text, recording_of
from evenly.sources.files.streams import Stream, decompressed
from evenly.sources.options import ReadOptions
from evenly.sources.read_errors import decode_errors, empty_file_error
from evenly.sources.source import Source
from evenly.sources.sql.database import open_database
from evenly.sources.stores import hdf5, open_store, zarr
from evenly.sources.stores.tables import ArraysTable, RecordsTable
from evenly.sources.tables import RecordBatchTable, ScalableTable, Table, is_table

_log = logging.getLogger("evenly")

_ARRAYS = ArraysTable, RecordsTable

_MAGIC = {
    b"PAR1": "parquet",
    arrow_ipc.FILE_MAGIC: "ipc file",
    arrow_ipc.STREAM_MAGIC: "ipc stream",
    arrow_ipc.OLD_FEATHER_MAGIC: "feather 1",
    npy.MAGIC: "npy",
    archives.MAGIC: "zip",
    archives.EMPTY_MAGIC: "zip",
    hdf5.MAGIC: "HDF5",
    b"CDF": "NetCDF 3",
    b"SQLite f": "SQLite",
}
_BINARY = {
    **dict.fromkeys((".parquet", ".pq"), "Parquet"),
    **dict.fromkeys((".arrow", ".arrows", ".feather", ".ipc"), "Arrow"),
    **dict.fromkeys((".npy",), "NPY"),
    **dict.fromkeys((".npz", ".zip"), "zip"),
    **dict.fromkeys((".h5", ".hdf5", ".nc"), "HDF5"),
}
_REJECTED = {
    "NetCDF 3": (
        "NetCDF must be of version 4, which is HDF5. Received: {}, of version 3. Convert it "
        "(nccopy -k nc4), or open it with xarray and pass the result."
    ),
    "SQLite": (
        "A database source needs a table or a query. Received: {0}, which is SQLite. "
        "Pass the URL sqlite:///{0}?table=NAME."
    ),
    "DuckDB": (
        "A database source needs a table or a query. Received: {0}, which is DuckDB. "
        "Pass the URL duckdb:///{0}?table=NAME."
    ),
}
_TEXT = {".csv": None, ".tsv": "\t", ".tab": "\t", ".txt": None}


class FileOpener:
    """Open files as tables or as sources of arrays, one after the other.

    Parameters
    ----------
    options
        The options of the user. Columns of tables are selected when they are read.
    watch
        Records the state of each file before it is opened, to check for changes later. None:
        each file is checked after it was read.
    """

    def __init__(self, options: ReadOptions, watch: Watch | None = None) -> None:
        self._options = options
        self._watch = watch
        self._has_warned = False

    def iter_tables(self, files: Iterable[FileRef]) -> Iterator[Table | Source]:
        """Yield the contents of each file: a `Table`, or a source of arrays."""
        for file in files:
            for opened in self.open(file):
                yield self._with_partition(opened, file)

    def _with_partition(self, opened: Table | Source, file: FileRef) -> Table | Source:
        """Return a table with the columns of its partition, and other contents unchanged."""
        if not file.partition or not is_table(opened) or isinstance(opened, _ARRAYS):
            return opened
        own = {field.name for field in opened.fields}
        both = [column.name for column in file.partition if column.name in own]
        if both and not self._has_warned:
            self._has_warned = True
            _log.warning(
                "%s has the columns %s, which are also in the names of folders; the values in "
                "the files are read.",
                printable(opened.label),
                printable(format_names(both)),
            )
        return with_partition(opened, file.partition)

    def open(self, file: FileRef) -> Iterator[Table | Source]:
        """Yield the contents of one file; an archive can hold several tables.

        Raises
        ------
        SourceError
            If the file is missing, empty, or in an unknown format.
        """
        if file.kind in ("database", "store"):
            check_no_csv(self._options.csv_format, file.label)
        if file.kind == "database":
            yield open_database(file.path)
            return
        if self._watch is not None:
            self._watch.open(file.path)
        with decode_errors(file.label, url=file.path):
            yield from self._open_store_path(file) if file.kind == "store" else self._open(file)

    def _open_store_path(self, file: FileRef) -> Iterator[Table | Source]:
        check = None if file.is_url else self._change_check(file.path)
        root = zarr.open_path(file.path, file.label, file.path)
        yield self._open_store(zarr, root, file, None)
        _check(check)

    def _open(self, file: FileRef) -> Iterator[Table | Source]:
        check = self._change_check(file.path) if file.is_url else None
        if check is not None and check.size == 0:
            raise empty_file_error(file.label)
        raw = open_file(file.path)
        keep = False
        check = check or self._change_check(file.path, raw)
        try:
            nbytes = check.size if check else self._watched_size(file.path)
            if nbytes == 0:
                raise empty_file_error(file.label)
            head = raw.read(12)
            raw.seek(0)
            file_format = "DuckDB" if head[8:] == b"DUCK" else _detect_format(head)
            if file_format not in (None, "zip"):
                check_no_csv(self._options.csv_format, file.label)
            if file_format == "zip":
                yield from self._open_archive(raw, file, nbytes)
            elif file_format == "HDF5":
                keep = file.is_url
                root = hdf5.open_path(raw if keep else file.path, file.label, file.path)
                yield self._open_store(hdf5, root, file, nbytes)
            elif file_format in _REJECTED:
                raise SourceError(_REJECTED[file_format].format(file.label))
            elif file_format in ("parquet", "ipc file"):
                keep = file.is_url
                yield self._open_seekable(file_format, raw, file, nbytes, partial(_check, check))
            elif file_format == "npy" and CAN_MAP and not file.is_url:
                yield npy.open_mapped(raw, self._options, label=file.label)
            else:
                stream = Stream(raw, file.label, decompressed(raw, head))
                opened = self.open_stream(stream, file.suffix, file.label, nbytes)
                keep = True  # the stream closes it
                yield opened
            if check is not None:
                check.check(reopened=file_format in ("parquet", "HDF5", "ipc file"))
        finally:
            if not keep:
                raw.close()

    def _watched_size(self, path: str) -> int | None:
        """Return the size of a file when the watch recorded it."""
        opened = self._watch and self._watch.opened(path)
        return opened.bytes if opened else None

    def _change_check(self, path: str, file: object = None) -> ChangeCheck | None:
        return None if self._watch else ChangeCheck(path, file)

    def _open_seekable(
        self,
        file_format: str,
        raw: Any,
        file: FileRef,
        nbytes: int | None,
        check: Callable[[], None],
    ) -> Table:
        opened = raw if file.is_url else file.path
        if file_format == "parquet":
            return ParquetTable(opened, file.label, nbytes, check)
        return IpcFileTable(opened, file.label, nbytes)

    def _open_store(
        self, library: Any, root: Any, file: FileRef, nbytes: int | None
    ) -> Table | Source:
        store = library.Store(root, file.label, file.path)
        return open_store(store, self._options, nbytes=nbytes)

    def _open_archive(
        self, raw: Any, file: FileRef, nbytes: int | None
    ) -> Iterator[Table | Source]:
        label = file.label
        archive = archives.open_archive(raw, label)
        if archives.is_zarr(archive):
            if file.is_url:
                raise SourceError(
                    "A zipped Zarr store must be a local file. "
                    f"Received: {label}. Download it, or unzip it on the remote side."
                )
            root = zarr.open_path(file.path, label, file.path)
            yield self._open_store(zarr, root, file, nbytes)
            return
        if archives.is_npz(archive):
            name = archives.selected_array(archive, self._options.select, label)
            stream = archives.member_stream(archive, name, raw, label)
            yield npy.open_stream(stream, self._options, label=label, nbytes=nbytes)
            return
        for name, member_label, stream in archives.iter_members(archive, raw, label):
            yield self.open_stream(stream, suffixes_of(name)[0], member_label, nbytes)

    def open_stream(
        self, stream: Stream, suffix: str, label: str, nbytes: int | None = None
    ) -> Table | Source:
        """Return the table or array in a sequential stream: CSV, an Arrow stream or NPY."""
        head = stream.peek(12)
        if not head:
            raise empty_file_error(label)
        file_format = _detect_format(head)
        if file_format is not None:
            check_no_csv(self._options.csv_format, label)
        if file_format == "feather 1":
            raise SourceError(
                f"Feather must be of version 2. Received: {label}, of version 1. "
                "Convert it, with an old pyarrow for example."
            )
        if file_format == "npy":
            return npy.open_stream(stream, self._options, label=label, nbytes=nbytes)
        if file_format == "ipc stream":
            return IpcStreamTable(stream, label, nbytes)
        if file_format is not None:
            raise SourceError(
                "Only CSV, NPY and Arrow streams can be read from compressed and zipped files. "
                f"Received: {label}, which is {file_format}. Decompress it first."
            )
        if suffix not in _TEXT:
            raise _unknown_format_error(label, suffix, head)
        return CsvTable(stream, label, nbytes, _TEXT[suffix], self._options.csv_format)


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
            yield checked(batch, opened.label, SourceError, full=True), None
    else:
        name = opened.label if is_table(opened) else cast(Source, opened).description
        raise SourceError(f"A file must be Parquet, Arrow or CSV, or a database. Received: {name}.")


def _record_batches(
    table: RecordBatchTable, dtypes: Mapping[str, str], keys: Collection[str]
) -> Iterator[Any]:
    if isinstance(table, ScalableTable):
        return table.batches_to_scale(dtypes, keys)
    return table.batches([field.name for field in table.fields])


def _check(check: ChangeCheck | None) -> None:
    """Check that a file or store that a library opens by its path has not changed."""
    if check is not None:
        check.check(reopened=True)


def _detect_format(head: bytes) -> str | None:
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


def _unknown_format_error(label: str, suffix: str, head: bytes) -> SourceError:
    found = recording_of(head)
    if found:
        return SourceError(recording_error_text(label, found))
    head = head[:8]
    if suffix in _BINARY:
        return SourceError(
            f"A {suffix} file must be {_BINARY[suffix]}. Received: {label}, which begins with "
            f"{head!r}. It is corrupt, or in another format: give it the right suffix."
        )
    return SourceError(
        f"A file must be in a known format: {' '.join(DATA_SUFFIXES)} (CSV also .gz, .bz2, .xz, "
        f".zst). Received: {label}, which begins with {head!r}."
    )
