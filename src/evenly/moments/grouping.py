"""What adds up by group: one wide state, in which each group has columns of its own."""

import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from evenly import _core
from evenly.block import Block, Keys
from evenly.columns import Names, check_times, matching
from evenly.errors import ColumnError, DataError
from evenly.keys import Key, joined_kinds, shown
from evenly.moments.books import Books, mixed
from evenly.moments.group import joined_dtypes
from evenly.moments.group_intake import add_groups
from evenly.moments.intake import feature_count
from evenly.moments.readings import Readings
from evenly.sources import open_source
from evenly.sources.by import label_of

By = str | tuple[str, ...] | None
Places = npt.NDArray[np.int64]


class Grouping(Books):
    """The state of `GroupedMoments`: `update`, ``+``, ``-`` and ``==``."""

    __slots__ = ("_by", "_cache", "_kinds", "_places", "_rows", "_width")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, by: By, columns: Names = None, width: int = 0) -> None:
        self._by = by
        self._columns = columns
        self._width = width
        self._dtypes: tuple[str, ...] = ("",) * width
        self._kinds: tuple[str, ...] = ("",) * (len(by) if isinstance(by, tuple) else 1)
        self._places: dict[Key, int] = {}
        self._state = _core.State(0)
        self._rows: Places = np.zeros(0, np.int64)
        self._sources: list[str] = []
        self._lock = threading.RLock()
        self._cache: dict[object, Any] = {}

    @classmethod
    def empty(cls, by: str | Sequence[str] | None = None) -> Self:
        """Return moments of no rows yet.

        Parameters
        ----------
        by
            The name of the column that says which group a row belongs to, or several; None
            when keys will be given as arrays.
        """
        return cls(label_of(by))

    def update(
        self,
        x: Any,
        *,
        by: Any = None,
        weights: Any = None,
        feature_axis: int = -1,
        infinite: str = "error",
        threads: int | None = None,
    ) -> Self:
        """Add rows in place, and return itself. What is refused leaves it as it was.

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
            self._take(x, infinite, threads or 0)
            return self
        if by is None and self._by is None:
            raise DataError(
                "by= must have one key a row: these groups have no columns by name. Received: no "
                "by=. Pass by=keys."
            )
        named = [*self._by] if isinstance(self._by, tuple) else self._by
        opened = open_source(
            x, weights=weights, feature_axis=feature_axis, by=named if by is None else by
        )
        part = type(self)(self._by, self._columns, self._width)
        for block in opened.blocks():
            part._take(block, infinite, threads or 0)
        self._absorb(part)
        return self

    def _take(self, block: Block, infinite: str, threads: int) -> None:
        with self._lock:
            known = len(self._places)
            books = self._columns, self._width, self._dtypes, self._kinds
            try:
                self._add(block, infinite, threads)
            except Exception:
                self._forget(known)
                self._columns, self._width, self._dtypes, self._kinds = books
                raise
            self._cache = {}

    def _add(self, block: Block, infinite: str, threads: int) -> None:
        number = feature_count(block)
        assert block.keys is not None
        if not self._width:
            self._adopt(block.names, number)
        names = self._columns if block.names is None else block.names
        order = matching(self._columns, self._width, names, number)
        dtypes = block.dtypes if len(block.dtypes) == number else block.dtypes * number
        dtypes = dtypes if order is None else tuple(dtypes[i] for i in order)
        check_times(self._columns, self._dtypes, dtypes)
        keys, rows = used(block.keys)
        places = self._places_of(keys.entries, block.place)
        add_groups(self._state, block, keys, places, order, infinite, names, threads)
        self._rows[places] += rows
        self._dtypes = joined_dtypes(self._dtypes, dtypes)

    def _adopt(self, columns: Names, width: int) -> None:
        """Take the columns of the first rows."""
        self._columns, self._width = columns, width
        self._dtypes = ("",) * width

    def _places_of(self, keys: Sequence[Key], place: str) -> Places:
        """Return where the groups of these keys are; new ones get a place at the end."""
        new = [key for key in keys if key not in self._places]
        self._kinds = joined_kinds(self._kinds, new, self._by, place)
        known = len(self._places)
        self._places.update(zip(new, range(known, known + len(new)), strict=True))
        self._rows = np.append(self._rows, np.zeros(len(new), np.int64))
        return np.fromiter((self._places[key] for key in keys), np.int64, len(keys))

    def _forget(self, known: int) -> None:
        """Drop the groups that came after these: no row of them was taken."""
        if len(self._places) == known:
            return
        for key in list(self._places)[known:]:
            del self._places[key]
        self._rows = self._rows[:known]
        self._state = self._state.take(self._columns_of(np.arange(known)))

    def _columns_of(self, places: Places | Sequence[int]) -> list[int]:
        """Return the places of groups' columns in the state."""
        starts = np.asarray(places, np.int64)[:, None] * self._width
        return (starts + np.arange(self._width)).ravel().tolist()

    def _absorb(self, other: Self) -> None:
        """Add other in place."""
        with self._lock:
            if not other._places:
                return
            if not self._places and self._by is None:  # the zero of all groups
                self._by, self._kinds = other._by, ("",) * len(other._kinds)
            self._check_by(other)
            if not self._width or (not self._places and other._columns != self._columns):
                self._adopt(other._columns, other._width)
            theirs = self._aligned(other)
            check_times(self._columns, self._dtypes, theirs._dtypes)
            places = self._places_of(list(theirs._places), "what is added")
            self._state.merge_groups(theirs._state, self._width, places)
            self._rows[places] += theirs._rows
            self._dtypes = joined_dtypes(self._dtypes, theirs._dtypes)
            self._sources += theirs._sources
            self._cache = {}

    def _check_by(self, other: "Grouping") -> None:
        if self._by != other._by:
            raise ColumnError(
                "Groups must be by the same columns, in the same order. "
                f"Received: by={self._by!r} and by={other._by!r}. Fit both with the same by=."
            )

    def _aligned(self, other: Self) -> Self:
        """Return other with its columns in our order."""
        order = matching(self._columns, self._width, other._columns, other._width)
        return other if order is None else other._with_columns(order)

    def _with_columns(self, places: Sequence[int]) -> Self:
        """Return the same groups with some of their columns."""
        names = None if self._columns is None else tuple(self._columns[i] for i in places)
        result = type(self)(self._by, names, len(places))
        starts = np.arange(len(self._places))[:, None] * self._width
        result._state = self._state.take((starts + np.asarray(places)).ravel().tolist())
        result._dtypes = tuple(self._dtypes[i] for i in places)
        result._places, result._rows = dict(self._places), self._rows.copy()
        result._kinds, result._sources = self._kinds, list(self._sources)
        return result

    def copy(self) -> Self:
        """Return moments of their own: updating one does not change the other."""
        with self._lock:
            return self._with_columns(range(self._width))

    def __getstate__(self) -> Any:
        own = self.copy()
        keys, packed = list(own._places), own._state.pack()
        what = own._by, own._columns, own._width, own._dtypes, own._kinds
        return (*what, keys, packed, own._rows, own._sources)

    def __setstate__(self, saved: Any) -> None:
        by, columns, width, dtypes, kinds, keys, packed, rows, sources = saved
        Grouping.__init__(self, by, columns, width)
        self._dtypes, self._kinds, self._rows, self._sources = dtypes, kinds, rows, sources
        self._places = {key: place for place, key in enumerate(keys)}
        self._state = _core.State.unpack(packed)

    def _padded(self, keys: Iterable[Key]) -> _core.State:
        """Return the state of these groups, in this order; of a group that is not here, zeros."""
        none = len(self._places)
        state = self._state.copy()
        state.grow((none + 1) * self._width)
        return state.take(self._columns_of([self._places.get(key, none) for key in keys]))

    def __add__(self, other: object) -> Self:
        """Return the moments of both sets of rows together."""
        _refuse_plain(other)
        return super().__add__(other)

    def __sub__(self, other: object) -> Self:
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
        self._check_by(other)
        result = self.copy()
        if other._is_zero():
            return result
        theirs = result._aligned(other)
        check_times(result._columns, result._dtypes, theirs._dtypes)
        keys = [*result._places, *(key for key in theirs._places if key not in result._places)]
        state = result._padded(keys)
        place = state.remove(theirs._padded(keys))
        if place >= 0:
            group, column = divmod(place, result._width)
            raise _never_added(keys[group], result._columns, column)
        rows = {key: int(theirs._rows[at]) for key, at in theirs._places.items()}
        return result._left(state, keys, rows, theirs._sources)

    def __rsub__(self, other: object) -> Self:
        _refuse_plain(other)
        return NotImplemented

    def _left(
        self, state: _core.State, keys: list[Key], gone: dict[Key, int], sources: list[str]
    ) -> Self:
        """Keep what is left after a subtraction: the groups that still have something."""
        there = has_rows(state, self._width)
        kept = [key for key, some in zip(keys, there, strict=True) if some]
        rows = [int(self._rows[self._places[key]]) - gone.get(key, 0) for key in kept]
        self._state = state.take(self._columns_of(np.flatnonzero(there)))
        self._places = {key: place for place, key in enumerate(kept)}
        self._rows = np.maximum(np.array(rows, np.int64), 0)
        self._sources = list((Counter(self._sources) - Counter(sources)).elements())
        return self

    def _is_zero(self) -> bool:
        return not has_rows(self._state, max(1, self._width)).any()

    def __eq__(self, other: object) -> bool:
        """Whether both have the same groups, each with equal moments, in whatever order."""
        if not isinstance(other, type(self)):
            return NotImplemented
        if self._is_zero() or other._is_zero():
            return self._is_zero() and other._is_zero()
        try:
            self._check_by(other)
            theirs = self._aligned(other)
        except ColumnError:
            return False
        keys = self._places.keys() | theirs._places.keys()
        return bool(self._padded(keys) == theirs._padded(keys))


def _refuse_plain(other: object) -> None:
    if isinstance(other, Readings):
        raise mixed("moments without")


def used(keys: Keys) -> tuple[Keys, Places]:
    """Return keys without entries that no row has, and how many rows each entry has."""
    rows = np.bincount(keys.codes, minlength=len(keys.entries)).astype(np.int64)
    there = rows > 0
    if there.all():
        return keys, rows
    codes = (np.cumsum(there) - 1)[keys.codes]
    entries = tuple(entry for entry, some in zip(keys.entries, there, strict=True) if some)
    return Keys(codes, entries), rows[there]


def has_rows(state: _core.State, width: int) -> npt.NDArray[np.bool_]:
    """Return for each group whether it has a row of any weight."""
    there = [
        bool(count[0] or missing[0])
        for count, missing in zip(state.counts(), state.missings(), strict=True)
    ]
    some: npt.NDArray[np.bool_] = np.logical_or.reduce(np.reshape(there, (-1, width)), axis=1)
    return some.astype(np.bool_)


def _never_added(key: Key, columns: Names, column: int) -> DataError:
    name = column if columns is None else repr(columns[column])
    return DataError(
        "Only what was added can be subtracted. Received: moments that have more of column "
        f"{name} in group {shown(key)!r} than there is. "
        "Subtract from the sum that they are part of."
    )
