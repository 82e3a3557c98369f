"""Open iterables and mappings: choose the part of each item to fit, and open it as a source."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from evenly.dispatch import (
    is_frame,
    is_hugging_face_dataset,
    is_iterable_dataset,
    is_list_of_numbers,
    is_mapping_of_columns,
    is_pillow_image,
    is_stored,
    shape_of,
    with_article,
)
from evenly.errors import ColumnError, DataError, format_names, suggest
from evenly.sources.batch_parts import descend_mappings, mapping_error, select_part
from evenly.sources.batches import BatchSource, Samples
from evenly.sources.feature_axis import resolve_feature_axis
from evenly.sources.group_by import keys_from_batch
from evenly.sources.group_keys import KeyedSource
from evenly.sources.group_names import batch_has_keys, parse_by
from evenly.sources.images.source import ImageSource, reject_weights_and_keys
from evenly.sources.mappings import MappingTable
from evenly.sources.native_arrays import as_array
from evenly.sources.opener import SourceOpener
from evenly.sources.options import ReadOptions
from evenly.sources.row_weights import weights_of_rows
from evenly.sources.source import Source
from evenly.sources.weights import WeightedSource, Weights, as_floats


def open_mapping(x: Mapping[Any, Any], label: str, opener: SourceOpener) -> Source:
    """Open the selected part; for a dataset in it, the rest of the path selects a column."""
    select = opener.options.select
    if select is None and is_mapping_of_columns(x):
        return opener.open_tables([MappingTable(x, label)], label)
    part, rest = (x, ()) if select is None else descend_mappings(x, select)
    if rest and is_hugging_face_dataset(part):
        return opener.with_options(select=rest).open(part, label)
    return _open_keyed(x, _part(x, "the dict", opener), label, opener)


def open_list(x: Any, label: str, opener: SourceOpener) -> Source:
    """Open a list or tuple of batches.

    Raises
    ------
    DataError
        If it is empty.
    """
    if not x:
        raise DataError("At least one row is needed. Received: an empty list.")
    return open_iterable(x, label, opener)


def open_iterable(x: Iterable[Any], _: str, opener: SourceOpener) -> Source:
    """Open an iterable of batches, or an iterable-style PyTorch dataset of samples."""
    open_item = _open_sample if is_iterable_dataset(x) else _open_item
    return _batch_source(x, open_item, opener, description=_describe(x))


def open_batches(x: object, items: Iterable[Any], opener: SourceOpener) -> Source:
    """Open the items of x, which are batches, so that one dimension is one column."""
    return _batch_source(items, _open_batch, opener, description=_describe(x))


def open_loaded_samples(x: object, items: Iterable[Any], opener: SourceOpener) -> Source:
    """Open the items of x, which are samples of a dataset."""
    return _batch_source(items, _open_sample, opener, description=_describe(x))


def _batch_source(
    items: Iterable[Any],
    open_item: Callable[[Any, str, SourceOpener], Source],
    opener: SourceOpener,
    *,
    description: str,
) -> BatchSource:
    """Return the source of items, of which several parts can be read together."""

    def open_one(item: object, label: str) -> Source:
        if opener.by_key and is_frame(item):
            return opener.open(item, label)
        return open_item(item, label, opener)

    def reopen(options: ReadOptions) -> BatchSource:
        return _batch_source(items, open_item, opener.for_part(options), description=description)

    return BatchSource(items, open_one, description=description, reopen=reopen)


def open_samples(x: object, _: str, opener: SourceOpener) -> Source:
    """Open the samples of a map-style dataset."""
    return _batch_source(Samples(x), _open_sample, opener, description=_describe(x))


def _describe(x: object) -> str:
    return with_article(type(x).__name__)


def open_selected(x: object, label: str, opener: SourceOpener) -> Source:
    """Open the part of an object that ``select=`` names, such as an attribute."""
    return opener.with_options(select=None).open(_part(x, label, opener), label)


def _open_item(item: object, label: str, opener: SourceOpener) -> Source:
    """Open an item; ``feature_axis`` says whether one dimension is a row or a column."""
    part = _part(item, label, opener)
    if not _is_one_dimensional(part):
        return _open_keyed(item, part, label, opener)
    if opener.options.feature_axis is None and len(part) > 1:
        raise DataError(
            "A one-dimensional item of an iterable may be one row or one column. Received: "
            f"{label} of shape ({len(part)},). Pass feature_axis=0 for a row of {len(part)} "
            f"columns, or feature_axis=1 for {len(part)} rows of one column."
        )
    if opener.options.feature_axis == 0:
        row = as_array(part, label)[None]
        return _open_keyed(item, row, label, opener.with_options(feature_axis=1))
    return _open_keyed(item, part, label, opener)


def _is_one_dimensional(x: Any) -> bool:
    """Return whether an object is an array of one dimension, or a list of numbers."""
    if is_frame(x) or is_stored(x) or getattr(getattr(x, "dtype", None), "names", None):
        return False
    if is_list_of_numbers(x):
        return not isinstance(x[0], list | tuple)
    return len(shape_of(x)) == 1


def _open_batch(batch: object, label: str, opener: SourceOpener) -> Source:
    return _open_keyed(batch, _part(batch, label, opener), label, opener)


def _open_sample(sample: object, label: str, opener: SourceOpener) -> Source:
    """Open a sample as a batch of one row; ``feature_axis`` includes the axis of the batch."""
    label = label.replace("batch", "sample")
    part = _part(sample, label, opener)
    if is_pillow_image(part):
        return _open_keyed(sample, part, label, opener)
    if isinstance(part, Mapping):
        raise mapping_error(part, label)
    row = as_array(part, label)[None]
    # The axis of the batch counts, so errors mention it.
    name = f"{label}, with the axis of the batch first,"
    resolve_feature_axis(tuple(row.shape), opener.options.feature_axis, name)
    return _open_keyed(sample, row, label, opener)


def _open_keyed(batch: object, part: object, label: str, opener: SourceOpener) -> Source:
    """Open a part of a batch; other parts may be the group keys and the weights of its rows."""
    opener, names = opener.with_options(select=None), parse_by(opener.options.by)
    if is_mapping_of_columns(part):
        return opener.open(part, label)
    keys = keys_from_batch(batch, names) if batch_has_keys(batch, names) else None
    weights = _weights_of(batch, part, label, opener.options.weights)
    if keys is not None:
        opener = opener.with_options(by=keys)
    if weights is not None:
        opener = opener.with_options(weights=weights)
    opened = opener.open(part, label)
    if weights is not None:
        if isinstance(opened, ImageSource):
            reject_weights_and_keys(opened.description, weights, None)
        opened = WeightedSource(opened, weights_of_rows({0: weights}, opened))
    return opened if keys is None else KeyedSource(opened, keys)


def _weights_of(batch: object, part: object, label: str, name: object) -> Weights | None:
    """Return the part of a dict that has the weights of its rows; a sample has one weight.

    Raises
    ------
    ColumnError
        If a dict has no part of this name.
    """
    if not isinstance(name, str) or not isinstance(batch, Mapping) or is_frame(part):
        return None
    if name not in batch:
        if is_stored(part) or is_hugging_face_dataset(part):
            return None  # it may be the name of one of its arrays or columns
        where = "the dict" if label == "the array" else label
        raise ColumnError(
            f"weights= must name a part of the dict. Received: {name!r}; {where} has "
            f"{format_names(batch)}.{suggest(name, map(str, batch))}"
        )
    return np.atleast_1d(as_floats(batch[name]))


def _part(batch: Any, label: str, opener: SourceOpener) -> Any:
    """Return the part of a batch to fit."""
    select = opener.options.select
    if select is not None:
        return select_part(batch, select, label)
    if not isinstance(batch, Mapping) and batch_has_keys(batch, parse_by(opener.options.by)):
        return batch[0]
    return opener.default_part(batch, label)
