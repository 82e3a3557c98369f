"""A progress bar for the terminal: rows, bytes and the remaining time."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from evenly.progress import Progress


class ProgressBar:
    """A progress bar on a terminal, for the ``progress=`` argument of `evenly.fit`.

    If the stream is not a terminal, nothing is printed or imported. The bar is removed at the
    end.

    Parameters
    ----------
    stream
        Output stream, normally stderr.
    quiet
        Print nothing on a terminal either.
    clock
        Function that returns seconds, such as `time.monotonic`.

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
        self._enabled = stream.isatty() and not quiet
        self._clock = clock
        self._bar: Bar | None = None

    def __enter__(self) -> "ProgressBar":
        """Start the bar."""
        if self._enabled:
            self._bar = _make_bar(self._stream, self._clock)
            self._bar.add_task("", total=None, amount="opening")
            self._bar.start()
        return self

    def __call__(self, progress: "Progress") -> None:
        """Update the bar from the bytes read, or from the rows if no size is known."""
        if self._bar is not None:
            completed = progress.bytes if progress.total_bytes else progress.rows
            self._bar.update(
                self._bar.task_ids[0],
                completed=completed,
                total=progress.total_bytes or progress.total_rows,
                amount=_format_amount(progress.rows, progress.bytes),
            )

    def __exit__(self, *_: object) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()


def _make_bar(stream: TextIO, clock: Callable[[], float]) -> "Bar":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        BarColumn(),
        TextColumn("{task.fields[amount]}"),
        TimeRemainingColumn(),
        console=Console(file=stream),
        get_time=clock,
        transient=True,
    )


def _format_amount(rows: int, nbytes: int) -> str:
    """Return the rows and bytes read as text.

    >>> _format_amount(336776, 31053850)
    '336,776 rows, 31.1 MB'
    """
    return f"{rows:,} rows, {_format_size(nbytes)}"


def _format_size(nbytes: float) -> str:
    """Return a size with a decimal unit.

    >>> _format_size(999), _format_size(2_000), _format_size(5.2e13)
    ('999 bytes', '2.0 kB', '52.0 TB')
    """
    if nbytes < 1000:
        return f"{nbytes:.0f} bytes"
    for unit in ("kB", "MB", "GB"):
        nbytes /= 1000
        if nbytes < 999.95:
            return f"{nbytes:.1f} {unit}"
    return f"{nbytes / 1000:.1f} TB"
