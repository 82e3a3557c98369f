"""What adds up: rows into moments, moments into moments, and out of them again."""

import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np

from evenly import _core
from evenly.block import Block
from evenly.columns import Names, check_times, matching, unique_names
from evenly.errors import ColumnError, DataError
from evenly.moments.intake import add_block, feature_count
from evenly.moments.readings import Readings
from evenly.sources import open_source


class Group(Readings):
    """The state of `Moments` and its group: `update`, ``+``, ``-``, ``==``, and parts."""

    __slots__ = ("_cache", "_plain", "_rows")
    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self,
        state: _core.State,
        columns: Names,
        dtypes: tuple[str, ...],
        sources: Iterable[str] = (),
        rows: int = 0,
    ) -> None:
        self._state = state
        self._columns = columns
        self._dtypes = dtypes
        self._sources = list(sources)
        self._rows = rows
        self._lock = threading.Lock()  # for everything but the state, which locks itself
        self._cache: dict[object, Any] = {}
        self._plain: tuple[Any, Any] = (None, None)

    @classmethod
    def empty(
        cls, columns: int | Sequence[str] | None = None, *, sources: Iterable[str] = ()
    ) -> Self:
        """Return moments of no rows yet.

        Parameters
        ----------
        columns
            The number of columns, or their names. None: those of the first update.
        sources
            Where the rows will come from, for the statistics file.
        """
        if columns is None or isinstance(columns, int):
            names, number = None, columns or 0
        else:
            names = unique_names(columns)
            number = len(names)
        return cls(_core.State(number), names, ("",) * number, sources)

    def update(
        self,
        x: Any,
        *,
        weights: Any = None,
        feature_axis: int = -1,
        infinite: str = "error",
        threads: int | None = None,
    ) -> Self:
        """Add rows in place, and return itself. What is refused leaves it as it was.

        Parameters
        ----------
        x
            An array, a tensor, a frame, a `Block`, or any source that `evenly.fit` takes.
            Names are matched by name; without names, columns are matched by position.
            An array of one dimension is one column.
        weights
            One finite number a row, 0 or more: a weight of 2 equals the row twice.
        feature_axis
            The axis of an array along which its columns lie: 1 for images N×C×H×W.
        infinite
            ``"error"``, or ``"missing"`` to count infinities as missing: choose it when
            they stand for "no value" in your data.
        threads
            How many threads sum. None: as many as ``evenly.threads()`` says. The result is
            the same bits for any number.

        Raises
        ------
        DataError
            For an infinity, wrong weights, or a shape that does not fit.
        ColumnError
            For missing or unknown names.
        UnsupportedTypeError
            For values that are no numbers.
        """
        # A plain array or tensor of a dtype seen before: no object between it and the core.
        # Whatever is wrong with it is found again, and explained, on the long way.
        kind, dtype = self._plain
        if type(x) is kind and x.dtype is dtype and weights is None and infinite == "error":
            try:
                plain = x if kind is np.ndarray else x.numpy()
                if self._state.update(plain, feature_axis, None, False, threads or 0) is None:
                    self._note(plain.size // self._state.columns)
                    return self
            except (ValueError, TypeError, RuntimeError):
                pass
        self._update(x, weights, feature_axis, infinite, threads or 0)
        return self

    def _update(self, x: Any, weights: Any, feature_axis: int, infinite: str, threads: int) -> None:
        if isinstance(x, Block) and weights is not None:
            x = replace(x, weights=weights)
        if isinstance(x, Block) and self.num_features:
            self._take(x, infinite, threads)
            return
        if isinstance(x, Block):
            blocks: Iterable[Block] = [x]
        else:
            blocks = open_source(x, weights=weights, feature_axis=feature_axis).blocks()
        part = self.empty(self._columns or self.num_features)
        for block in blocks:
            part._take(block, infinite, threads)
        if not self._take_over(part):
            self._absorb(part)
        plain = type(x) is np.ndarray or type(x).__name__ == "Tensor"
        if plain and part._rows:  # no rows leave no dtype in the books
            self._plain = (type(x), x.dtype)

    def _take(self, block: Block, infinite: str, threads: int) -> None:
        """Add a block with the columns that we have; our first block brings them."""
        number = feature_count(block)
        names = self._columns if block.names is None else block.names
        if not self.num_features:
            self._adopt(self._state, names, number)
        if matching(self._columns, self.num_features, names, number) is not None:
            part = self.empty(block.names)
            part._take(block, infinite, threads)
            self._absorb(part)
            return
        dtypes = block.dtypes if len(block.dtypes) == number else block.dtypes * number
        check_times(self._columns, self._dtypes, dtypes)
        add_block(self._state, block, infinite, self._columns, threads)
        self._note(block.rows, dtypes)

    def update_some(self, block: Block, *, infinite: str = "error") -> None:
        """Add a block of some of our columns, those from ``block.first_column`` on.

        For whoever reads a table by columns, and sees to it that all of them get the same
        rows. It takes this thread only, and others may do the same meanwhile.
        """
        add_block(self._state, block, infinite, block.names, threads=1)
        first, stop = block.first_column, block.first_column + block.features
        with self._lock:
            before, after = self._dtypes[:first], self._dtypes[stop:]
            known = before + joined_dtypes(self._dtypes[first:stop], block.dtypes) + after
        self._note(0 if first else block.rows, known)

    def _note(self, rows: int, dtypes: tuple[str, ...] | None = None) -> None:
        """Keep the books after the state has changed; read-outs in the cache are old now."""
        with self._lock:
            self._rows += rows
            self._cache = {}
            if dtypes is not None and dtypes != self._dtypes:
                self._dtypes = joined_dtypes(self._dtypes, dtypes)

    def _adopt(self, zero: _core.State, names: Names, number: int) -> None:
        """Put other columns in the place of a zero, unless another thread was first."""
        with self._lock:
            if self._state is zero:
                self._state, self._columns = _core.State(number), names
                self._dtypes = ("",) * number
                self._cache = {}

    def _take_over(self, part: Self) -> bool:
        """Have what a part of our own has, which nobody else has seen, if we have no columns."""
        with self._lock:
            if self._state.columns:
                return False
            self._state, self._columns, self._dtypes = part._state, part._columns, part._dtypes
            self._rows += part._rows
            self._sources += part._sources
            self._cache = {}
        return True

    def _absorb(self, other: Self) -> None:
        """Add other in place."""
        theirs = self._aligned(other)
        if theirs is not None:
            check_times(self._columns, self._dtypes, theirs._dtypes)
            self._state.merge(theirs._state)
            self._note(theirs._rows, theirs._dtypes)
            with self._lock:
                self._sources += theirs._sources

    def _aligned(self, other: Self) -> Self | None:
        """Return other in our order of columns; None when it is the zero, of other columns.

        When we are the zero, we take its columns.
        """
        state = self._state
        try:
            order = matching(self._columns, state.columns, other._columns, other.num_features)
        except ColumnError:
            if self._state is not state:  # another thread was first: we have columns now
                return self._aligned(other)
            if state.columns and other._is_zero():
                return None
            if not self._is_zero():
                raise
            self._adopt(state, other._columns, other.num_features)
            return self._aligned(other)
        return other if order is None else other._at(order)

    def _is_zero(self) -> bool:
        state = self._state
        return not any(m for m, _ in state.counts()) and not any(m for m, _ in state.missings())

    def __sub__(self, other: object) -> Self:
        """Return the moments without the rows of other: the inverse of adding, bit for bit.

        Min and max cannot be un-merged. They become bounds, and say so.

        Raises
        ------
        DataError
            When other was never added: some column would have less than nothing.
        """
        if not isinstance(other, type(self)):
            return NotImplemented
        result = self.copy()
        theirs = result._aligned(other)
        if theirs is None or theirs._is_zero():
            return result
        check_times(result._columns, result._dtypes, theirs._dtypes)
        place = result._state.remove(theirs._state)
        if place >= 0:
            raise _never_added(result, theirs, place)
        result._rows = max(0, result._rows - theirs._rows)
        result._sources = list((Counter(result._sources) - Counter(theirs._sources)).elements())
        return result

    def __eq__(self, other: object) -> bool:
        """Whether both have the same columns, counts, sums and sums of squares, exactly."""
        if not isinstance(other, type(self)):
            return NotImplemented
        try:
            order = matching(self._columns, self.num_features, other._columns, other.num_features)
        except ColumnError:
            return self._is_zero() and other._is_zero()
        theirs = other._state if order is None else other._state.take(order)
        return bool(self._state == theirs)

    def _at(self, places: list[int]) -> Self:
        names = None if self._columns is None else tuple(self._columns[i] for i in places)
        dtypes = tuple(self._dtypes[i] for i in places)
        return type(self)(self._state.take(places), names, dtypes, self._sources, self._rows)

    def copy(self) -> Self:
        """Return moments of their own: updating one does not change the other."""
        state = self._state.copy()
        return type(self)(state, self._columns, self._dtypes, self._sources, self._rows)

    @property
    def num_features(self) -> int:
        """The number of columns; 0 before the first update of `Moments.empty()`."""
        return self._state.columns


def joined_dtypes(ours: tuple[str, ...], theirs: tuple[str, ...]) -> tuple[str, ...]:
    """Join the dtypes column by column; a wide array has one pair of them, not thousands."""
    if ours == theirs or not any(ours):
        return theirs
    pairs = list(zip(ours, theirs, strict=True))
    known = {pair: _union(*pair) for pair in set(pairs)}
    return tuple(known[pair] for pair in pairs)


def _union(ours: str, theirs: str) -> str:
    """Return two columns' dtypes as one text, whatever the order they came in."""
    if ours == theirs or not theirs:
        return ours
    return "|".join(sorted({*ours.split("|"), *theirs.split("|")} - {""}))


def _never_added(whole: Group, part: Group, place: int) -> DataError:
    name = place if whole._columns is None else repr(whole._columns[place])
    return DataError(
        "Only what was added can be subtracted. Received: moments that have more of column "
        f"{name} than there is: count {part.count[place]} of {whole.count[place]}, missing "
        f"{part.missing[place]} of {whole.missing[place]}, sum of squares "
        f"{float(part.sum_of_squares[place]):.6g} of {float(whole.sum_of_squares[place]):.6g}. "
        "Subtract from the sum that they are part of."
    )
