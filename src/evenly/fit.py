"""Sources into moments: `evenly.fit`."""

import logging
from collections.abc import Callable
from typing import Any, TypedDict, Unpack, overload

from evenly.dispatch import engine_of
from evenly.engines.options import FitOptions, check_distributable
from evenly.errors import DataError, without_context
from evenly.fitting.resume import open_resumed
from evenly.fitting.resumed_images import ResumedImageSource
from evenly.fitting.run import finalize, run_fit
from evenly.moments import GroupedMoments, Moments
from evenly.printable import printable
from evenly.progress import Progress
from evenly.sources import open_source
from evenly.sources.images import ImageSource
from evenly.typing import Broken, Columns, GroupBy, ImageMode, Infinite, Path

_log = logging.getLogger("evenly")


class FitKeywords(TypedDict, total=False):
    """Keyword arguments of `fit` apart from ``by``; see there."""

    columns: Columns | None
    exclude: Columns
    weights: object
    select: object
    feature_axis: int
    infinite: Infinite
    mode: ImageMode
    broken: Broken
    threads: int | None
    progress: Callable[[Progress], object] | None
    checkpoint: Path | None
    update: Path | None


@overload
def fit(source: object, *, by: None = None, **options: Unpack[FitKeywords]) -> Moments: ...
@overload
def fit(source: object, *, by: GroupBy, **options: Unpack[FitKeywords]) -> GroupedMoments: ...
@without_context()
def fit(
    source: object,
    *,
    columns: Columns | None = None,
    exclude: Columns = (),
    weights: object = None,
    select: object = None,
    feature_axis: int = -1,
    infinite: Infinite = "error",
    mode: ImageMode = "RGB",
    broken: Broken = "skip",
    threads: int | None = None,
    progress: Callable[[Progress], object] | None = None,
    by: GroupBy | None = None,
    checkpoint: Path | None = None,
    update: Path | None = None,
) -> Moments | GroupedMoments:
    """Return the exact moments of every row of a source, read once.

    Parameters
    ----------
    source
        - an array or tensor: NumPy, torch, whatever has ``__array__`` or ``__dlpack__``, a
          list of numbers. One dimension is one column; fields of a structured array are
          named columns.
        - a data frame or series: pandas, polars (lazy too), PyArrow, DuckDB, whatever has
          ``__arrow_c_stream__`` or ``__arrow_c_array__``; a Hugging Face data set, a record
          batch reader, an Arrow Flight stream, an ADBC cursor.
        - an array or a group of Zarr, h5py or xarray, read along its chunks.
        - a path, a pattern, a folder or an fsspec URL of Parquet, Arrow IPC or Feather, CSV
          (also compressed), NPY, NPZ, HDF5 or Zarr, or a list of them. Files are read as a
          stream; of a folder, every file whose suffix names a format.
        - images: files, folders, patterns, zip and tar archives of JPEG, PNG, WebP, TIFF, BMP
          and GIF, or Pillow's own. A row is a pixel, in columns red, green and blue.
        - the URL of a table or a query: ``"duckdb:///x.db?table=t"``, also ``sqlite`` and
          ``postgresql``.
        - an iterable of any of these: a generator, a PyTorch ``DataLoader``. Each item is
          a batch of rows; one of one dimension is one column. A PyTorch ``Dataset`` is read
          sample by sample, and its samples have no axis of rows.
        - a Dask array, data frame or bag, or a list of Delayed: each partition is fitted
          where it is, and only its moments travel.
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
        these for nested ones (``()`` for the whole of a list of tensors); or the array in an
        NPZ, HDF5 or Zarr file, or the column of arrays in a data set. Without it the first
        part of a tuple is fitted, with a remark in the log.
    feature_axis
        The axis of arrays along which their columns lie: 1 for images N×C×H×W.
    infinite
        ``"error"``, or ``"missing"`` to count infinities as missing: choose it when they
        stand for "no value" in your data.
    mode
        What the pixels of images count as. ``"RGB"``: colours, grey in each of them, alpha
        ignored; it is what most loaders make of them. ``"L"``: one column, grey. ``"native"``:
        as they are, which must be alike in all; choose it for alpha, CMYK and floats.
    broken
        What becomes of an image that cannot be read. ``"skip"``: it is left out, counted, and
        named in the log. ``"error"``: it is an error; choose it when none may be missing.
    threads
        How many threads sum. None: as many as ``evenly.threads()`` says. The result is the
        same bits for any number.
    progress
        Called with a `Progress` after each block, by one thread at a time.
    by
        The column, or list of columns, whose values say which group a row belongs to; they
        are not fitted. Or one key per row, as an array (of N×C×H×W one an image); or the key or
        the place of that part of batches. `GroupedMoments` come back: choose it when each
        sensor, station or class is to have mean 0 and variance 1 by itself.
    checkpoint
        A path, for files that take long, images too: the sums so far are saved there every
        few seconds, as a statistics file that also says which files are in them, and the same
        call goes on from it after a crash, with the same bits in the end. Files that are new
        since then are fitted; one that has changed or vanished is an error.
        ``docs/checkpoints.md``.
    update
        The same, when the source is not all files but those that may be new: choose it for
        the daily job. The result is the moments of all files that ever came this way.

    Returns
    -------
    Moments, or GroupedMoments with ``by=``

    Raises
    ------
    DataError
        For an infinity, text in a numeric CSV column, lines of unequal length, wrong
        weights, no numeric column, no rows.
    ColumnError
        For unknown columns, and parts whose columns differ.
    SourceError
        For a file that is missing, empty, truncated or of another format, a folder of images
        and tables, and a file that has changed since the checkpoint.
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
    asked: dict[str, Any] = {
        "columns": columns,
        "exclude": exclude,
        "weights": weights,
        "select": select,
        "feature_axis": feature_axis,
        "mode": mode,
        "broken": broken,
        "by": by,
    }
    given = source
    if checkpoint is not None or update is not None:
        source = open_resumed(source, checkpoint, update, infinite=infinite, **asked)
    engine = engine_of(source)
    if engine is not None:
        check_distributable(weights, progress, by)
        options = FitOptions(**asked, infinite=infinite, threads=threads)
        return engine.fit(source, options)  # type: ignore[no-any-return]
    opened = open_source(source, **asked)
    moments: Moments | GroupedMoments = run_fit(opened, infinite, threads, by=by, progress=progress)
    asks_itself = opened is given  # who has opened it
    if isinstance(opened, ImageSource | ResumedImageSource) and not asks_itself:
        for doubt in opened.summary.warnings():
            _log.warning("%s: %s", printable(opened.description), printable(doubt))
    return finalize(moments, opened.left_out, opened.description)
