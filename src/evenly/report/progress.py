"""Rows, bytes and the time left, for whoever watches a terminal."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as Bar


class Progress:
    """A line on a terminal that shows how far a pass over data has come.

    It is silent, and imports nothing, when the stream is no terminal. The line is gone
    when the work has ended.

    Parameters
    ----------
    stream
        Where to: stderr.
    rows, nbytes
        What there is in all; None when the source does not know. The bar follows the
        bytes, or the rows when only they are known.
    quiet
        Say nothing on a terminal either.
    clock
        Seconds, as `time.monotonic` gives them.

    Examples
    --------
    >>> import io
    >>> with Progress(io.StringIO(), rows=1_000) as progress:
    ...     progress(500, 4_000)
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        rows: int | None = None,
        nbytes: int | None = None,
        quiet: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._shown = stream.isatty() and not quiet
        self._rows = rows
        self._nbytes = nbytes
        self._clock = clock
        self._bar: Bar | None = None

    def __enter__(self) -> "Progress":
        """Draw the line."""
        if self._shown:
            self._bar = _bar(self._stream, self._clock)
            self._bar.add_task("", total=self._nbytes or self._rows, seen=_seen(0, 0))
            self._bar.start()
        return self

    def __call__(self, rows: int, nbytes: int) -> None:
        """Say how many rows and bytes have been read so far."""
        if self._bar is not None:
            done = nbytes if self._nbytes else rows
            task = self._bar.task_ids[0]
            self._bar.update(task, completed=done, seen=_seen(rows, nbytes))

    def __exit__(self, *_: object) -> None:
        """Take the line away."""
        if self._bar is not None:
            self._bar.stop()


def _bar(stream: TextIO, clock: Callable[[], float]) -> "Bar":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        BarColumn(),
        TextColumn("{task.fields[seen]}"),
        TimeRemainingColumn(),
        console=Console(file=stream),
        get_time=clock,
        transient=True,
    )


def _seen(rows: int, nbytes: int) -> str:
    """Return what was read, in words.

    >>> _seen(336776, 31053850)
    '336,776 rows, 31.1 MB'
    """
    return f"{rows:,} rows, {_size(nbytes)}"


def _size(nbytes: float) -> str:
    """Return a size as people say it.

    >>> _size(999), _size(2_000), _size(5.2e13)
    ('999 bytes', '2.0 kB', '52.0 TB')
    """
    if nbytes < 1000:
        return f"{nbytes:.0f} bytes"
    for unit in ("kB", "MB", "GB"):
        nbytes /= 1000
        if nbytes < 999.95:
            return f"{nbytes:.1f} {unit}"
    return f"{nbytes / 1000:.1f} TB"
