"""Normalize a file into another one, in chunks and atomically."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from evenly.errors import UnsupportedTypeError, format_names, no_rows_error, without_context
from evenly.moments import GroupedMoments, Moments
from evenly.moments.group_text import keys_from_batch
from evenly.progress import Progress
from evenly.redaction import redact_url
from evenly.sinks import check_suffix, open_sink
from evenly.sources import open_source
from evenly.sources.feature_axis import axis_number
from evenly.sources.files.formats import tables
from evenly.sources.files.locate import expand, suffixes_of
from evenly.sources.images import ImageScan
from evenly.system.atomic import atomic_file
from evenly.typing import FeatureAxis

_CHUNK_VALUES = 2**22
"""Values of an array that are normalized at a time: 32 MB of float64."""


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
    progress: Callable[[Progress], object] | None = None,
) -> None:
    """Normalize a file into an output file, whose suffix determines its format.

    Parameters
    ----------
    moments
        Moments whose columns are matched by name, or by position for an array. With groups, each
        row is normalized by the moments of its group.
    source
        A path that `evenly.fit` accepts. All columns are read. Columns that the moments do not
        have are copied, from a CSV file as text.
    output
        Path of the output. It is written to a temporary file and renamed at the end, so an
        existing file stays unchanged until the output is complete.
    inverse
        Denormalize instead.
    dtype, missing, feature_axis, unknown
        See `Moments.normalize` and `GroupedMoments.normalize`.
    progress
        Callback that receives the progress after each batch.

    Raises
    ------
    ColumnError
        When the file lacks a column of the moments.
    DataError
        When it has no rows, or its parts have different columns.
    SourceError
        When the file cannot be read, or the output cannot be written.
    """
    suffix = check_suffix(output)
    function = moments.denormalize if inverse else moments.normalize
    options: dict[str, Any] = {} if inverse else {"missing": missing}
    label = redact_url(source)
    current = Progress(0, None, 0, None, label)
    with atomic_file(output) as file, open_sink(file, suffix) as sink:
        for batch in _batches(source, moments, feature_axis):
            if isinstance(moments, GroupedMoments):
                options |= {"by": keys_from_batch(batch, moments), "unknown": unknown}
            sink.write(function(batch, dtype=dtype, feature_axis=feature_axis, **options))
            current = replace(
                current, rows=current.rows + len(batch), bytes=current.bytes + batch.nbytes
            )
            if progress is not None:
                progress(current)
        if not current.rows:
            raise no_rows_error(label)


def input_files(source: str) -> list[str]:
    """Return the files of a source that can be normalized.

    Raises
    ------
    UnsupportedTypeError
        For images.
    SourceError
        When there is no file.
    """
    if ImageScan([source]).has_images:
        raise UnsupportedTypeError(
            "Images cannot be rewritten, since a PNG file has no negative values. Received: "
            f"{redact_url(source)}. Normalize them when they are loaded: `evenly show` prints the "
            "line transforms.Normalize(...) for this."
        )
    return expand(source)


def _batches(
    source: str, moments: Moments | GroupedMoments, feature_axis: FeatureAxis
) -> Iterator[Any]:
    """Yield the record batches of the source, or arrays of a few megabytes."""
    paths = input_files(source)
    if suffixes_of(paths[0])[0] not in (".npy", ".npz"):
        yield from tables(paths, numbers=moments.columns or ())
        return
    array_source = open_source(source, feature_axis=feature_axis)
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
