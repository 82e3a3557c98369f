"""Sources: `open_source` turns any data into blocks. README.md describes the design."""

from typing import TYPE_CHECKING

from evenly.errors import without_context
from evenly.lazy_names import importer

if TYPE_CHECKING:
    from evenly.sources.files.fingerprint import Watch
    from evenly.sources.images.remaining import RemainingImages
    from evenly.sources.options import FitOptions as FitOptions
    from evenly.sources.options import ReadOptions as ReadOptions
    from evenly.sources.source import Source as Source
    from evenly.sources.tables import Table

__all__ = ["FitOptions", "ReadOptions", "Source", "open_source"]

_MODULES = {"FitOptions": "options", "ReadOptions": "options", "Source": "source"}
__getattr__ = importer(__name__, _MODULES)


@without_context()
def open_source(
    source: object,
    options: "ReadOptions | None" = None,
    *,
    label: str = "the array",
    resume_from: "Table | None" = None,
    remaining: "RemainingImages | None" = None,
    watch: "Watch | None" = None,
    by_key: bool = False,
) -> "Source":
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

    >>> from evenly.sources import ReadOptions
    >>> source = open_source([[1.0, 2.0], [3.0, 4.0]], ReadOptions(columns=[1]))
    >>> [block.data.tolist() for block in source.blocks()]
    [[[2.0], [4.0]]]
    """
    # A layer or a merge may never need readers.
    from evenly.sources.opening import open_any
    from evenly.sources.options import ReadOptions

    return open_any(
        source,
        options or ReadOptions(),
        label=label,
        resume_from=resume_from,
        remaining=remaining,
        watch=watch,
        by_key=by_key,
    )
