"""What adds up: rows into moments, moments into moments, and out of them again."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np

from evenly import _core, exact_stats
from evenly.block import Block
from evenly.columns import ColumnNames, check_time_units, match_columns, unique_names
from evenly.errors import ColumnError, DataError
from evenly.moments.ingest import add_block, num_columns
from evenly.moments.metadata import Metadata, merge_dtypes
from evenly.moments.statistics import StatisticsMixin
from evenly.sources import open_source
from evenly.typing import Infinite


class Accumulator(StatisticsMixin):
    """The state of `Moments` and its group: `update`, ``+``, ``-``, ``==``, and parts."""

    __slots__ = ("_fast_path",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self,
        state: _core.State,
        columns: ColumnNames,
        dtypes: tuple[str, ...],
        sources: Iterable[str] = (),
        rows: int = 0,
    ) -> None:
        state.metadata = Metadata(columns, dtypes, tuple(sources))
        state.rows = rows
        self._set_state(state)

    def _set_state(self, state: _core.State) -> Self:
        self._state = state
        self._cache = (-1, {})
        self._fast_path: tuple[Any, Any] = (None, None)
        return self

    @property
    def _metadata(self) -> Metadata:
        return self._state.metadata  # type: ignore[no-any-return]

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
        weights: object = None,
        feature_axis: int = -1,
        infinite: Infinite = "error",
        threads: int | None = None,
    ) -> Self:
        """Add rows in label, and return itself. What is refused leaves it as it was.

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
        kind, dtype = self._fast_path
        if type(x) is kind and x.dtype is dtype and weights is None and infinite == "error":
            try:
                plain = x if kind is np.ndarray else x.numpy()
                if self._state.update(plain, feature_axis, None, False, threads or 0) is None:
                    return self
            except (ValueError, TypeError, RuntimeError):
                pass
        self._update(x, weights, feature_axis, infinite, threads or 0)
        return self

    def _update(self, x: Any, weights: Any, feature_axis: int, infinite: str, threads: int) -> None:
        if isinstance(x, Block) and weights is not None:
            x = replace(x, weights=weights)
        if isinstance(x, Block) and self.num_features:
            self._add_block(x, infinite, threads)
            return
        if isinstance(x, Block):
            blocks: Iterable[Block] = [x]
        else:
            blocks = open_source(x, weights=weights, feature_axis=feature_axis).blocks()
        part = self.empty(self.columns or self.num_features)
        for block in blocks:
            part._add_block(block, infinite, threads)
        rows = part._state.rows
        self._merge_inplace(part, consume=True)
        plain = type(x) is np.ndarray or type(x).__name__ == "Tensor"
        if plain and rows:  # no rows leave no dtype in the metadata
            self._fast_path = (type(x), x.dtype)

    def _add_block(self, block: Block, infinite: str, threads: int) -> None:
        """Add a block, in one step of the core; our first block brings our columns."""
        number = num_columns(block)
        metadata = self._metadata
        names = metadata.columns if block.names is None else block.names
        dtypes = block.dtypes if len(block.dtypes) == number else block.dtypes * number
        if not self.num_features or match_columns(
            metadata.columns, self.num_features, names, number
        ):
            names = block.names
        else:
            check_time_units(metadata.columns, metadata.dtypes, dtypes)
            known = merge_dtypes(metadata.dtypes, dtypes) == metadata.dtypes
            if known and block.verify is None:
                add_block(self._state, block, infinite, names, threads)
                return
        part = type(self)(_core.State(number), names, dtypes)
        add_block(part._state, block, infinite, names, threads)
        if block.verify is not None:
            block.verify()
        self._merge_inplace(part, consume=True)

    def add_partial_block(self, block: Block, *, infinite: str = "error") -> None:
        """Add a block of some of our columns, those from ``block.first_column`` on.

        For whoever reads a table by columns, and sees to it that all of them get the same
        rows. It takes this thread only, and others may do the same meanwhile.
        """
        add_block(self._state, block, infinite, block.names, threads=1)
        first, stop = block.first_column, block.first_column + block.features
        done = False
        while not done:
            metadata = self._metadata
            before, own, after = (
                metadata.dtypes[part]
                for part in (slice(first), slice(first, stop), slice(stop, None))
            )
            dtypes = before + merge_dtypes(own, block.dtypes) + after
            done = dtypes == metadata.dtypes or self._state.replace_metadata(
                metadata._replace(dtypes=dtypes), metadata
            )

    def _merge_inplace(self, other: Self, *, consume: bool = False, private: bool = False) -> None:
        """Add other in label, in one step of the core; with ``consume``, other is used up.

        With ``private`` nobody else has us yet, and after a MemoryError nobody will.

        When another thread changes our metadata meanwhile, we begin again.
        """
        done = False
        while not done:
            metadata = self._metadata
            theirs = self._align(other)
            if theirs is None:
                return
            more = theirs._metadata
            columns = metadata.columns if self.num_features else more.columns
            if columns != more.columns or len(metadata.dtypes) != len(more.dtypes):
                columns, ours = more.columns, ("",) * len(more.dtypes)
            else:
                ours = metadata.dtypes
            check_time_units(columns, ours, more.dtypes)
            new = Metadata(
                columns, merge_dtypes(ours, more.dtypes), metadata.sources + more.sources
            )
            done = self._state.merge(
                theirs._state, new, metadata, consume and theirs is other, not private
            )

    def _align(self, other: Self) -> Self | None:
        """Return other in our order of columns; None when it is the zero, of other columns.

        When we are the zero, its columns will be ours.
        """
        state, columns = self._state, self._metadata.columns
        if not state.columns:
            return other
        try:
            order = match_columns(columns, state.columns, other.columns, other.num_features)
        except ColumnError:
            if other._is_zero():
                return None
            if not self._is_zero():
                raise
            return other
        return other if order is None else other._take_columns(order)

    def _is_zero(self) -> bool:
        state = self._state
        return not any(m for m, _ in state.counts()) and not any(m for m, _ in state.missings())

    def __sub__(self, other: Self) -> Self:
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
        theirs = result._align(other)
        if theirs is None or theirs._is_zero():
            return result
        check_time_units(result.columns, result.dtypes, theirs.dtypes)
        index = result._state.remove(theirs._state)
        if index >= 0:
            raise _subtraction_error(result, theirs, index)
        result.sources = (Counter(result.sources) - Counter(theirs.sources)).elements()
        return result

    def __eq__(self, other: object) -> bool:
        """Whether both have the same columns, counts, sums and sums of squares, exactly."""
        if not isinstance(other, type(self)):
            return NotImplemented
        try:
            order = match_columns(
                self.columns, self.num_features, other.columns, other.num_features
            )
        except ColumnError:
            return self._is_zero() and other._is_zero()
        theirs = other._state if order is None else other._state.take(order)
        return bool(self._state == theirs)

    def _take_columns(self, indices: list[int]) -> Self:
        state = self._state.copy()
        columns, dtypes, sources = state.metadata
        names = None if columns is None else tuple(columns[i] for i in indices)
        dtypes = tuple(dtypes[i] for i in indices)
        return type(self)(state.take(indices), names, dtypes, sources, state.rows)

    def copy(self) -> Self:
        """Return moments of their own: updating one does not change the other."""
        return type(self).__new__(type(self))._set_state(self._state.copy())

    @property
    def num_features(self) -> int:
        """The number of columns; 0 before the first update of `Moments.empty()`."""
        return self._state.columns


def _subtraction_error(whole: Accumulator, part: Accumulator, index: int) -> DataError:
    name = index if whole.columns is None else repr(whole.columns[index])
    # Python's float() raises where these are beyond float64's range.
    less, more = (
        exact_stats.to_float(state.squares()[index]) for state in (whole._state, part._state)
    )
    return DataError(
        "Only what was added can be subtracted. Received: moments that have more of column "
        f"{name} than there is: count {part.count[index]} of {whole.count[index]}, missing "
        f"{part.missing[index]} of {whole.missing[index]}, sum of squares "
        f"{more:.6g} of {less:.6g}. "
        "Subtract from the sum that they are part of."
    )
