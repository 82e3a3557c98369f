"""Open files as tables or as sources of arrays, by their formats."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any, BinaryIO, NamedTuple

from evenly.errors import SourceError, format_names
from evenly.printable import printable
from evenly.sources.files import archives, npy
from evenly.sources.files.arrow_ipc import IpcFileTable, IpcStreamTable
from evenly.sources.files.csv import CsvTable
from evenly.sources.files.csv_options import check_no_csv
from evenly.sources.files.file_ref import FileRef, suffixes_of
from evenly.sources.files.filesystems import open_file
from evenly.sources.files.fingerprint import ChangeCheck, Watch
from evenly.sources.files.formats import (
    HEAD_BYTES,
    TEXT_DELIMITERS,
    check_not_rejected,
    detect_format,
    unknown_format_error,
)
from evenly.sources.files.mapped_file import CAN_MAP
from evenly.sources.files.parquet import ParquetTable
from evenly.sources.files.partitioned_table import with_partition
from evenly.sources.files.streams import Stream, decompressed
from evenly.sources.options import ReadOptions
from evenly.sources.read_errors import decode_errors, empty_file_error
from evenly.sources.source import Source
from evenly.sources.sql.database import open_database
from evenly.sources.stores import hdf5, open_store, zarr
from evenly.sources.stores.tables import ArraysTable, RecordsTable
from evenly.sources.tables import Table, is_table

_log = logging.getLogger("evenly")

_ARRAYS = ArraysTable, RecordsTable

_SEEKABLE = ("parquet", "HDF5", "ipc file")
"""Formats whose libraries seek, and open a local file by its path."""


class _OpenFile(NamedTuple):
    """A file that was opened.

    Attributes
    ----------
    file
        Its path or URL, and what the scan knows of it.
    raw
        The open file, as stored.
    head
        Its first bytes.
    format
        Its format; see `evenly.sources.files.formats.detect_format`.
    nbytes
        Its size; None if unknown.
    check
        Checks that it has not changed; None if a `Watch` does that.
    """

    file: FileRef
    raw: BinaryIO
    head: bytes
    format: str | None
    nbytes: int | None
    check: ChangeCheck | None

    @property
    def path_or_file(self) -> str | BinaryIO:
        """What libraries that seek open: the path of a local file, or a remote file."""
        return self.raw if self.file.is_url else self.file.path

    @property
    def is_mapped(self) -> bool:
        """Whether it is memory-mapped."""
        return self.format == "npy" and CAN_MAP and not self.file.is_url

    @property
    def is_read_later(self) -> bool:
        """Whether its contents are read from the open file after it was opened, and close it."""
        if self.format == "zip" or self.is_mapped:
            return False
        return self.file.is_url or self.format not in _SEEKABLE


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
            yield from self._open_folder(file) if file.kind == "store" else self._open(file)

    def _open_folder(self, file: FileRef) -> Iterator[Table | Source]:
        """Yield the contents of a Zarr store in a folder or at a URL."""
        check = None if file.is_url else self._change_check(file.path)
        yield self._open_store(zarr, zarr.open_path(file.path, file.label), file, None)
        _check(check)

    def _open(self, file: FileRef) -> Iterator[Table | Source]:
        # A remote file is checked before it is opened, since empty ones cannot be.
        check = self._change_check(file.path) if file.is_url else None
        if check is not None and check.size == 0:
            raise empty_file_error(file.label)
        with ExitStack() as stack:
            raw = open_file(file.path)
            stack.callback(raw.close)
            opened = self._detect(raw, file, check or self._change_check(file.path, raw))
            for contents in self._contents(opened):
                if opened.is_read_later:
                    stack.pop_all()
                yield contents
            if opened.check is not None:
                opened.check.check(reopened=opened.format in _SEEKABLE)

    def _detect(self, raw: Any, file: FileRef, check: ChangeCheck | None) -> _OpenFile:
        """Return an open file with its format.

        Raises
        ------
        SourceError
            If it is empty, or in a format that is not read.
        DataError
            If there are options for CSV, and it is in another format.
        """
        nbytes = check.size if check else self._watched_size(file.path)
        if nbytes == 0:
            raise empty_file_error(file.label)
        head = raw.read(HEAD_BYTES)
        raw.seek(0)
        file_format = detect_format(head)
        if file_format not in (None, "zip"):
            check_no_csv(self._options.csv_format, file.label)
        check_not_rejected(file_format, file.label)
        return _OpenFile(file, raw, head, file_format, nbytes, check)

    def _contents(self, x: _OpenFile) -> Iterator[Table | Source]:
        """Yield the contents of an open file by its format."""
        label = x.file.label
        if x.format == "zip":
            yield from self._open_archive(x)
        elif x.format == "HDF5":
            root = hdf5.open_path(x.path_or_file, label, x.file.path)
            yield self._open_store(hdf5, root, x.file, x.nbytes)
        elif x.format == "parquet":
            yield ParquetTable(x.path_or_file, label, x.nbytes, partial(_check, x.check))
        elif x.format == "ipc file":
            yield IpcFileTable(x.path_or_file, label, x.nbytes)
        elif x.is_mapped:
            self._options.check_no_select(label)
            yield npy.open_mapped(x.raw, self._options, label=label)
        else:
            stream = Stream(x.raw, label, decompressed(x.raw, x.head))
            yield self.open_stream(stream, x.file.suffix, label, x.nbytes)

    def _watched_size(self, path: str) -> int | None:
        """Return the size of a file when the watch recorded it."""
        opened = self._watch and self._watch.opened(path)
        return opened.bytes if opened else None

    def _change_check(self, path: str, file: object = None) -> ChangeCheck | None:
        return None if self._watch else ChangeCheck(path, file)

    def _open_store(
        self, library: Any, root: Any, file: FileRef, nbytes: int | None
    ) -> Table | Source:
        store = library.Store(root, file.label, file.path)
        return open_store(store, self._options, nbytes=nbytes)

    def _open_archive(self, x: _OpenFile) -> Iterator[Table | Source]:
        """Yield the contents of a zip archive: a Zarr store, an NPZ file, or its data files."""
        label = x.file.label
        archive = archives.open_archive(x.raw, label)
        if archives.is_zarr(archive):
            check_no_csv(self._options.csv_format, label)
            if x.file.is_url:
                raise SourceError(
                    "A zipped Zarr store must be a local file. "
                    f"Received: {label}. Download it, or unzip it on the remote side."
                )
            yield self._open_store(zarr, zarr.open_path(x.file.path, label), x.file, x.nbytes)
        elif archives.is_npz(archive):
            check_no_csv(self._options.csv_format, label)
            name = archives.selected_array(archive, self._options.select, label)
            stream = archives.member_stream(archive, name, x.raw, label)
            yield npy.open_stream(stream, self._options, label=label, nbytes=x.nbytes)
        else:
            for name, member_label, stream in archives.iter_members(archive, x.raw, label):
                yield self.open_stream(stream, suffixes_of(name)[0], member_label, x.nbytes)

    def open_stream(
        self, stream: Stream, suffix: str, label: str, nbytes: int | None = None
    ) -> Table | Source:
        """Return the table or array in a sequential stream: CSV, an Arrow stream or NPY."""
        head = stream.peek(HEAD_BYTES)
        if not head:
            raise empty_file_error(label)
        file_format = detect_format(head)
        if file_format is not None:
            check_no_csv(self._options.csv_format, label)
        if file_format == "feather 1":
            raise SourceError(
                f"Feather must be of version 2. Received: {label}, of version 1. "
                "Convert it, with an old pyarrow for example."
            )
        if file_format == "npy":
            self._options.check_no_select(label)
            return npy.open_stream(stream, self._options, label=label, nbytes=nbytes)
        if file_format == "ipc stream":
            return IpcStreamTable(stream, label, nbytes)
        if file_format is not None:
            raise SourceError(
                "Only CSV, NPY and Arrow streams can be read from compressed and zipped files. "
                f"Received: {label}, which is {file_format}. Decompress it first."
            )
        if suffix not in TEXT_DELIMITERS:
            raise unknown_format_error(label, suffix, head)
        return CsvTable(stream, label, nbytes, TEXT_DELIMITERS[suffix], self._options.csv_format)


def _check(check: ChangeCheck | None) -> None:
    """Check that a file or store that a library opens by its path has not changed."""
    if check is not None:
        check.check(reopened=True)
