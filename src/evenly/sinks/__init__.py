"""Files that rows are written to, part by part: Parquet, Arrow, CSV, NPY.

Tables come as Arrow record batches, arrays as NumPy arrays. A sink takes either, if its
format can hold it, and is not finished before `close`.
"""

import contextlib
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, BinaryIO, Protocol

from evenly.errors import SourceError

SUFFIXES = (".parquet", ".pq", ".arrow", ".feather", ".ipc", ".csv", ".npy")


class Sink(Protocol):
    """Where parts of one table or one array go, in order."""

    def write(self, part: Any) -> None:
        """Append a record batch or an array; all parts have the schema of the first."""

    def close(self) -> None:
        """Write what a format needs at its end."""


def check_suffix(path: str) -> str:
    """Return the suffix of an output file, in small letters.

    Raises
    ------
    SourceError
        When it names no format that can be written.

    >>> check_suffix("flights.Parquet")
    '.parquet'
    """
    suffix = PurePath(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise SourceError(
            f"The output's name must end in one of {' '.join(SUFFIXES)}, which says the format. "
            f"Received: {path!r}."
        )
    return suffix


@contextlib.contextmanager
def open_sink(file: BinaryIO, suffix: str) -> Iterator[Sink]:
    """Yield the sink for a format, and close it; ``suffix`` comes from `check_suffix`.

    After an error it is closed as well, since PyArrow's writers must not outlive the file,
    but what closing then says is not listened to.
    """
    sink = _sink(file, suffix)
    try:
        yield sink
    except BaseException:
        with contextlib.suppress(Exception):
            sink.close()
        raise
    sink.close()


def _sink(file: BinaryIO, suffix: str) -> Sink:
    if suffix == ".npy":
        from evenly.sinks.npy import NpySink

        return NpySink(file)
    from evenly.sinks.tables import TableSink

    return TableSink(file, suffix)
