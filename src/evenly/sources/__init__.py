"""Sources: `open_source` turns any data into blocks. README.md describes the design."""

from typing import Any

from evenly.errors import without_context
from evenly.sources.group_by import factorize_array, parse_by
from evenly.sources.group_keys import KeyedSource
from evenly.sources.images import ImageOptions, ImageSource, reject_weights_and_keys
from evenly.sources.options import ReadOptions
from evenly.sources.resolve import SourceResolver
from evenly.sources.selection import parse_selection
from evenly.sources.source import Source
from evenly.sources.weights import WeightedSource
from evenly.typing import FeatureAxis

__all__ = ["Source", "open_source"]


@without_context()
def open_source(
    source: Any,
    *,
    columns: Any = None,
    exclude: Any = (),
    weights: Any = None,
    select: Any = None,
    feature_axis: FeatureAxis = None,
    mode: str = "RGB",
    broken: str = "skip",
    by: Any = None,
    label: str = "the array",
    resume_from: Any = None,
    watch: Any = None,
) -> Source:
    """Return anything that `evenly.fit` takes as a source of blocks.

    Parameters
    ----------
    source
        See `evenly.fit`. A `Source` is returned unchanged.
    columns, exclude, weights, select, feature_axis, mode, broken, by
        See `evenly.fit`.
    label
        The name of the data, for messages: ``"partition 3"``.
    resume_from
        See `ReadOptions`.
    watch
        See `ReadOptions`.

    Raises
    ------
    EvenlyError
        DataError, ColumnError, SourceError, UnsupportedTypeError or MissingExtraError,
        for errors that are known before data is read.

    >>> source = open_source([[1.0, 2.0], [3.0, 4.0]], columns=[1])
    >>> [block.data.tolist() for block in source.blocks()]
    [[[2.0], [4.0]]]
    """
    by_name = weights if isinstance(weights, str) else None
    named = parse_by(by)
    in_order = (weights is not None and by_name is None) or (by is not None and not named)
    asked = parse_selection(columns, exclude, by_name, named)
    rule = ImageOptions(asked, mode, broken)
    request = ReadOptions(asked, select, feature_axis, in_order, rule, resume_from, watch)
    opened = SourceResolver(request).open(source, label)
    if isinstance(opened, ImageSource):
        reject_weights_and_keys(opened.description, weights, by)
    if by is not None and not named:
        opened = KeyedSource(opened, factorize_array(by))
    if weights is None or by_name is not None:
        return opened
    return WeightedSource(opened, weights)
