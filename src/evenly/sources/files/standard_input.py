"""Read a table or an array from a pipe, such as standard input."""

import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from typing import Any, BinaryIO

from evenly.sources.files.arrow_ipc import IpcFileTable
from evenly.sources.files.batches_to_scale import table_to_scale
from evenly.sources.files.csv_options import check_no_csv
from evenly.sources.files.file_opener import FileOpener
from evenly.sources.files.formats import HEAD_BYTES, detect_format
from evenly.sources.files.parquet import ParquetTable
from evenly.sources.files.streams import Stream, decompressed
from evenly.sources.opener import SourceOpener
from evenly.sources.options import ReadOptions
from evenly.sources.read_errors import decode_errors
from evenly.sources.source import Source
from evenly.sources.tables import Table
from evenly.system.stream_errors import stream_errors, temporary_write_errors

LABEL = "standard input"
_SUFFIXES = {"npy": ".npy", "parquet": ".parquet", "ipc file": ".arrows", "ipc stream": ".arrows"}
"""The suffixes of files of the formats that are recognized by their first bytes."""


class Pipe:
    """A binary file that is read once, from its start to its end.

    Parameters
    ----------
    file
        The file, which need not be seekable.
    suffix
        The suffix of files of its format, such as ``".csv"``. Formats that can be recognized by
        their first bytes take precedence, as in files.
    """

    def __init__(self, file: BinaryIO, suffix: str = ".csv") -> None:
        self.suffix = suffix
        self._file = file
        self.head = self._read(HEAD_BYTES)
        self.format = detect_format(self.head)
        self._rest = self.head
        self._position = 0
        self._spooled: BinaryIO | None = None

    @property
    def is_array(self) -> bool:
        """Whether it holds an NPY array."""
        return self.format == "npy"

    @property
    def format_suffix(self) -> str:
        """The suffix of files of the format that it has."""
        return _SUFFIXES.get(self.format or "", self.suffix)

    def read(self, size: int = -1) -> bytes:
        """Return at most ``size`` bytes, and all that remain for -1."""
        if not self._rest:
            data = self._read(size)
        elif size < 0:
            data, self._rest = self._rest + self._read(), b""
        else:
            data, self._rest = self._rest[:size], self._rest[size:]
        self._position += len(data)
        return data

    def _read(self, size: int = -1) -> bytes:
        with stream_errors(f"read {LABEL}"):
            return self._file.read(size)

    def tell(self) -> int:
        """Return the number of bytes read."""
        return self._position

    def readable(self) -> bool:
        """Return True."""
        return True

    def spool(self) -> BinaryIO:
        """Return the content as a temporary file, which is seekable; `close` closes it."""
        self._spooled = tempfile.TemporaryFile(prefix="evenly-")  # noqa: SIM115
        with temporary_write_errors():
            shutil.copyfileobj(self, self._spooled)
        self._spooled.seek(0)
        return self._spooled

    def close(self) -> None:
        """Close the temporary file; the pipe itself belongs to the process."""
        if self._spooled is not None:
            self._spooled.close()


def open_pipe(x: Pipe, _: str, opener: SourceOpener) -> Source:
    """Open a pipe as a source."""
    return opener.as_source(_open(x, opener.options))


def pipe_to_scale(
    pipe: Pipe, options: ReadOptions, dtypes: Mapping[str, str], keys: Collection[str] = ()
) -> Iterator[tuple[Any, str | None]]:
    """Yield the record batches of a table in a pipe; see `batches_to_scale`."""
    with decode_errors(LABEL):
        yield from table_to_scale(_open(pipe, options), dtypes, keys)


def _open(pipe: Pipe, options: ReadOptions) -> Table | Source:
    """Return the table or array in a pipe; a format that needs seeking is spooled to a file.

    Raises
    ------
    SourceError
        If it is empty, or in a format that is not a table or array of one file.
    DataError
        If there are options for CSV, and it is in another format.
    """
    if pipe.format in ("parquet", "ipc file"):
        check_no_csv(options.csv_format, LABEL)
        file, size = pipe.spool(), pipe.tell()
        return (ParquetTable if pipe.format == "parquet" else IpcFileTable)(file, LABEL, size)
    with decode_errors(LABEL):
        stream = Stream(pipe, LABEL, decompressed(pipe, pipe.head))  # type: ignore[arg-type]
        return FileOpener(options).open_stream(stream, pipe.suffix, LABEL)
