"""A file in, the same file normalised out: in pieces, and whole or not at all."""

from collections.abc import Callable, Iterator
from typing import Any

from evenly.atomic import atomic_file
from evenly.moments import Moments
from evenly.sinks import check_suffix, open_sink
from evenly.sources import open_source

_PIECE = 2**22
"""Numbers of an array normalised at a time: 32 MB of float64, which any cache outlives."""


def apply(
    moments: Moments,
    source: str,
    output: str,
    *,
    inverse: bool = False,
    dtype: str | None = None,
    missing: str = "keep",
    feature_axis: int = -1,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Normalise a file into another, whose suffix names its format.

    Parameters
    ----------
    moments
        Columns are matched by name; an array's by position.
    source
        What `evenly.fit` takes as a path. All columns are read; those that the moments
        do not have pass through, of a CSV file as the text that they are.
    output
        Written beside and renamed at the end: there is the whole file, or what was
        there before.
    inverse
        Go back from normalised values instead.
    dtype, missing, feature_axis
        As of `Moments.normalize`.
    progress
        Called with the rows and bytes read so far.

    Raises
    ------
    ColumnError
        When the file lacks a column of the moments.
    SourceError
        When the file cannot be read, or the output cannot be written.
    """
    suffix = check_suffix(output)
    turn = moments.denormalize if inverse else moments.normalize
    options: dict[str, Any] = {} if inverse else {"missing": missing}
    with atomic_file(output) as file, open_sink(file, suffix) as sink:
        rows = nbytes = 0
        for part in _parts(source, moments, feature_axis):
            sink.write(turn(part, dtype=dtype, feature_axis=feature_axis, **options))
            rows, nbytes = rows + len(part), nbytes + part.nbytes
            if progress is not None:
                progress(rows, nbytes)


def _parts(source: str, moments: Moments, feature_axis: int) -> Iterator[Any]:
    """Yield the source's record batches, or arrays of some megabytes."""
    from evenly.sources.files import expand, tables

    paths = expand(source)
    if paths[0].endswith((".npy", ".npz")):
        for block in open_source(source, feature_axis=feature_axis).blocks():
            yield from _pieces(block.data, feature_axis)
    else:
        yield from tables(paths, text=moments.columns or ())


def _pieces(array: Any, feature_axis: int) -> Iterator[Any]:
    """Yield the array in parts along its first axis, unless that is the axis of features."""
    if array.ndim > 1 and feature_axis % array.ndim == 0:
        yield array
        return
    rows = max(1, _PIECE * len(array) // max(1, array.size))
    for start in range(0, max(1, len(array)), rows):
        yield array[start : start + rows]
