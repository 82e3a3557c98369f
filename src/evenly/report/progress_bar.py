"""Rows, bytes and the time left, for whoever watches a terminal."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from evenly.progress import Progress


class ProgressBar:
    """A line on a terminal that shows how far a pass over data has come.

    It is silent, and imports nothing, when the stream is no terminal. The line is gone
    when the work has ended. It is what `evenly.fit` takes as ``progress=``.

    Parameters
    ----------
    stream
        Where to: stderr.
    quiet
        Say nothing on a terminal either.
    clock
        Seconds, as `time.monotonic` gives them.

    Examples
    --------
    >>> import io
    >>> import evenly
    >>> with ProgressBar(io.StringIO()) as progress:
    ...     moments = evenly.fit([[1.0], [2.0]], progress=progress)
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        quiet: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._shown = stream.isatty() and not quiet
        self._clock = clock
        self._bar: Bar | None = None

    def __enter__(self) -> "ProgressBar":
        """Draw the line."""
        if self._shown:
            self._bar = _bar(self._stream, self._clock)
            self._bar.add_task("", total=None, seen="opening")
            self._bar.start()
        return self

    def __call__(self, done: "Progress") -> None:
        """Say how far it is: by the bytes, or the rows when only they are known."""
        if self._bar is not None:
            follows = done.bytes if done.total_bytes else done.rows
            self._bar.update(
                self._bar.task_ids[0],
                completed=follows,
                total=done.total_bytes or done.total_rows,
                seen=_seen(done.rows, done.bytes),
            )

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
