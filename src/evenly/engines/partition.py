"""Pure functions that fit one partition and merge partial fits; engines send them to workers.

A `PartialFit` holds the moments of one or more partitions. Its pickle has about 45 bytes per
column, written and read in 0.1 µs per column. (A statistics file would take 260 bytes, 13 µs to
write and 18 µs to read; compression would save a quarter, for 0.5 µs:
``benchmarks/merge_scale.py``.)
"""

import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from types import MappingProxyType

from evenly.errors import ColumnError, DataError, EvenlyError
from evenly.fitting.protocols import AnyMoments
from evenly.fitting.run import finalize, no_numbers_error, run_fit
from evenly.moments import Moments
from evenly.moments.base import MomentsBase
from evenly.sources import FitOptions, open_source
from evenly.sources.fields import NO_VALUES


@dataclass(frozen=True, slots=True)
class PartialFit:
    """The result of fitting one or more partitions.

    Attributes
    ----------
    moments
        Moments of all columns that can be fitted. They include columns without a value, since
        another partition may have values for them.
    left_out
        Columns that are not numeric, with the reason. One partition decides for all.
    unseen
        Numeric columns without a value.
    label
        Name of the partition, or of the first one, for messages.
    """

    moments: AnyMoments
    left_out: dict[str, str]
    unseen: frozenset[str]
    label: str


def fit_partition(part: object, options: FitOptions, label: str) -> bytes:
    """Return a partition's `PartialFit`, as bytes.

    Raises
    ------
    EvenlyError
        As `evenly.fit` does; the message contains the label.
    """
    try:
        return pickle.dumps(_fit(part, options, label), 5)
    except EvenlyError as error:
        if label in str(error):
            raise
        raise type(error)(f"{error} It occurred in {label}.") from None


def _fit(part: object, options: FitOptions, label: str) -> PartialFit:
    if hasattr(part, "__len__") and len(part) == 0:
        return PartialFit(Moments.empty(), {}, frozenset(), label)
    source = open_source(part, options, label=label)
    moments = run_fit(source, replace(options, threads=options.threads or 1))
    moments.sources = ()
    left_out = {name: why for name, why in source.left_out.items() if why != NO_VALUES}
    return PartialFit(moments, left_out, frozenset(source.left_out.keys() - left_out.keys()), label)


def merge_partials(partials: Iterable[bytes]) -> bytes:
    """Merge several partial fits into one: an inner node of an engine's reduction tree."""
    return pickle.dumps(reduce(_merge_two, map(pickle.loads, partials)), 5)


def _merge_two(a: PartialFit, b: PartialFit) -> PartialFit:
    if not a.moments.rows or not b.moments.rows:  # an empty partition has no effect
        return a if a.moments.rows else b
    left_out = b.left_out | a.left_out
    moments, other = _drop_columns(a, left_out), _drop_columns(b, left_out)
    total: MomentsBase = moments
    try:
        total.merge_inplace(other)  # both were unpickled for this
    except (ColumnError, DataError) as error:
        raise type(error)(f"{error} This merges {a.label} and {b.label}.") from None
    return PartialFit(moments, left_out, a.unseen & b.unseen, a.label)


def _drop_columns(partial: PartialFit, left_out: dict[str, str]) -> AnyMoments:
    names = partial.moments.columns
    if not left_out or names is None or left_out.keys().isdisjoint(names):
        return partial.moments
    kept = [name for name in names if name not in left_out]
    if not kept:
        raise no_numbers_error(partial.label)
    return partial.moments.select(kept)


def finalize_partials(
    partials: Iterable[bytes], description: str, left_out: Mapping[str, str] = MappingProxyType({})
) -> AnyMoments:
    """Return the moments of all partitions, or grouped moments: the root of the tree.

    Parameters
    ----------
    description
        Description of the data, for messages and for ``moments.sources``.
    left_out
        Columns that are not fitted and that no partition reads, with the reason.

    Raises
    ------
    DataError
        When there are no rows or no numeric columns.
    """
    empty = PartialFit(Moments.empty(), {}, frozenset(), "")  # an engine may have no partition
    merged = reduce(_merge_two, map(pickle.loads, partials), empty)
    without_values = dict.fromkeys(sorted(merged.unseen), NO_VALUES)
    return finalize(merged.moments, {**left_out, **merged.left_out, **without_values}, description)
