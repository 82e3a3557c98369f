"""A file in, the same file normalised out: in pieces, and whole or not at all."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from evenly.errors import DataError, UnsupportedTypeError, format_names, without_context
from evenly.moments import GroupedMoments, Moments
from evenly.moments.group_text import keys_from_batch
from evenly.progress import Progress
from evenly.redaction import redact_url
from evenly.sinks import check_suffix, open_sink
from evenly.sources import open_source
from evenly.sources.files import expand, tables
from evenly.sources.files.locate import suffixes_of
from evenly.sources.images import contains_images
from evenly.system.atomic import atomic_file

_CHUNK_VALUES = 2**22
"""Numbers of an array normalised at a time: 32 MB of float64."""


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
    feature_axis: int = -1,
    progress: Callable[[Progress], object] | None = None,
) -> None:
    """Normalise a file into another, whose suffix names its format.

    Parameters
    ----------
    moments
        Columns are matched by name; an array's by position. With groups each row is
        normalised by those of its own.
    source
        What `evenly.fit` takes as a path. All columns are read; those that the moments
        do not have pass through, of a CSV file as the text that they are.
    output
        Written beside and renamed at the end: there is the whole file, or what was
        there before.
    inverse
        Go back from normalised values instead.
    dtype, missing, feature_axis, unknown
        As of `Moments.normalize` and `GroupedMoments.normalize`.
    progress
        Called with how far it is, after each part.

    Raises
    ------
    ColumnError
        When the file lacks a column of the moments.
    DataError
        When it has no row, or its parts do not have the same columns.
    SourceError
        When the file cannot be read, or the output cannot be written.
    """
    suffix = check_suffix(output)
    turn = moments.denormalize if inverse else moments.normalize
    options: dict[str, Any] = {} if inverse else {"missing": missing}
    label = redact_url(source)
    done = Progress(0, None, 0, None, label)
    with atomic_file(output) as file, open_sink(file, suffix) as sink:
        for part in _batches(source, moments, feature_axis):
            if isinstance(moments, GroupedMoments):
                options |= {"by": keys_from_batch(part, moments), "unknown": unknown}
            sink.write(turn(part, dtype=dtype, feature_axis=feature_axis, **options))
            done = replace(done, rows=done.rows + len(part), bytes=done.bytes + part.nbytes)
            if progress is not None:
                progress(done)
        if not done.rows:
            raise DataError(f"At least one row is needed. Received: {label}, with none.")


def input_files(source: str) -> list[str]:
    """Return the files of a source that can be normalised.

    Raises
    ------
    UnsupportedTypeError
        For images.
    SourceError
        When there is none.
    """
    if contains_images([source]):
        raise UnsupportedTypeError(
            f"Images are fitted, and not rewritten: a PNG has no negative numbers. Received: "
            f"{redact_url(source)}. Normalise them as they are loaded: evenly show prints the line "
            "transforms.Normalize(...) for it."
        )
    return expand(source)


def _batches(source: str, moments: Moments | GroupedMoments, feature_axis: int) -> Iterator[Any]:
    """Yield the source's record batches, or arrays of some megabytes."""
    paths = input_files(source)
    if suffixes_of(paths[0])[0] not in (".npy", ".npz"):
        yield from tables(paths, numbers=moments.columns or ())
        return
    opened = open_source(source, feature_axis=feature_axis)
    if opened.names is not None:
        raise UnsupportedTypeError(
            "An NPY file must hold an array to be normalised, without named fields. "
            f"Received: {redact_url(source)}, whose fields are {format_names(opened.names)}. "
            "Save it as Parquet or CSV."
        )
    blocks = opened.blocks()
    arrays = (block.data for block in blocks)
    first = next(arrays, None)
    if first is not None and first.ndim > 1 and feature_axis % first.ndim == 0:
        yield np.concatenate([first, *arrays], axis=1)
    elif first is not None:
        for array in chain([first], arrays):
            yield from _chunks(array)


def _chunks(array: Any) -> Iterator[Any]:
    """Yield the array in parts along its first axis."""
    rows = max(1, _CHUNK_VALUES * len(array) // array.size)
    for start in range(0, len(array), rows):
        yield array[start : start + rows]
