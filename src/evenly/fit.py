"""The function `evenly.fit`, which computes the moments of a source."""

from collections.abc import Callable, Mapping
from typing import TypedDict, Unpack, overload

from evenly.dispatch import engine_of
from evenly.distribution.option import most_bins
from evenly.engines.options import check_distributable
from evenly.errors import DataError, without_context
from evenly.fitting.by_key import fit_by_key
from evenly.fitting.resume import open_resumed
from evenly.fitting.run import fit_and_warn
from evenly.moments import GroupedMoments, Moments, MomentsByKey
from evenly.progress import Progress
from evenly.sources import FitOptions, open_source
from evenly.typing import (
    Broken,
    Columns,
    CsvOptions,
    FeatureAxis,
    GroupBy,
    ImageMode,
    Infinite,
    Path,
    StorageOptions,
)


class KeyFitKeywords(TypedDict, total=False):
    """Keyword arguments of `fit` with a dict for ``select``; see `fit`."""

    infinite: Infinite
    distribution: bool | int
    mode: ImageMode
    broken: Broken
    threads: int | None
    progress: Callable[[Progress], object] | None
    csv: CsvOptions | None
    storage_options: StorageOptions | None


class FitKeywords(KeyFitKeywords, total=False):
    """Keyword arguments of `fit` other than ``by``; see `fit`."""

    columns: Columns | None
    exclude: Columns
    weights: object
    select: object
    feature_axis: FeatureAxis
    checkpoint: Path | None
    update: Path | None
    accept_changed: bool


@overload
def fit(  # type: ignore[overload-overlap]  # any other object selects one part
    source: object,
    *,
    select: Mapping[str, object],
    feature_axis: FeatureAxis | Mapping[str, FeatureAxis] = None,
    by: None = None,
    **options: Unpack[KeyFitKeywords],
) -> MomentsByKey: ...
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
    feature_axis: FeatureAxis | Mapping[str, FeatureAxis] = None,
    infinite: Infinite = "error",
    distribution: bool | int = False,
    mode: ImageMode = "RGB",
    broken: Broken = "skip",
    threads: int | None = None,
    progress: Callable[[Progress], object] | None = None,
    by: GroupBy | None = None,
    checkpoint: Path | None = None,
    update: Path | None = None,
    accept_changed: bool = False,
    csv: CsvOptions | None = None,
    storage_options: StorageOptions | None = None,
) -> Moments | GroupedMoments | MomentsByKey:
    """Compute the exact moments of all rows of a source.

    The source is read once.

    Parameters
    ----------
    source
        - an array or tensor: NumPy, torch, any object with ``__array__`` or ``__dlpack__``, a
          list of numbers. A one-dimensional array is one column; the fields of a structured
          array are named columns.
        - a data frame or series: pandas, polars (also lazy), PyArrow, DuckDB, any object with
          ``__arrow_c_stream__`` or ``__arrow_c_array__``; a Hugging Face dataset, a record
          batch reader, an Arrow Flight stream, an ADBC cursor.
        - an array or a group of Zarr, h5py or xarray, read along its chunks.
        - a path, a pattern, a folder or an fsspec URL of Parquet, Arrow IPC or Feather, CSV
          (also compressed), NPY, NPZ, HDF5 or Zarr, or a list of them. Files are read as
          streams; in a folder, every file with the suffix of one of these formats is read.
        - images: files, folders, patterns, zip and tar archives of JPEG, PNG, WebP, TIFF, BMP
          and GIF, or Pillow images. One row per pixel, with columns red, green and blue.
        - the URL of a database table or query: ``"duckdb:///x.db?table=t"``, also ``sqlite``
          and ``postgresql``.
        - an iterable of any of these: a generator, a PyTorch ``DataLoader``. Each item is
          a batch of rows. A one-dimensional item needs ``feature_axis``: 0 if it is one row, 1 if
          it is one column; the batches of a ``DataLoader`` are columns. A PyTorch ``Dataset``,
          and a ``DataLoader`` that makes no batches of it, is read sample by sample, and its
          samples have no axis of rows. What a ``DataLoader`` drops or repeats is logged.
        - a Dask array, data frame or bag, or a list of Delayed objects: each partition is
          fitted on its worker, and only its moments are transferred.
    columns
        Names or positions of the columns to fit. None: all numeric columns, booleans as 0 and
        1. Timestamps, dates, times and durations are fitted only if they are listed here, as
        integers in their unit.
    exclude
        Names or positions of the columns not to fit.
    weights
        One finite, nonnegative number per row, as an array over all rows; or the name of the
        column of weights, which is then not fitted. A weight of 2 equals the row twice. For an
        array of several dimensions also weights along some axes, repeated along the others:
        a dict of weights by the name or number of the axis, an xarray DataArray, or an array
        whose lengths are those of the axes or 1.
    select
        The part of each batch to fit: an index into ``(x, y)``, a key of a dict, or a tuple of
        these for nested batches (``()`` for an entire list of tensors); or the array in an
        NPZ, HDF5 or Zarr file, or the array column of a dataset. None: the first item of a
        tuple, with a message in the log. A dict of these, ``{"state": "observation.state"}``,
        fits several parts in one pass, each by its key: choose it for the state, the action and
        the images of a robot. It cannot be combined with columns, exclude, weights, by,
        checkpoint and update.
    feature_axis
        The axis of the columns in arrays: 1 for N×C×H×W images, -1 for N×H×W×C. For data of
        xarray also the name of a dimension, whose labels become the names of the columns.
        Required for three and more dimensions. None: the last axis of two dimensions; one
        dimension is one column. The samples of a ``Dataset`` have the axis of the batch first.
        With a dict for ``select``, also a dict of the axes of some of its keys.
    infinite
        ``"error"``, or ``"missing"`` to count infinities as missing: choose it when they
        stand for "no value" in your data.
    distribution
        Whether to count the values of each column in bins as well, for quantiles, histograms and
        robust scaling: see ``docs/distributions.md``. A number sets the maximum number of bins,
        which is 1,024 by default. Weights must then be whole numbers.
    mode
        The mode that images are converted to. ``"RGB"``: three columns, with gray repeated in
        each and alpha ignored, as in most data loaders. ``"L"``: one column, gray.
        ``"native"``: no conversion, and all images must have the same bands; choose it for
        alpha, CMYK and floats.
    broken
        How to handle images that cannot be read. ``"skip"``: omit and count them, and name
        them in the log. ``"error"``: raise an error; choose it when no image may be missing.
    threads
        The number of threads. None: ``evenly.threads()``. The result is bit-identical for any
        number.
    progress
        Called with an `evenly.progress.Progress` after each block, by one thread at a time. With
        a dict for ``select``, each key has a progress of its own.
    by
        The column, or list of columns, with the group keys, which are not fitted. Or one key
        per row, as an array (for N×C×H×W images one per image); or the key or the index of
        the part of each batch that has the keys. With ``select=`` for a column of arrays or
        images, another column of the table. The result is a `GroupedMoments`: choose it to
        normalize each sensor, station or class separately.
    checkpoint
        The path of a checkpoint, for long fits of files or images: the sums so far are saved
        there every few seconds, as a statistics file that also records which files are
        included. After a crash the same call resumes from it, with a bit-identical result.
        New files are fitted; a file that has changed or is missing is an error. See
        ``docs/checkpoints.md``.
    update
        Like ``checkpoint``, but the source is only the files that may be new: choose it for
        daily jobs. The result is the moments of all files that were ever added. A file that
        came back with another modification time is recognized by its digest.
    accept_changed
        Whether a file that has changed since it was completely read is accepted: its included
        rows stay as they are, and the new version counts as read. Choose it when only the
        form of the file has changed. By default, such a file is an error.
    csv
        How CSV files are written, where that is not detected: a dict with any of the options
        ``delimiter``, ``decimal``, ``thousands``, ``missing``, ``encoding``, ``comment`` and
        ``header``; see `evenly.typing.CsvOptions`.
    storage_options
        The options of the file systems of URLs, such as keys and endpoints, as fsspec takes
        them: ``{"anon": True}``. They are not stored in statistics or checkpoints.

    Returns
    -------
    Moments, GroupedMoments with ``by=``, or MomentsByKey with a dict for ``select=``

    Raises
    ------
    DataError
        For an infinity, text in a numeric CSV column, lines of unequal length, invalid
        weights, no numeric column, or no rows.
    ColumnError
        For unknown columns, and batches or files whose columns differ.
    SourceError
        For a file that is missing, empty, truncated or of another format, a folder of both
        images and tables, and a file that has changed since the checkpoint.
    UnsupportedTypeError
        For a source that is not numeric.
    MissingExtraError
        When reading needs a package that is not installed.

    Notes
    -----
    An exception that an iterable raises propagates, with a note that names the batch. A fit that
    fails returns nothing.

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
    _check_options(threads, select, feature_axis)
    keys = select if isinstance(select, Mapping) else None
    options = FitOptions(
        columns=columns,
        exclude=exclude,
        weights=weights,
        select=None if keys is not None else select,
        feature_axis=None if isinstance(feature_axis, Mapping) else feature_axis,
        mode=mode,
        broken=broken,
        by=by,
        csv=csv,
        storage_options=storage_options,
        infinite=infinite,
        threads=threads,
        distribution=most_bins(distribution),
    )
    if keys is not None:
        given = {"checkpoint": checkpoint, "update": update, "by": by, "weights": weights}
        given |= {"columns": columns, "exclude": exclude or None}
        return fit_by_key(source, options, keys, feature_axis, progress=progress, refused=given)
    if checkpoint is not None or update is not None:
        remaining, saved = open_resumed(
            source, checkpoint, update, options=options, accept_changed=accept_changed
        )
        return fit_and_warn(remaining, options, progress=progress, checkpoint=saved)
    if accept_changed:
        raise DataError(
            "accept_changed= needs the record of a checkpoint. Received: neither checkpoint= nor "
            "update=. Pass one of them, or omit accept_changed=."
        )
    engine = engine_of(source)
    if engine is not None:
        check_distributable(options, progress)
        return engine.fit(source, options)  # type: ignore[no-any-return]
    return fit_and_warn(open_source(source, options), options, progress=progress)


def _check_options(threads: int | None, select: object, feature_axis: object) -> None:
    if threads is not None and threads < 1:
        raise DataError(
            f"threads must be 1 or more. Received: {threads}. Omit it to use the default."
        )
    if isinstance(feature_axis, Mapping) and not isinstance(select, Mapping):
        raise DataError(
            "A dict for feature_axis= needs a dict for select=. "
            f"Received: feature_axis={dict(feature_axis)!r} and select={select!r}. Pass one axis."
        )
