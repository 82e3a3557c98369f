"""Open any source, with the weights and the group keys that are arrays."""

from typing import TYPE_CHECKING

from evenly.sources.group_by import factorize_array
from evenly.sources.group_keys import KeyedSource
from evenly.sources.images.source import ImageSource, reject_weights_and_keys
from evenly.sources.opener import SourceOpener
from evenly.sources.options import ReadOptions
from evenly.sources.resolve import resolve
from evenly.sources.row_weights import weights_of_rows
from evenly.sources.source import Source
from evenly.sources.tables import Table
from evenly.sources.weights import WeightedSource

if TYPE_CHECKING:
    from evenly.sources.files.fingerprint import Watch
    from evenly.sources.images.remaining import RemainingImages


def open_any(
    source: object,
    options: ReadOptions,
    *,
    label: str,
    resume_from: Table | None,
    remaining: "RemainingImages | None",
    watch: "Watch | None",
    by_key: bool,
) -> Source:
    """Open a source; `evenly.sources.open_source` describes the parameters."""
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
        by = None if opened.grouped else options.by
        reject_weights_and_keys(opened.description, options.weights, by)
    if options.has_keys_array:
        opened = KeyedSource(opened, factorize_array(options.by))
    if not options.has_weights_array:
        return opened
    return WeightedSource(opened, weights_of_rows(options.weights, opened))
