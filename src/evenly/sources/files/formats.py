"""Detect a file's format by its first bytes, or else by its suffix, and open it."""

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from evenly.errors import SourceError, format_names
from evenly.printable import printable
from evenly.redaction import redact_url
from evenly.sources.arrow_input import checked
from evenly.sources.files import archives, arrow_ipc, npy
from evenly.sources.files.arrow_ipc import IpcFileTable, IpcStreamTable
from evenly.sources.files.csv import CsvTable
from evenly.sources.files.fingerprint import ChangeCheck, Watch
from evenly.sources.files.locate import (
    DATA_SUFFIXES,
    FileList,
    is_store,
    is_url,
    open_file,
    size_of,
    suffixes_of,
)
from evenly.sources.files.mapped_file import CAN_MAP
from evenly.sources.files.parquet import ParquetTable
from evenly.sources.files.partitioned_table import with_partition
from evenly.sources.files.partitions import Partitions
from evenly.sources.files.recordings import recording_error_text, recording_of
from evenly.sources.files.streams import Stream, decompressed
from evenly.sources.options import ReadOptions
from evenly.sources.read_errors import decode_errors, empty_file_error
from evenly.sources.sql import is_database, open_database
from evenly.sources.stores import hdf5, open_store, zarr
from evenly.sources.stores.tables import ArraysTable, RecordsTable
from evenly.sources.tables import Table, is_table

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
    partitions
        The columns in the names of folders.
    """

    def __init__(
        self,
        options: ReadOptions,
        watch: Watch | None = None,
        partitions: Partitions | None = None,
    ) -> None:
        self._options = options
        self._watch = watch
        self._partitions = partitions or Partitions({})
        self._has_warned = False

    def iter_tables(self, paths: Sequence[str]) -> Iterator[Any]:
        """Yield the contents of each file: a `Table`, or a source of arrays."""
        for path in paths:
            for opened in self.open(path):
                yield self._with_partition(opened, path)

    def _with_partition(self, opened: Any, path: str) -> Any:
        """Return a table with the columns of its partition, and other contents unchanged."""
        if not self._partitions or not is_table(opened) or isinstance(opened, _ARRAYS):
            return opened
        own = {field.name for field in opened.fields}
        both = [field.name for field in self._partitions.fields if field.name in own]
        if both and not self._has_warned:
            self._has_warned = True
            _log.warning(
                "%s has the columns %s, which are also in the names of folders; the values in "
                "the files are read.",
                printable(opened.label),
                printable(format_names(both)),
            )
        return with_partition(opened, self._partitions.fields, self._partitions.values(path))

    def open(self, path: str) -> Iterator[Any]:
        """Yield the contents of one file; an archive can hold several tables.

        Raises
        ------
        SourceError
            If the file is missing, empty, or in an unknown format.
        """
        if is_database(path):
            yield open_database(path)
            return
        if self._watch is not None:
            self._watch.open(path)
        with decode_errors(redact_url(path), url=path):
            yield from self._open(path, redact_url(path))

    def _open(self, path: str, label: str) -> Iterator[Any]:
        if is_store(path):
            check = None if is_url(path) else self._change_check(path)
            yield self._open_store(zarr, zarr.open_path(path, label, path), path, None)
            _check(check)
            return
        check = self._change_check(path) if is_url(path) else None
        nbytes = check.size if check else size_of(path)
        if nbytes == 0:
            raise empty_file_error(label)
        raw = open_file(path)
        keep = False
        check = check or self._change_check(path, raw)
        try:
            head = raw.read(12)
            raw.seek(0)
            file_format = "DuckDB" if head[8:] == b"DUCK" else _detect_format(head)
            if file_format == "zip":
                yield from self._open_archive(raw, path, nbytes)
            elif file_format == "HDF5":
                keep = is_url(path)
                yield self._open_store(
                    hdf5, hdf5.open_path(raw if keep else path, label, path), path, nbytes
                )
            elif file_format in _REJECTED:
                raise SourceError(_REJECTED[file_format].format(label))
            elif file_format in ("parquet", "ipc file"):
                keep = is_url(path)
                yield self._open_seekable(file_format, raw, path, nbytes, partial(_check, check))
            elif file_format == "npy" and CAN_MAP and not is_url(path):
                yield npy.open_mapped(raw, self._options, label=label)
            else:
                stream = Stream(raw, label, decompressed(raw, head))
                opened = self._open_stream(stream, path, label, nbytes)
                keep = True  # the stream closes it
                yield opened
            if check is not None:
                check.check(reopened=file_format in ("parquet", "HDF5", "ipc file"))
        finally:
            if not keep:
                raw.close()

    def _change_check(self, path: str, file: Any = None) -> ChangeCheck | None:
        return None if self._watch else ChangeCheck(path, file)

    def _open_seekable(
        self, file_format: str, raw: Any, path: str, nbytes: int | None, check: Callable[[], None]
    ) -> Table:
        file = raw if is_url(path) else path
        if file_format == "parquet":
            return ParquetTable(file, redact_url(path), nbytes, check)
        return IpcFileTable(file, redact_url(path), nbytes)

    def _open_store(self, library: Any, root: Any, path: str, nbytes: int | None) -> Any:
        label = redact_url(path)
        return open_store(library.Store(root, label, path), self._options, nbytes=nbytes)

    def _open_archive(self, raw: Any, path: str, nbytes: int | None) -> Iterator[Any]:
        label = redact_url(path)
        archive = archives.open_archive(raw, label)
        if archives.is_zarr(archive):
            if is_url(path):
                raise SourceError(
                    "A zipped Zarr store must be a local file. "
                    f"Received: {label}. Download it, or unzip it on the remote side."
                )
            yield self._open_store(zarr, zarr.open_path(path, label, path), path, nbytes)
            return
        if archives.is_npz(archive):
            name = archives.selected_array(archive, self._options.select, label)
            stream = archives.member_stream(archive, name, raw, label)
            yield self._open_array(stream, label, nbytes)
            return
        for name, member_label, stream in archives.iter_members(archive, raw, label):
            yield self._open_stream(stream, name, member_label, nbytes)

    def _open_stream(self, stream: Stream, name: str, label: str, nbytes: int | None) -> Any:
        """Return the table or array in a sequential stream: CSV, an Arrow stream or NPY."""
        head = stream.peek(12)
        if not head:
            raise empty_file_error(label)
        file_format = _detect_format(head)
        if file_format == "feather 1":
            raise SourceError(
                f"Feather must be of version 2. Received: {label}, of version 1. "
                "Convert it, with an old pyarrow for example."
            )
        if file_format == "npy":
            return self._open_array(stream, label, nbytes)
        if file_format == "ipc stream":
            return IpcStreamTable(stream, label, nbytes)
        if file_format is not None:
            raise SourceError(
                "Only CSV, NPY and Arrow streams can be read from compressed and zipped files. "
                f"Received: {label}, which is {file_format}. Decompress it first."
            )
        suffix, _ = suffixes_of(name)
        if suffix not in _TEXT:
            raise _unknown_format_error(label, suffix, head)
        return CsvTable(stream, label, nbytes, _TEXT[suffix])

    def _open_array(self, stream: Stream, label: str, nbytes: int | None) -> Any:
        return npy.open_stream(stream, self._options, label=label, nbytes=nbytes)


def tables(paths: Sequence[str], *, numbers: Sequence[str] = ()) -> Iterator[Any]:
    """Yield PyArrow record batches with all columns of files.

    Parameters
    ----------
    numbers
        The columns of CSV files to read as float64; all others are read as text.

    Raises
    ------
    SourceError
        If a file does not hold a table.
    """
    partitions = paths.partitions if isinstance(paths, FileList) else Partitions({})
    opener = FileOpener(ReadOptions())
    for path in paths:
        for table in opener.open(path):
            for batch in _record_batches(table, list(numbers)):
                yield partitions.add_to(batch, path)


def _record_batches(table: Any, numbers: list[str]) -> Iterator[Any]:
    """Yield the record batches of a table in a file."""
    if isinstance(table, CsvTable):
        yield from table.text(numbers)
    elif hasattr(table, "batches"):
        for batch in table.batches([field.name for field in table.fields]):
            yield checked(batch, table.label, SourceError, full=True)
    else:
        name = getattr(table, "description", None) or table.label
        raise SourceError(f"A file must be Parquet, Arrow or CSV. Received: {name}.")


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
