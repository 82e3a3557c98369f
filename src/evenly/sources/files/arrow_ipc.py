"""Arrow IPC files (Feather is their other name) and streams, by PyArrow."""

import mmap
from collections.abc import Iterator
from typing import Any, BinaryIO

from evenly import extras
from evenly.errors import SourceError
from evenly.sources.arrow import fields_of
from evenly.sources.arrow_input import open_stream, schema_of
from evenly.sources.files.streams import Stream
from evenly.sources.frames import stream_pieces
from evenly.sources.prefetch import read_ahead
from evenly.sources.reading import reading
from evenly.sources.tables import Piece, slices

FILE_MAGIC = b"ARROW1"
STREAM_MAGIC = b"\xff\xff\xff\xff"
OLD_FEATHER_MAGIC = b"FEA1"


class IpcFileTable:
    """An IPC file: its batches are found by the footer, so it must be seekable.

    On this machine it is mapped into memory: batches that are not compressed are used
    where they lie, however large, and their pages are given back as soon as they are read.
    """

    def __init__(self, file: BinaryIO, place: str, nbytes: int | None, local: bool) -> None:
        self.place = place
        self.nbytes = nbytes
        self.rows: int | None = None
        self._file = file
        self._ipc = extras.require("pyarrow.ipc", extra="files", feature="Reading Arrow files")
        self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if local else None
        with reading(place):
            schema = self._open(None).schema
            self._count = self._open(None).num_record_batches
            self.fields = fields_of(schema_of(schema), place, SourceError)
            self._places = {name: index for index, name in enumerate(schema.names)}

    def _open(self, names: list[str] | None) -> Any:
        """Return PyArrow's reader of these columns; None for all, which copies none of them."""
        import pyarrow

        fields = None if names is None else [self._places[name] for name in names]
        options = self._ipc.IpcReadOptions(included_fields=fields)
        data = self._file if self._map is None else pyarrow.py_buffer(self._map)
        return self._ipc.open_file(data, options=options)

    def pieces(self, names: tuple[str, ...]) -> Iterator[Piece]:
        """Yield the batches, cut where they are large."""
        with reading(self.place):
            for number, batch in enumerate(read_ahead(self.batches(list(names)))):
                total = self.nbytes or 0
                share = total * (number + 1) // self._count - total * number // self._count
                for columns in _columns(batch, names, self.place):
                    for part in slices(columns, share):
                        yield Piece(*part)
                        self._give_back()

    def batches(self, names: list[str]) -> Iterator[Any]:
        """Yield PyArrow's record batches."""
        with reading(self.place):
            reader = self._open(None if self._used_in_place() else names)
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number).select(names)

    def _used_in_place(self) -> bool:
        """Whether batches are not compressed: columns that nobody looks at then cost nothing.

        PyArrow copies the columns of a projection. It does not say whether a file is
        compressed; but a compressed batch takes memory.
        """
        import pyarrow

        if self._map is None or not self._count:
            return False
        before = pyarrow.total_allocated_bytes()
        batch = self._open(None).get_batch(0)
        # Not nbytes, which follows the offsets of texts: nobody has checked them yet.
        size = batch.get_total_buffer_size()
        return bool(pyarrow.total_allocated_bytes() - before < size // 2)

    def _give_back(self) -> None:
        """Let go of the pages read: they stay in the system's cache, not in our memory."""
        if self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)


class IpcStreamTable:
    """An IPC stream: batches as they come, from anything that can be read."""

    def __init__(self, stream: Stream, place: str, nbytes: int | None) -> None:
        ipc = extras.require("pyarrow.ipc", extra="files", feature="Reading Arrow streams")
        self.place = place
        self.nbytes = nbytes
        self.rows: int | None = None
        self._stream = stream
        with reading(place):
            self._reader = ipc.open_stream(_Readable(stream))
            self.fields = fields_of(schema_of(self._reader.schema), place, SourceError)

    def pieces(self, names: tuple[str, ...]) -> Iterator[Piece]:
        """Yield the batches."""
        with reading(self.place):
            for batch in read_ahead(self.batches(list(names))):
                for columns in _columns(batch, names, self.place):
                    yield Piece(columns, self._stream.progress())

    def batches(self, names: list[str]) -> Iterator[Any]:
        """Yield PyArrow's record batches."""
        with reading(self.place):
            for batch in self._reader:
                yield batch.select(names)


def _columns(batch: Any, names: tuple[str, ...], place: str) -> Iterator[tuple[Any, ...]]:
    """Yield the named columns of PyArrow's record batch, after checking it."""
    stream = open_stream(batch, place, SourceError)
    for columns, _ in stream_pieces(stream, names, place, SourceError):
        yield columns


class _Readable:
    """A `Stream` as PyArrow wants to see a file."""

    closed = False

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        return self._stream.read(size)

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True
