"""Read Arrow IPC files, also called Feather files, and IPC streams with PyArrow."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from evenly import extras
from evenly.errors import SourceError
from evenly.sources.arrow_input import open_arrow_stream, schema_of
from evenly.sources.arrow_schema import fields_of
from evenly.sources.files.arrow_messages import FileCheck, StreamCheck
from evenly.sources.files.streams import Stream
from evenly.sources.frames import stream_column_batches
from evenly.sources.prefetch import read_ahead
from evenly.sources.read_errors import decode_errors
from evenly.sources.table_pieces import split_large
from evenly.sources.tables import ColumnBatch

if TYPE_CHECKING:
    import pyarrow


FILE_MAGIC = b"ARROW1"
STREAM_MAGIC = b"\xff\xff\xff\xff"
OLD_FEATHER_MAGIC = b"FEA1"


class IpcFileTable:
    """A table in an IPC file, which must be seekable because its footer locates the batches.

    Batches are read into memory one at a time, with only the requested columns. They are not
    memory-mapped: offsets and indices must stay as they were checked until they have been used,
    even if the file changes meanwhile.

    Parameters
    ----------
    file
        A local path, or an open file.
    label
        The name of the file, for messages.
    """

    def __init__(self, file: str | BinaryIO, label: str, nbytes: int | None) -> None:
        self.label = label
        self.nbytes = nbytes
        self.rows: int | None = None
        self._file = file
        self._ipc = extras.require("pyarrow.ipc", extra="files", feature="Reading Arrow files")
        with self._open(None) as (reader, check):
            check.check_dictionaries()
            schema = reader.schema
            self._count = reader.num_record_batches
        self.fields = fields_of(schema_of(schema, label, SourceError), label, SourceError)
        self._indices = {name: index for index, name in enumerate(schema.names)}

    @contextmanager
    def _open(self, names: list[str] | None) -> Iterator[tuple[Any, FileCheck]]:
        """Open a PyArrow reader of some or all columns, and a check of its batches."""
        import pyarrow

        fields = None if names is None else [self._indices[name] for name in names]
        options = self._ipc.IpcReadOptions(included_fields=fields)
        local = isinstance(self._file, str)
        with decode_errors(self.label), ExitStack() as stack:
            file = stack.enter_context(pyarrow.OSFile(self._file)) if local else self._file
            yield self._ipc.open_file(file, options=options), FileCheck(file, self.label)

    def column_batches(
        self, names: tuple[str, ...], keys: tuple[str, ...] = ()
    ) -> Iterator[ColumnBatch]:
        """Yield the batches; large ones are split."""
        for number, batch in enumerate(read_ahead(self.batches([*names, *keys]))):
            total = self.nbytes or 0
            nbytes = total * (number + 1) // self._count - total * number // self._count
            for columns in _columns(batch, names, keys, self.label):
                yield from (ColumnBatch(*piece) for piece in split_large(columns, nbytes))
                del columns
            del batch  # before the next one is decoded

    def batches(self, names: list[str]) -> "Iterator[pyarrow.RecordBatch]":
        """Yield PyArrow record batches."""
        with self._open(names) as (reader, check):
            for number in range(reader.num_record_batches):
                check.check_batch(number)
                yield reader.get_batch(number).select(names)


class IpcStreamTable:
    """A table in an IPC stream, which is read sequentially."""

    def __init__(self, stream: Stream, label: str, nbytes: int | None) -> None:
        ipc = extras.require("pyarrow.ipc", extra="files", feature="Reading Arrow streams")
        self.label = label
        self.nbytes = nbytes
        self.rows: int | None = None
        self._stream = stream
        with decode_errors(label):
            self._reader = ipc.open_stream(_Readable(stream, label))
            self.fields = fields_of(
                schema_of(self._reader.schema, label, SourceError), label, SourceError
            )

    def column_batches(
        self, names: tuple[str, ...], keys: tuple[str, ...] = ()
    ) -> Iterator[ColumnBatch]:
        """Yield the batches."""
        with decode_errors(self.label):
            for batch in read_ahead(self.batches([*names, *keys])):
                for columns in _columns(batch, names, keys, self.label):
                    yield ColumnBatch(columns, self._stream.progress())

    def batches(self, names: list[str]) -> "Iterator[pyarrow.RecordBatch]":
        """Yield PyArrow record batches."""
        with decode_errors(self.label):
            for batch in self._reader:
                yield batch.select(names)


def _columns(
    batch: object, names: tuple[str, ...], keys: tuple[str, ...], label: str
) -> Iterator[tuple[Any, ...]]:
    """Yield the named columns of a PyArrow record batch after validating it."""
    stream = open_arrow_stream(batch, label, SourceError)
    for columns, _ in stream_column_batches(stream, names, label, SourceError, keys):
        yield columns


class _Readable:
    """A file object for PyArrow that reads a `Stream` and checks its messages."""

    closed = False

    def __init__(self, stream: Stream, label: str) -> None:
        self._stream = stream
        self._check = StreamCheck(label)

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._check.check_next(data)
        return data

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True
