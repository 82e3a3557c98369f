"""Update, merge and subtract moments by group, stored in one state."""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from evenly import _core
from evenly.block import Block, GroupKeys
from evenly.columns import ColumnNames, check_time_units, match_columns
from evenly.distribution.option import most_bins
from evenly.errors import ColumnError, DataError
from evenly.group_keys import By, Key, format_key, merge_key_types
from evenly.key_index import KeyIndex
from evenly.moments.base import MomentsBase, mixed_grouping_error
from evenly.moments.distribution import distribution_error
from evenly.moments.ingest import add_grouped_block, num_columns
from evenly.moments.metadata import GroupMetadata, merge_dtypes, merge_left_out
from evenly.moments.statistics import StatisticsMixin
from evenly.sources import ReadOptions, open_source
from evenly.sources.group_names import group_label
from evenly.system.locks import ForkSafeLock
from evenly.typing import FeatureAxis, GroupBy, Infinite

IndexArray = npt.NDArray[np.int64]


class GroupAccumulator(MomentsBase):
    """The state of `GroupedMoments`, with `update`, `copy`, ``+``, ``-`` and ``==``.

    The state of the core has the columns of each group.

    ``_index`` maps the key of each group to its index in the state. Only the first
    ``_state.groups`` keys are valid: keys of an update that failed or was interrupted may follow
    them until the next update removes these.
    """

    __slots__ = ("_guard", "_index")
    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self,
        metadata: GroupMetadata,
        indices: KeyIndex | None = None,
        state: _core.State | None = None,
    ) -> None:
        self._index = KeyIndex() if indices is None else indices
        self._state = _core.State(0, 0) if state is None else state
        self._state.metadata = metadata
        self._guard = ForkSafeLock()
        self._cache: tuple[int, dict[object, Any]] = (-1, {})

    @property
    def _lock(self) -> "threading.RLock":
        return self._guard.lock

    @property
    def _metadata(self) -> GroupMetadata:
        return self._state.metadata  # type: ignore[no-any-return]

    @property
    def _width(self) -> int:
        return self._metadata.width

    @classmethod
    def empty(
        cls, by: str | Sequence[str] | None = None, *, distribution: bool | int = False
    ) -> Self:
        """Return moments without rows.

        Parameters
        ----------
        by
            The name or names of the columns with the group keys; None if keys will be passed as
            arrays.
        distribution
            Whether to keep the distribution of each column, as in `evenly.fit`.
        """
        state = _core.State(0, 0, most_bins(distribution))
        return cls(_empty_metadata(group_label(by)), None, state)

    @property
    def distribution(self) -> int:
        """The maximum number of bins of each column of a group; 0 without distributions."""
        return self._state.bins

    def _empty_part(self) -> Self:
        """Return moments without rows, which have the same columns and options."""
        state = _core.State(0, 0, self.distribution)
        return type(self)(self._metadata._replace(sources=()), None, state)

    def update(
        self,
        x: object,
        *,
        by: GroupBy | None = None,
        weights: object = None,
        feature_axis: FeatureAxis = None,
        infinite: Infinite = "error",
        threads: int | None = None,
    ) -> Self:
        """Add rows in place, and return self. The state is unchanged when an error is raised.

        Parameters
        ----------
        x
            Any source that `evenly.fit` accepts. A frame must have the columns that `by` names.
        by
            One key per row, for arrays. None: the columns of `GroupedMoments.by`.
        weights, feature_axis, infinite, threads
            As in `Moments.update`.

        Raises
        ------
        DataError
            For an infinity, a key of another type than before, or a shape that does not match.
        ColumnError
            For missing or unknown columns.
        """
        if isinstance(x, Block):
            self._add_block(x, infinite, threads or 0)
            return self
        key_columns = self._metadata.by
        if by is None and key_columns is None:
            raise DataError(
                "by= must have one key per row, since these groups have no key columns. Received: "
                "no by=. Pass by=keys."
            )
        names = [*key_columns] if isinstance(key_columns, tuple) else key_columns
        by = names if by is None else by
        options = ReadOptions(weights=weights, feature_axis=feature_axis, by=by)
        opened = open_source(x, options)
        part = self._empty_part()
        for block in opened.blocks():
            part._add_block(block, infinite, threads or 0)
        part.left_out = opened.left_out
        self.merge_inplace(part, consume=True)
        return self

    def _add_block(self, block: Block, infinite: Infinite, threads: int) -> None:
        """Add a block in one call of the core."""
        if block.verify is not None:
            part = self._empty_part()
            part._add_block(replace(block, verify=None), infinite, threads)
            block.verify()
            self.merge_inplace(part, consume=True)
            return
        with self._lock:
            number = num_columns(block)
            assert block.keys is not None
            metadata = self._metadata
            if not metadata.width:  # the first block defines the columns
                metadata = metadata._replace(columns=block.names, dtypes=("",) * number)
            names = metadata.columns if block.names is None else block.names
            order = match_columns(metadata.columns, metadata.width, names, number)
            dtypes = block.dtypes if len(block.dtypes) == number else block.dtypes * number
            dtypes = dtypes if order is None else tuple(dtypes[i] for i in order)
            check_time_units(metadata.columns, metadata.dtypes, dtypes)
            keys = drop_unused(block.keys)
            indices, key_types = self._indices_for(keys.uniques, metadata, block.label)
            dtypes = merge_dtypes(metadata.dtypes, dtypes)
            new = metadata._replace(dtypes=dtypes, key_types=key_types)
            add_grouped_block(
                self._state, block, keys, indices, order, infinite, names, threads, new
            )

    def _indices_for(
        self, keys: Sequence[Key], metadata: GroupMetadata, label: str
    ) -> tuple[IndexArray, tuple[str, ...]]:
        """Return the indices of the groups of some keys, and the types of all keys together.

        New keys get indices at the end, which are valid once the state has their groups.
        """
        known = self._state.groups
        while len(self._index) > known:
            self._index.popitem()
        indices = self._index.numbers(keys)
        new = [key for key, index in zip(keys, indices, strict=True) if index >= known]
        key_types = merge_key_types(metadata.key_types, new, metadata.by, label)
        return np.array(indices, np.int64), key_types

    def _keys(self) -> Iterator[Key]:
        """Yield the keys of the groups, in the order of their indices."""
        return islice(self._index, self._state.groups)

    def _index_of_groups(self) -> KeyIndex:
        """Return a copy of the indices of the groups."""
        indices = self._index.copy()
        while len(indices) > self._state.groups:
            indices.popitem()
        return indices

    def merge_inplace(self, other: Self, *, consume: bool = False, private: bool = False) -> None:
        """Add other in place, in one call of the core: all groups or, after an error, none."""
        theirs = other if consume else other.copy()
        with self._lock:
            if not theirs._index:
                return
            if bool(self.distribution) != bool(theirs.distribution) and not (
                self._is_zero() or theirs._is_zero()
            ):
                raise distribution_error()
            metadata = self._metadata_for(theirs._metadata)
            theirs = theirs._align(metadata)
            added = theirs._metadata
            check_time_units(metadata.columns, metadata.dtypes, added.dtypes)
            indices, key_types = self._indices_for(
                list(theirs._index), metadata, "the added moments"
            )
            new = metadata._replace(
                dtypes=merge_dtypes(metadata.dtypes, added.dtypes),
                key_types=key_types,
                sources=metadata.sources + added.sources,
                left_out=merge_left_out(metadata.left_out, added.left_out, metadata.columns),
            )
            self._state.merge_groups(theirs._state, new.width, indices, new, consume=True)

    def _metadata_for(self, added: GroupMetadata) -> GroupMetadata:
        """Return the own metadata; without groups, keys and columns are those to be added."""
        metadata, is_empty = self._metadata, not self._state.groups
        if is_empty and metadata.by is None:
            metadata = metadata._replace(by=added.by, key_types=("",) * len(added.key_types))
        _check_by(metadata, added)
        if not metadata.width or (is_empty and added.columns != metadata.columns):
            metadata = metadata._replace(columns=added.columns, dtypes=("",) * added.width)
        return metadata

    def _align(self, metadata: GroupMetadata) -> Self:
        """Return the same groups with the columns in the order of the metadata."""
        own = self._metadata
        order = match_columns(metadata.columns, metadata.width, own.columns, own.width)
        return self if order is None else self._with_columns(order)

    def _with_columns(self, indices: Sequence[int]) -> Self:
        """Return the same groups with some of their columns."""
        with self._lock:
            metadata = self._metadata
            columns = metadata.columns
            names = None if columns is None else tuple(columns[i] for i in indices)
            dtypes = tuple(metadata.dtypes[i] for i in indices)
            state = (
                self._state.take_columns(list(indices), metadata.width)
                if self._state.groups
                else _core.State(0, 0, self.distribution)
            )
            return type(self)(
                metadata._replace(columns=names, dtypes=dtypes), self._index_of_groups(), state
            )

    def copy(self) -> Self:
        """Return an independent copy."""
        with self._lock:
            state = self._state.copy()
            return type(self)(state.metadata, self._index_of_groups(), state)

    def __getstate__(self) -> Any:
        own = self.copy()
        return own._metadata, list(own._index), own._state.pack(), own._state.group_rows

    def __setstate__(self, saved: Any) -> None:
        metadata, keys, packed, rows = saved
        state = _core.State.unpack(packed, len(rows))
        state.group_rows = rows
        GroupAccumulator.__init__(self, metadata, KeyIndex.of(keys), state)

    def _reindexed(self, keys: Iterable[Key]) -> _core.State:
        """Return the state of the groups of some keys in order; zeros for unknown groups."""
        indices = [self._index.get(key, -1) for key in keys]
        return self._state.take_groups(np.array(indices, np.int64), self._width)

    def __add__(self, other: Self | Literal[0]) -> Self:
        """Return the moments of both sets of rows together."""
        _check_grouped(other)
        return super().__add__(other)

    def __sub__(self, other: Self) -> Self:
        """Return the moments without the rows of other: the exact inverse of addition.

        Groups without remaining rows are removed.

        Raises
        ------
        DataError
            When other was not added before: some count or sum of squares would be negative.
        """
        _check_grouped(other)
        if not isinstance(other, type(self)):
            return NotImplemented
        _check_by(self._metadata, other._metadata)
        result, theirs = self.copy(), other.copy()
        if theirs._is_zero():
            return result
        metadata = result._metadata
        theirs = theirs._align(metadata)
        check_time_units(metadata.columns, metadata.dtypes, theirs.dtypes)
        if result.distribution and not theirs.distribution:
            raise distribution_error()
        keys = [*result._index, *(key for key in theirs._index if key not in result._index)]
        state = result._reindexed(keys)
        index = state.remove(theirs._reindexed(keys))
        if index >= 0:
            group, column = divmod(index, metadata.width)
            raise _subtraction_error(keys[group], metadata.columns, column)
        sources = Counter(metadata.sources) - Counter(theirs._metadata.sources)
        remaining = np.flatnonzero(has_rows(state, metadata.width))
        return type(self)(
            metadata._replace(sources=tuple(sources.elements())),
            KeyIndex.of(keys[index] for index in remaining),
            state.take_groups(remaining, metadata.width),
        )

    def __rsub__(self, other: object) -> Self:
        _check_grouped(other)
        return NotImplemented

    def _is_zero(self) -> bool:
        return not has_rows(self._state, max(1, self._width)).any()

    def __eq__(self, other: object) -> bool:
        """Return whether both have the same groups, with equal moments, in any order."""
        if not isinstance(other, type(self)):
            return NotImplemented
        ours, theirs = self.copy(), other.copy()
        if ours._is_zero() or theirs._is_zero():
            return ours._is_zero() and theirs._is_zero()
        try:
            _check_by(ours._metadata, theirs._metadata)
            theirs = theirs._align(ours._metadata)
        except ColumnError:
            return False
        keys = ours._index.copy()
        keys.numbers(theirs._index)
        return bool(ours._reindexed(keys) == theirs._reindexed(keys))


def _empty_metadata(by: By) -> GroupMetadata:
    return GroupMetadata(None, (), (), by, ("",) * (len(by) if isinstance(by, tuple) else 1))


def _check_by(ours: GroupMetadata, theirs: GroupMetadata) -> None:
    if ours.by != theirs.by:
        raise ColumnError(
            "Groups must have the same key columns, in the same order. "
            f"Received: by={ours.by!r} and by={theirs.by!r}. Fit both with the same by=."
        )


def _check_grouped(other: object) -> None:
    if isinstance(other, StatisticsMixin):
        raise mixed_grouping_error("moments without groups")


def drop_unused(keys: GroupKeys) -> GroupKeys:
    """Return keys without unique values that no row has."""
    is_used = np.bincount(keys.codes, minlength=len(keys.uniques)) > 0
    if is_used.all():
        return keys
    codes = (np.cumsum(is_used) - 1)[keys.codes]
    return GroupKeys(
        codes, tuple(key for key, used in zip(keys.uniques, is_used, strict=True) if used)
    )


def has_rows(state: _core.State, width: int) -> npt.NDArray[np.bool_]:
    """Return whether each group has a row with a weight above 0."""
    by_column = [
        bool(count[0] or missing[0])
        for count, missing in zip(state.counts(), state.missings(), strict=True)
    ]
    by_group: npt.NDArray[np.bool_] = np.logical_or.reduce(
        np.reshape(by_column, (-1, width)), axis=1
    )
    return by_group.astype(np.bool_)


def _subtraction_error(key: Key, columns: ColumnNames, column: int) -> DataError:
    name = column if columns is None else repr(columns[column])
    return DataError(
        "Only moments that were added can be subtracted. Received: moments that exceed the total "
        f"in column {name} of group {format_key(key)!r}. "
        "Subtract them from a sum that includes them."
    )
