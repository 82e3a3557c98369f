"""Normalize a file into another one, in chunks and atomically."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, TypedDict, Unpack

import numpy as np

from evenly.errors import (
    DataError,
    UnsupportedTypeError,
    format_names,
    no_rows_error,
    without_context,
)
from evenly.moments import GroupedMoments, Moments
from evenly.moments.group_text import fitted_keys
from evenly.outputs import open_output, open_standard_output
from evenly.progress import Progress
from evenly.redaction import redact_url
from evenly.sinks import check_suffix, open_sink
from evenly.sources import ReadOptions, open_source
from evenly.sources.feature_axis import axis_number
from evenly.sources.files.batches_to_scale import batches_to_scale
from evenly.sources.files.file_ref import FileRef
from evenly.sources.files.standard_input import Pipe, pipe_to_scale
from evenly.sources.scan import FileScan
from evenly.sources.urls import with_storage
from evenly.system.paths import path_text
from evenly.typing import Constant, CsvOptions, FeatureAxis, NormalizeMethod, StorageOptions

_CHUNK_VALUES = 2**22
"""Values of an array that are normalized at a time: 32 MB of float64."""


class MethodKeywords(TypedDict, total=False):
    """Keyword arguments of `apply` that `evenly.Moments.normalize` describes."""

    constant: Constant
    method: NormalizeMethod
    range: tuple[float, float] | None
    q: tuple[float, float] | None
    clip: bool | float | None


@without_context()
def apply(
    moments: Moments | GroupedMoments,
    source: str,
    output: str,
    *,
    unknown: str = "error",
    inverse: bool = False,
    dtype: str | None = None,
    missing: str = "keep",
    feature_axis: FeatureAxis = None,
    csv: CsvOptions | None = None,
    storage_options: StorageOptions | None = None,
    progress: Callable[[Progress], object] | None = None,
    **method: Unpack[MethodKeywords],
) -> None:
    """Normalize a file into an output file, whose suffix determines its format.

    Parameters
    ----------
    moments
        Moments whose columns are matched by name, or by position for an array. With groups, each
        row is normalized by the moments of its group.
    source
        A path, or the URL of a database table or query, that `evenly.fit` accepts. All columns
        are read. Columns that the moments do not have are copied, from a CSV file as text.
    output
        Path or URL of the output. It is written to a temporary file and renamed or uploaded at
        the end, so an existing file stays unchanged until the output is complete.
    inverse
        Denormalize instead.
    dtype, missing, feature_axis, unknown
        See `Moments.normalize` and `GroupedMoments.normalize`. Numbers in CSV files become
        float64 by default.
    csv
        How CSV files are written; see `evenly.fit`. The output is always written with commas and
        decimal points, and without a header if the source has none.
    storage_options
        The options of the file systems of URLs, for the source and the output.
    progress
        Callback that receives the progress after each batch.
    **method
        The options ``method``, ``range``, ``q``, ``clip`` (not with ``inverse``) and ``constant``
        of `Moments.normalize`.

    Raises
    ------
    ColumnError
        When the file lacks a column of the moments.
    DataError
        When it has no rows, or its parts have different columns.
    SourceError
        When the file cannot be read, or the output cannot be written.
    """
    source = path_text(source, "For data in memory, write moments.normalize(x).")
    output = path_text(output, "For data in memory, write moments.normalize(x).")
    check_suffix(output)
    if storage_options:
        source, output = with_storage([source, output], storage_options)
    apply_files(
        moments,
        source,
        scan_tables(source),
        output,
        unknown=unknown,
        inverse=inverse,
        dtype=dtype,
        missing=missing,
        feature_axis=feature_axis,
        csv=csv,
        progress=progress,
        **method,
    )


def apply_files(
    moments: Moments | GroupedMoments,
    source: str,
    files: Sequence[FileRef] | Pipe,
    output: str,
    *,
    standard_output: str | None = None,
    unknown: str = "error",
    inverse: bool = False,
    dtype: str | None = None,
    missing: str = "keep",
    feature_axis: FeatureAxis = None,
    csv: CsvOptions | None = None,
    progress: Callable[[Progress], object] | None = None,
    **method: Unpack[MethodKeywords],
) -> None:
    """Normalize the files of a source; see `apply` and `scan_tables`.

    Parameters
    ----------
    standard_output
        The suffix of the format of standard output, which is written instead of a file.
    """
    suffix = standard_output or check_suffix(output)
    if unknown != "error" and not isinstance(moments, GroupedMoments):
        raise DataError(
            f"unknown= is for the statistics of groups. Received: unknown={unknown!r}, and "
            "statistics without groups. Omit it, or fit with by=."
        )
    if inverse and missing != "keep":
        raise DataError(
            "missing= is for normalizing: a missing value stays missing when it is converted back. "
            f"Received: missing={missing!r} and inverse=True. Omit it."
        )
    read = ReadOptions(feature_axis=feature_axis, csv=csv)
    function = moments.denormalize if inverse else moments.normalize
    options: dict[str, Any] = {**method} if inverse else {"missing": missing, **method}
    label = redact_url(source)
    current = Progress(0, None, 0, None, label)
    with (
        open_standard_output() if standard_output else open_output(output) as file,
        open_sink(
            file,
            suffix,
            header=read.csv_format.header is not False,
            rounded=moments.columns or (),
        ) as sink,
    ):
        for batch, default in _batches(source, files, moments, read):
            if isinstance(moments, GroupedMoments):
                options |= {"by": fitted_keys(batch, moments), "unknown": unknown}
            sink.write(
                function(batch, dtype=dtype or default, feature_axis=feature_axis, **options)
            )
            current = replace(
                current, rows=current.rows + len(batch), bytes=current.bytes + batch.nbytes
            )
            if progress is not None:
                progress(current)
        if not current.rows:
            raise no_rows_error(label)


def scan_tables(source: str) -> list[FileRef]:
    """Return the files of a source that can be normalized.

    Raises
    ------
    UnsupportedTypeError
        For images.
    SourceError
        When there is no file.
    """
    scan = FileScan([source])
    if scan.has_images:
        raise UnsupportedTypeError(
            "Images cannot be rewritten, since a PNG file has no negative values. Received: "
            f"{redact_url(source)}. Normalize them when they are loaded: `evenly show` prints the "
            "line transforms.Normalize(...) for this."
        )
    return scan.tables()


def _batches(
    source: str,
    files: Sequence[FileRef] | Pipe,
    moments: Moments | GroupedMoments,
    options: ReadOptions,
) -> Iterator[tuple[Any, str | None]]:
    """Yield record batches of the source, or arrays of a few megabytes, with a default dtype."""
    dtypes = dict(zip(moments.columns or (), moments.dtypes, strict=False))
    by = moments.by if isinstance(moments, GroupedMoments) else None
    keys = (by,) if isinstance(by, str) else by or ()
    if isinstance(files, Pipe):
        if not files.is_array:
            yield from pipe_to_scale(files, options, dtypes, keys)
            return
    elif files[0].suffix not in (".npy", ".npz"):
        yield from batches_to_scale(files, options, dtypes, keys)
        return
    for array in _arrays(source, files, options):
        yield array, None


def _arrays(source: str, files: Sequence[FileRef] | Pipe, options: ReadOptions) -> Iterator[Any]:
    """Yield the array in an NPY or NPZ file in parts."""
    feature_axis = options.feature_axis
    array_source = open_source(files, options)
    if array_source.names is not None:
        raise UnsupportedTypeError(
            "An NPY file to be normalized must hold an array without named fields. Received: "
            f"{redact_url(source)}, whose fields are {format_names(array_source.names)}. "
            "Save it as Parquet or CSV."
        )
    arrays = (block.data for block in array_source.blocks())
    first = next(arrays, None)
    axis = 0 if first is None else axis_number(first.shape, feature_axis, source) % first.ndim
    if first is not None and first.ndim > 1 and axis == 0:
        yield np.concatenate([first, *arrays], axis=1)
    elif first is not None:
        for array in chain([first], arrays):
            yield from _chunks(array)


def _chunks(array: Any) -> Iterator[Any]:
    """Yield chunks of the array along its first axis."""
    rows = max(1, _CHUNK_VALUES * len(array) // array.size)
    for start in range(0, len(array), rows):
        yield array[start : start + rows]
