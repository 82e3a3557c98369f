"""Sources: `open_source` turns any data into blocks. README.md describes the design."""

from typing import TYPE_CHECKING, Any

from evenly.errors import without_context
from evenly.sources.group_by import factorize_array
from evenly.sources.group_keys import KeyedSource
from evenly.sources.images import ImageSource, reject_weights_and_keys
from evenly.sources.opener import SourceOpener
from evenly.sources.options import FitOptions, ReadOptions
from evenly.sources.resolve import resolve
from evenly.sources.row_weights import weights_of_rows
from evenly.sources.source import Source
from evenly.sources.tables import Table
from evenly.sources.weights import WeightedSource

if TYPE_CHECKING:
    from evenly.sources.files.fingerprint import Watch
    from evenly.sources.images.remaining import RemainingImages

__all__ = ["FitOptions", "ReadOptions", "Source", "open_source"]

_DEFAULTS = ReadOptions()


@without_context()
def open_source(
    source: Any,
    options: ReadOptions = _DEFAULTS,
    *,
    label: str = "the array",
    resume_from: Table | None = None,
    remaining: "RemainingImages | None" = None,
    watch: "Watch | None" = None,
    by_key: bool = False,
) -> Source:
    """Return anything that `evenly.fit` takes as a source of blocks.

    Parameters
    ----------
    source
        See `evenly.fit`. A `Source` is returned unchanged.
    options
        See `evenly.fit`.
    label
        The name of the data, for messages: ``"partition 3"``.
    resume_from, remaining, watch, by_key
        See `SourceOpener`.

    Raises
    ------
    EvenlyError
        DataError, ColumnError, SourceError, UnsupportedTypeError or MissingExtraError,
        for errors that are known before data is read.

    >>> source = open_source([[1.0, 2.0], [3.0, 4.0]], ReadOptions(columns=[1]))
    >>> [block.data.tolist() for block in source.blocks()]
    [[[2.0], [4.0]]]
    """
    opener = SourceOpener(
        options=options,
        resolve=resolve,
        resume_from=resume_from,
        remaining=remaining,
        watch=watch,
        by_key=by_key,
    )
    opened = opener.open(source, label)
    if isinstance(opened, ImageSource):
        reject_weights_and_keys(opened.description, options.weights, options.by)
    if options.has_keys_array:
        opened = KeyedSource(opened, factorize_array(options.by))
    if not options.has_weights_array:
        return opened
    return WeightedSource(opened, weights_of_rows(options.weights, opened))
