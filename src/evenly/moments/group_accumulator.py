"""What adds up by group: one wide state, in which each group has columns of its own."""

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
from evenly.errors import ColumnError, DataError
from evenly.group_keys import Key, format_key, merge_key_types
from evenly.key_index import KeyIndex
from evenly.moments.base import MomentsBase, mixed_grouping_error
from evenly.moments.ingest import add_grouped_block, num_columns
from evenly.moments.metadata import GroupMetadata, merge_dtypes
from evenly.moments.records import By
from evenly.moments.statistics import StatisticsMixin
from evenly.sources import open_source
from evenly.sources.group_by import group_label
from evenly.system.locks import ForkSafeLock
from evenly.typing import Infinite

IndexArray = npt.NDArray[np.int64]


class GroupAccumulator(MomentsBase):
    """The state of `GroupedMoments`: `update`, ``+``, ``-`` and ``==``.

    ``_index`` has the index of each group's columns in the state, in the order of the groups. The
    first ``_state.groups`` of them count: those of an update that was interrupted or refused may
    follow, until the next one drops them.
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
    def empty(cls, by: str | Sequence[str] | None = None) -> Self:
        """Return moments of no rows yet.

        Parameters
        ----------
        by
            The name of the column that says which group a row belongs to, or several; None
            when keys will be given as arrays.
        """
        return cls(_empty_metadata(group_label(by)))

    def update(
        self,
        x: object,
        *,
        by: Any = None,
        weights: object = None,
        feature_axis: int = -1,
        infinite: Infinite = "error",
        threads: int | None = None,
    ) -> Self:
        """Add rows in label, and return itself. What is refused leaves it as it was.

        Parameters
        ----------
        x
            Any source that `evenly.fit` takes. A frame must have the columns that `by` names.
        by
            One key a row, for arrays. None: the columns of `GroupedMoments.by`.
        weights, feature_axis, infinite, threads
            As of `Moments.update`.

        Raises
        ------
        DataError
            For an infinity, a key of another kind than before, or a shape that does not fit.
        ColumnError
            For missing or unknown names.
        """
        if isinstance(x, Block):
            self._add_block(x, infinite, threads or 0)
            return self
        ours = self._metadata.by
        if by is None and ours is None:
            raise DataError(
                "by= must have one key per row: these groups have no columns by name. Received: no "
                "by=. Pass by=keys."
            )
        named = [*ours] if isinstance(ours, tuple) else ours
        opened = open_source(
            x, weights=weights, feature_axis=feature_axis, by=named if by is None else by
        )
        part = type(self)(self._metadata._replace(sources=()))
        for block in opened.blocks():
            part._add_block(block, infinite, threads or 0)
        self._merge_inplace(part, consume=True)
        return self

    def _add_block(self, block: Block, infinite: str, threads: int) -> None:
        """Add a block, in one step of the core."""
        if block.verify is not None:
            part = type(self)(self._metadata._replace(sources=()))
            part._add_block(replace(block, verify=None), infinite, threads)
            block.verify()
            self._merge_inplace(part, consume=True)
            return
        with self._lock:
            number = num_columns(block)
            assert block.keys is not None
            metadata = self._metadata
            if not metadata.width:  # the columns of the first rows are ours
                metadata = metadata._replace(columns=block.names, dtypes=("",) * number)
            names = metadata.columns if block.names is None else block.names
            order = match_columns(metadata.columns, metadata.width, names, number)
            dtypes = block.dtypes if len(block.dtypes) == number else block.dtypes * number
            dtypes = dtypes if order is None else tuple(dtypes[i] for i in order)
            check_time_units(metadata.columns, metadata.dtypes, dtypes)
            keys = drop_unused(block.keys)
            indices, kinds = self._indices_for(keys.uniques, metadata, block.label)
            dtypes = merge_dtypes(metadata.dtypes, dtypes)
            new = metadata._replace(dtypes=dtypes, kinds=kinds)
            add_grouped_block(
                self._state, block, keys, indices, order, infinite, names, threads, new
            )

    def _indices_for(
        self, keys: Sequence[Key], metadata: GroupMetadata, label: str
    ) -> tuple[IndexArray, tuple[str, ...]]:
        """Return where the groups of these keys are, and the kinds of all keys together.

        New ones get an index at the end. They count from when the state has them.
        """
        known = self._state.groups
        while len(self._index) > known:
            self._index.popitem()
        indices = self._index.numbers(keys)
        new = [key for key, index in zip(keys, indices, strict=True) if index >= known]
        kinds = merge_key_types(metadata.kinds, new, metadata.by, label)
        return np.array(indices, np.int64), kinds

    def _keys(self) -> Iterator[Key]:
        """Yield the keys of the groups, in the order of their indices."""
        return islice(self._index, self._state.groups)

    def _index_of_groups(self) -> KeyIndex:
        """Return a copy of the indices of the groups."""
        indices = self._index.copy()
        while len(indices) > self._state.groups:
            indices.popitem()
        return indices

    def _merge_inplace(self, other: Self, *, consume: bool = False, private: bool = False) -> None:
        """Add other in label, in one step of the core; with ``consume``, other is used up.

        Groups are added all or none, also with ``private``.
        """
        theirs = other if consume else other.copy()
        with self._lock:
            if not theirs._index:
                return
            metadata, more = self._metadata, theirs._metadata
            if not self._state.groups and metadata.by is None:  # the zero of all groups
                metadata = metadata._replace(by=more.by, kinds=("",) * len(more.kinds))
            _check_by(metadata, more)
            if not metadata.width or (not self._state.groups and more.columns != metadata.columns):
                metadata = metadata._replace(columns=more.columns, dtypes=("",) * more.width)
            theirs = theirs._align(metadata)
            more = theirs._metadata
            check_time_units(metadata.columns, metadata.dtypes, more.dtypes)
            indices, kinds = self._indices_for(list(theirs._index), metadata, "what is added")
            new = metadata._replace(
                dtypes=merge_dtypes(metadata.dtypes, more.dtypes),
                kinds=kinds,
                sources=metadata.sources + more.sources,
            )
            self._state.merge_groups(theirs._state, new.width, indices, new, consume=True)

    def _align(self, metadata: GroupMetadata) -> Self:
        """Return the same groups with the columns in the order of other moments'."""
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
                else None
            )
            return type(self)(
                metadata._replace(columns=names, dtypes=dtypes), self._index_of_groups(), state
            )

    def copy(self) -> Self:
        """Return moments of their own: updating one does not change the other."""
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
        """Return the state of these groups, in this order; of a group that is not here, zeros."""
        indices = [self._index.get(key, -1) for key in keys]
        return self._state.take_groups(np.array(indices, np.int64), self._width)

    def __add__(self, other: Self | Literal[0]) -> Self:
        """Return the moments of both sets of rows together."""
        _refuse_plain(other)
        return super().__add__(other)

    def __sub__(self, other: Self) -> Self:
        """Return the moments without the rows of other: the inverse of adding, bit for bit.

        A group of which nothing is left is gone.

        Raises
        ------
        DataError
            When other was never added: some group would have less than nothing.
        """
        _refuse_plain(other)
        if not isinstance(other, type(self)):
            return NotImplemented
        _check_by(self._metadata, other._metadata)
        result, theirs = self.copy(), other.copy()
        if theirs._is_zero():
            return result
        metadata = result._metadata
        theirs = theirs._align(metadata)
        check_time_units(metadata.columns, metadata.dtypes, theirs.dtypes)
        keys = [*result._index, *(key for key in theirs._index if key not in result._index)]
        state = result._reindexed(keys)
        index = state.remove(theirs._reindexed(keys))
        if index >= 0:
            group, column = divmod(index, metadata.width)
            raise _subtraction_error(keys[group], metadata.columns, column)
        left = Counter(metadata.sources) - Counter(theirs._metadata.sources)
        there = np.flatnonzero(has_rows(state, metadata.width))
        return type(self)(
            metadata._replace(sources=tuple(left.elements())),
            KeyIndex.of(keys[index] for index in there),
            state.take_groups(there, metadata.width),
        )

    def __rsub__(self, other: object) -> Self:
        _refuse_plain(other)
        return NotImplemented

    def _is_zero(self) -> bool:
        return not has_rows(self._state, max(1, self._width)).any()

    def __eq__(self, other: object) -> bool:
        """Whether both have the same groups, each with equal moments, in whatever order."""
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
            "Groups must be by the same columns, in the same order. "
            f"Received: by={ours.by!r} and by={theirs.by!r}. Fit both with the same by=."
        )


def _refuse_plain(other: object) -> None:
    if isinstance(other, StatisticsMixin):
        raise mixed_grouping_error("moments without")


def drop_unused(keys: GroupKeys) -> GroupKeys:
    """Return keys without entries that no row has."""
    there = np.bincount(keys.codes, minlength=len(keys.uniques)) > 0
    if there.all():
        return keys
    codes = (np.cumsum(there) - 1)[keys.codes]
    return GroupKeys(
        codes, tuple(entry for entry, some in zip(keys.uniques, there, strict=True) if some)
    )


def has_rows(state: _core.State, width: int) -> npt.NDArray[np.bool_]:
    """Return for each group whether it has a row of any weight."""
    there = [
        bool(count[0] or missing[0])
        for count, missing in zip(state.counts(), state.missings(), strict=True)
    ]
    some: npt.NDArray[np.bool_] = np.logical_or.reduce(np.reshape(there, (-1, width)), axis=1)
    return some.astype(np.bool_)


def _subtraction_error(key: Key, columns: ColumnNames, column: int) -> DataError:
    name = column if columns is None else repr(columns[column])
    return DataError(
        "Only what was added can be subtracted. Received: moments that have more of column "
        f"{name} in group {format_key(key)!r} than there is. "
        "Subtract from the sum that they are part of."
    )
