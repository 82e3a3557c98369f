"""Sources into moments: `evenly.fit`."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from evenly import _core
from evenly.block import Block
from evenly.checkpoint import Resumable, open_resumable
from evenly.errors import DataError
from evenly.moments import Moments
from evenly.side_by_side import consume_side_by_side
from evenly.sources import Source, open_source
from evenly.sources.tables import TableSource, Task


@dataclass(slots=True, frozen=True)
class Progress:
    """How far a fit has come.

    Attributes
    ----------
    rows, bytes
        What has been read.
    total_rows, total_bytes
        What there is in all; None when unknown.
    place
        What is being read: a file, ``"batch 3"``.
    """

    rows: int
    total_rows: int | None
    bytes: int
    total_bytes: int | None
    place: str


def fit(
    source: Any,
    *,
    columns: Any = None,
    exclude: Any = (),
    weights: Any = None,
    select: Any = None,
    feature_axis: int = -1,
    infinite: str = "error",
    threads: int | None = None,
    progress: Callable[[Progress], object] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    update: str | os.PathLike[str] | None = None,
) -> Moments:
    """Return the exact moments of every row of a source, read once.

    Parameters
    ----------
    source
        - an array or tensor: NumPy, torch, whatever has ``__array__`` or ``__dlpack__``, a
          list of numbers. One dimension is one column; fields of a structured array are
          named columns.
        - a data frame or series: pandas, polars (lazy too), PyArrow, DuckDB, whatever has
          ``__arrow_c_stream__`` or ``__arrow_c_array__``.
        - a path, a pattern, a folder or an fsspec URL of Parquet, Arrow IPC or Feather, CSV
          (also compressed), NPY or NPZ files, or a list of them. Files are read as a
          stream; of a folder, every file whose suffix names a format.
        - an iterable of any of these: a generator, a PyTorch ``DataLoader``. Each item is
          a batch of rows; one of one dimension is one column. A PyTorch ``Dataset`` is read
          sample by sample, and its samples have no axis of rows.
    columns
        Names or positions of the columns to fit. Without it all numeric columns are
        fitted, booleans as 0 and 1. Timestamps, dates, times and durations are fitted when
        they are named here, as whole numbers of their unit.
    exclude
        Names or positions of the columns not to fit.
    weights
        One finite number a row, 0 or more, as an array over all rows; or the name of the
        column that has them, which is then not fitted. A weight of 2 equals the row twice.
    select
        Which part of each batch: a position of ``(x, y)``, a key of a dict, or a tuple of
        these for nested ones; or the name of the array of an NPZ file. Without it the
        first part of a tuple is fitted, with a remark in the log.
    feature_axis
        The axis of arrays along which their columns lie: 1 for images N×C×H×W.
    infinite
        ``"error"``, or ``"missing"`` to count infinities as missing: choose it when they
        stand for "no value" in your data.
    threads
        How many threads sum. None: as many as ``evenly.threads()`` says. The result is the
        same bits for any number.
    progress
        Called with a `Progress` after each block, by one thread at a time.
    checkpoint
        A path, for files that take long: the sums so far are saved there every few seconds,
        as a statistics file that also says which files are in them, and the same call goes on
        from it after a crash, with the same bits in the end. Files that are new since then
        are fitted; one that has changed or vanished is an error. ``docs/resuming.md``.
    update
        The same, when the source is not all files but those that may be new: choose it for
        the daily job. The result is the moments of all files that ever came this way.

    Raises
    ------
    DataError
        For an infinity, text in a numeric CSV column, lines of unequal length, wrong
        weights, no numeric column, no rows.
    ColumnError
        For unknown columns, and parts whose columns differ.
    SourceError
        For a file that is missing, empty, truncated or of another format; and for one that
        has changed since the checkpoint.
    UnsupportedTypeError
        For what holds no numbers.
    MissingExtraError
        When reading needs a package that is not installed.

    Notes
    -----
    An exception that an iterable raises comes through, with a note that says where. Nothing
    is kept of a fit that fails.

    Examples
    --------
    >>> import numpy as np
    >>> import evenly
    >>> moments = evenly.fit(np.array([[1.0, 10.0], [3.0, np.nan]]))
    >>> moments.mean
    array([ 2., 10.])
    >>> moments == evenly.fit(np.array([[row, 10 / row]]) for row in [1.0]) + evenly.fit(
    ...     [[3.0, np.nan]]
    ... )
    True
    """
    if threads is not None and threads < 1:
        raise DataError(
            f"threads must be 1 or more. Received: {threads}. Leave it away for the usual number."
        )
    options = {
        "columns": columns,
        "exclude": exclude,
        "weights": weights,
        "select": select,
        "feature_axis": feature_axis,
    }
    if checkpoint is not None or update is not None:
        source = open_resumable(source, checkpoint, update, infinite=infinite, **options)
    opened = open_source(source, **options)
    report = _reporter(progress, opened)
    moments = _moments_of(opened, report, infinite, threads)
    if not moments.rows:
        raise DataError(f"At least one row is needed. Received: {opened.description}, with none.")
    return _without_late(moments, opened)


def _moments_of(
    opened: Source, report: Callable[[Block], None], infinite: str, threads: int | None
) -> Moments:
    if isinstance(opened, Resumable):
        return opened.summed(report, threads)
    tasks = opened.tasks() if isinstance(opened, TableSource) else None
    if tasks is None:
        return _summed(opened, report, infinite, threads)
    return _summed_side_by_side(opened, tasks, report, infinite, threads)


def _summed(
    source: Source, report: Callable[[Block], None], infinite: str, threads: int | None
) -> Moments:
    """Return the moments of blocks, one after the other, each summed by all threads."""
    moments = Moments.empty()
    # Closed at once after a failure, so that nothing is read ahead for nobody.
    with closing(source.blocks()) as blocks:
        for block in blocks:
            moments.update(block, infinite=infinite, threads=threads)
            report(block)
            del block  # so that its memory is free when the next one is made
    return moments


def _summed_side_by_side(
    source: Source,
    tasks: Iterator[Task],
    report: Callable[[Block], None],
    infinite: str,
    threads: int | None,
) -> Moments:
    """Return the moments of blocks of some columns each; a thread reads one and sums it."""
    moments = Moments.empty(source.names or 1)  # a table without names is one column

    def take(block: Block) -> None:
        moments.update_some(block, infinite=infinite)
        report(block)

    consume_side_by_side((task.blocks for task in tasks), take, threads or _core.num_threads())
    return moments


def _reporter(
    progress: Callable[[Progress], object] | None, source: Source
) -> Callable[[Block], None]:
    """Return what tells `progress` of each block, one thread at a time."""
    if progress is None:
        return lambda block: None
    done = Progress(0, source.rows, 0, source.nbytes, "")
    lock = threading.Lock()

    def report(block: Block) -> None:
        nonlocal done
        with lock:
            done = _after(done, block)
            progress(done)

    return report


def _after(done: Progress, block: Block) -> Progress:
    return Progress(
        done.rows + (0 if block.first_column else block.rows),
        done.total_rows,
        done.bytes + block.nbytes,
        done.total_bytes,
        block.place,
    )


def _without_late(moments: Moments, source: Source) -> Moments:
    """Return the moments without columns that turned out, late, to hold no numbers.

    Columns do not know of one another, so leaving one out afterwards is exact.
    """
    kept = [name for name in moments.columns or () if name not in source.left_out]
    if moments.columns is not None and not kept:
        raise DataError(
            f"At least one numeric column must be left to fit. Received: {source.description}, "
            "whose columns hold no numbers."
        )
    result = (
        moments
        if moments.columns is None or len(kept) == len(moments.columns)
        else (moments.select(kept))
    )
    result.sources = (source.description,)
    return result
