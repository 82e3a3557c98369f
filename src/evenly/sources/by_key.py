"""Open several parts of the same data, one for each key of ``select=``."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from evenly.dispatch import is_frame, is_hugging_face_dataset
from evenly.sources import open_source
from evenly.sources.batches import BatchSource
from evenly.sources.options import ReadOptions
from evenly.sources.parts_by_key import BatchPart, key_errors
from evenly.sources.selected_column import single_step
from evenly.sources.source import Source

Options = TypeVar("Options", bound=ReadOptions)

_ROWS = 2**10
"""Rows of a batch of an iterable dataset, which may have images."""


def open_by_key(
    x: object, options: ReadOptions, parts: Mapping[str, BatchPart]
) -> dict[str, Source] | dict[str, BatchSource]:
    """Return the source of each key.

    If they are all of type `BatchSource` with a method ``reopen``, they have the same items, which
    must be read together; otherwise each source is read by itself, such as a column of a file.

    Raises
    ------
    EvenlyError
        As `open_source`; messages name the key.
    """
    x = _as_batches(x)
    sources: dict[str, Any] = {}
    reopen: Callable[[ReadOptions], BatchSource] | None = None
    for key, part in parts.items():
        with key_errors(key):
            own = options_of(options, part)
            sources[key] = open_source(x, own, by_key=True) if reopen is None else reopen(own)
            reopen = getattr(sources[key], "reopen", None)
    return sources


def are_shared(sources: Mapping[str, Source]) -> bool:
    """Return whether sources have the same items, which must be read together."""
    return all(isinstance(x, BatchSource) and x.reopen is not None for x in sources.values())


def options_of(options: Options, part: BatchPart) -> Options:
    """Return the options for the part of a key."""
    select = single_step(part.path)  # of an array in a file
    return replace(options, select=select, feature_axis=part.feature_axis)


def _as_batches(x: object) -> Any:
    """Return an iterator of batches for tables that can be read only once."""
    if is_hugging_face_dataset(x) and not hasattr(x, "data") and hasattr(x, "with_format"):
        return x.with_format("arrow").iter(_ROWS)
    if is_frame(x) and isinstance(x, Iterator):
        return (batch for batch in x)
    return x
