"""Output files, written batch by batch: Parquet, Arrow, CSV, NPY.

Tables are written as Arrow record batches, arrays as NumPy arrays. A sink accepts either, if its
format can represent it; the file is complete after `close`.
"""

import contextlib
from collections.abc import Collection, Iterator
from pathlib import PurePath
from typing import BinaryIO, Protocol

from evenly.errors import SourceError

SUFFIXES = (".parquet", ".pq", ".arrow", ".arrows", ".feather", ".ipc", ".csv", ".npy")


class Sink(Protocol):
    """A file that receives the batches of one table or array, in order."""

    def write(self, batch: object) -> None:
        """Append a record batch or an array with the schema of the first one."""

    def close(self) -> None:
        """Write the end of the file, such as a footer."""


def check_suffix(path: str) -> str:
    """Return the suffix of an output file, in lower case.

    Raises
    ------
    SourceError
        When it is not the suffix of a format that can be written.

    >>> check_suffix("flights.Parquet")
    '.parquet'
    """
    suffix = PurePath(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise SourceError(
            f"The output path must end in one of {' '.join(SUFFIXES)}, which determines the "
            f"format. Received: {path!r}."
        )
    return suffix


@contextlib.contextmanager
def open_sink(
    file: BinaryIO, suffix: str, *, header: bool = True, rounded: Collection[str] = ()
) -> Iterator[Sink]:
    """Yield the sink for a suffix from `check_suffix`, and close it at the end.

    A CSV file begins with the names of its columns if ``header`` is true. The floats of the
    columns ``rounded`` may be rounded to the type that they have in the first batch.

    The sink is closed after an error as well, since PyArrow's writers must not outlive the file;
    then errors of closing are suppressed.
    """
    sink = _make_sink(file, suffix, header, rounded)
    try:
        yield sink
    except BaseException:
        with contextlib.suppress(Exception):
            sink.close()
        raise
    sink.close()


def _make_sink(file: BinaryIO, suffix: str, header: bool, rounded: Collection[str]) -> Sink:
    if suffix == ".npy":
        from evenly.sinks.npy import NpySink

        return NpySink(file)
    from evenly.sinks.tables import TableSink

    return TableSink(file, suffix, header=header, rounded=rounded)
