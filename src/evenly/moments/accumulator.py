"""Update, merge and subtract moments."""

import operator
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Self

import numpy as np

from evenly import _core, exact_stats
from evenly.block import Block
from evenly.columns import ColumnNames, check_time_units, match_columns, unique_names
from evenly.distribution.option import most_bins
from evenly.errors import ColumnError, DataError
from evenly.moments.distribution import DistributionMixin, distribution_error
from evenly.moments.ingest import add_block, num_columns
from evenly.moments.metadata import Metadata, merge_dtypes, merge_information, merge_left_out
from evenly.sources import open_source
from evenly.sources.feature_axis import axis_number
from evenly.typing import FeatureAxis, Infinite


class ColumnAccumulator(DistributionMixin):
    """The state of `Moments`, with `update`, `copy`, ``+``, ``-`` and ``==``."""

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

    def _with_state(self, state: _core.State) -> Self:
        return type(self).__new__(type(self))._set_state(state)

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
        cls,
        columns: int | str | Sequence[str] | None = None,
        *,
        sources: Iterable[str] = (),
        distribution: bool | int = False,
    ) -> Self:
        """Return moments without rows.

        Parameters
        ----------
        columns
            The number of columns, or their names, one or several. None: those of the first
            update.
        sources
            The sources of the rows, for the statistics file.
        distribution
            Whether to keep the distribution of each column, as in `evenly.fit`.

        Raises
        ------
        ColumnError
            For repeated names.
        DataError
            For a negative number, and an invalid number of bins.
        """
        names, number = _names_and_number(columns)
        state = _core.State(number, bins=most_bins(distribution))
        return cls(state, names, ("",) * number, sources)

    def update(
        self,
        x: Any,  # an array, a tensor, or anything that open_source accepts
        *,
        weights: object = None,
        feature_axis: FeatureAxis = None,
        infinite: Infinite = "error",
        threads: int | None = None,
    ) -> Self:
        """Add rows in place, and return self. The state is unchanged when an error is raised.

        Parameters
        ----------
        x
            An array, a tensor, a frame, a ``Block``, or any source that `evenly.fit` accepts.
            Columns are matched by name; without names, by position. A one-dimensional array is
            one column, and an error if the number of columns is not known yet.
        weights
            One finite, nonnegative number per row: a weight of 2 equals the row twice.
        feature_axis
            The axis of the columns in an array: 1 for N×C×H×W images. Required for three and
            more dimensions.
        infinite
            ``"error"``, or ``"missing"`` to count infinities as missing: choose it when
            they stand for "no value" in your data.
        threads
            The number of threads. None: ``evenly.threads()``. The result is bit-identical for any
            number.

        Raises
        ------
        DataError
            For an infinity, invalid weights, or a shape that does not match.
        ColumnError
            For missing or unknown columns.
        UnsupportedTypeError
            For values that are not numeric.
        """
        # An array or tensor of the same type and dtype as the last one goes to the core directly.
        # In case of an error it is updated again on the slow path, which raises a clear message.
        cls, dtype = self._fast_path
        if type(x) is cls and x.dtype is dtype and weights is None and infinite == "error":
            try:
                array = x if cls is np.ndarray else x.numpy()
                if feature_axis is None and array.ndim < 3:
                    axis = -1
                else:
                    axis = axis_number(array.shape, feature_axis, "x")
                if self._state.update(array, axis, None, False, threads or 0) is None:
                    return self
            except (ValueError, TypeError, RuntimeError):
                pass
        self._update(x, weights, feature_axis, infinite, threads or 0)
        return self

    def _update(
        self, x: Any, weights: Any, feature_axis: FeatureAxis, infinite: Infinite, threads: int
    ) -> None:
        if isinstance(x, Block):
            block = x if weights is None else replace(x, weights=weights)
            self._add_block(block, infinite, threads)
            return
        part = self.empty(self.columns or self.num_features, distribution=self.distribution)
        from evenly.sources.options import ReadOptions  # for the options of files, among others

        source = open_source(x, ReadOptions(weights=weights, feature_axis=feature_axis))
        for block in source.blocks():
            self._check_dimensions(block)
            part._add_block(block, infinite, threads)
        part.left_out = source.left_out
        rows = part._state.rows
        self.merge_inplace(part, consume=True)
        is_array = type(x) is np.ndarray or type(x).__name__ == "Tensor"
        if is_array and rows:  # without rows the metadata has no dtype yet
            self._fast_path = (type(x), x.dtype)

    def _check_dimensions(self, block: Block) -> None:
        """Check that a one-dimensional array can only be one column.

        Raises
        ------
        DataError
            When the number of columns is not known.
        ColumnError
            When there are several columns.
        """
        if block.has_columns or len(block.data.shape) != 1 or self.num_features == 1:
            return
        received = f"{block.label} of shape {tuple(block.data.shape)}"
        if not self.num_features:
            raise DataError(
                "Moments without columns need two dimensions to know how many there are. "
                f"Received: {received}. Pass x[None, :] for one row, x[:, None] for one column; or "
                "begin with Moments.empty(1), for which it is one column."
            )
        raise ColumnError(
            f"A one-dimensional array is one column, and these moments have {self.num_features}. "
            f"Received: {received}. A single row has two dimensions: x[None, :]."
        )

    def _add_block(self, block: Block, infinite: Infinite, threads: int) -> None:
        """Add a block in one call of the core; the first block defines the columns."""
        if block.first_column is not None:
            self._add_columns(block, block.first_column, infinite, threads)
            return
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
        part = type(self)(_core.State(number, bins=self.distribution), names, dtypes)
        add_block(part._state, block, infinite, names, threads)
        if block.verify is not None:
            block.verify()
        self.merge_inplace(part, consume=True)

    def _add_columns(self, block: Block, first: int, infinite: Infinite, threads: int) -> None:
        """Add a block of some columns, those from `first` on; it must match these.

        The caller must add the same rows to all columns. Several threads may add blocks at the
        same time.
        """
        add_block(self._state, block, infinite, block.names, threads)
        stop = first + block.features
        done = False
        while not done:
            metadata = self._metadata
            before, own, after = (
                metadata.dtypes[columns]
                for columns in (slice(first), slice(first, stop), slice(stop, None))
            )
            dtypes = before + merge_dtypes(own, block.dtypes) + after
            done = dtypes == metadata.dtypes or self._state.replace_metadata(
                metadata._replace(dtypes=dtypes), metadata
            )

    def merge_inplace(self, other: Self, *, consume: bool = False, private: bool = False) -> None:
        """Add other in place, in one call of the core.

        It is retried when another thread changes the metadata of self meanwhile.

        Parameters
        ----------
        consume
            Whether the state of other may be reused.
        private
            Whether no other code refers to self, which is then discarded after a MemoryError.
        """
        done = False
        while not done:
            metadata, added = self._metadata, other._metadata
            if metadata[:2] == added[:2] and self._state.columns == other._state.columns:
                theirs = other
                new = merge_information(metadata, added)
            else:
                if self._mixes_distributions(other):
                    raise distribution_error()
                aligned = self._align(other)
                if aligned is None:
                    return
                theirs = aligned
                new = self._merge_metadata(metadata, theirs._metadata)
            try:
                done = self._state.merge(
                    theirs._state, new, metadata, consume and theirs is other, not private
                )
            except ValueError:
                if self._mixes_distributions(other):
                    raise distribution_error() from None
                raise

    def _mixes_distributions(self, other: Self) -> bool:
        """Return whether there are rows with and rows without distributions."""
        mixed = bool(self.distribution) != bool(other.distribution)
        return mixed and not (self._is_zero() or other._is_zero())

    def _merge_metadata(self, metadata: Metadata, added: Metadata) -> Metadata:
        columns = metadata.columns if self.num_features else added.columns
        if columns != added.columns or len(metadata.dtypes) != len(added.dtypes):
            columns, dtypes = added.columns, ("",) * len(added.dtypes)
        else:
            dtypes = metadata.dtypes
        check_time_units(columns, dtypes, added.dtypes)
        return Metadata(
            columns,
            merge_dtypes(dtypes, added.dtypes),
            metadata.sources + added.sources,
            merge_left_out(metadata.left_out, added.left_out, columns),
        )

    def _align(self, other: Self) -> Self | None:
        """Return other with its columns in the order of self.

        If the columns differ, the result is None if other is empty, and other if self is empty.
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
        """Return the moments without the rows of other: the exact inverse of addition.

        Min and max cannot be subtracted: they become bounds (`extremes_are_bounds`). The counts of
        distributions are exact, in the bins of the sum, which may be wider than those of the rest.

        Raises
        ------
        DataError
            When other was not added before: some count or sum of squares would be negative.
        """
        if not isinstance(other, type(self)):
            return NotImplemented
        result = self.copy()
        theirs = result._align(other)
        if theirs is None or theirs._is_zero():
            return result
        check_time_units(result.columns, result.dtypes, theirs.dtypes)
        if result.distribution and not theirs.distribution:
            raise distribution_error()
        index = result._state.remove(theirs._state)
        if index >= 0:
            raise _subtraction_error(result, theirs, index)
        result.sources = (Counter(result.sources) - Counter(theirs.sources)).elements()
        return result

    def __eq__(self, other: object) -> bool:
        """Return whether columns, counts, sums and sums of squares are exactly equal."""
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
        columns, dtypes, sources, left_out = state.metadata
        names = None if columns is None else tuple(columns[i] for i in indices)
        dtypes = tuple(dtypes[i] for i in indices)
        result = type(self)(state.take(indices), names, dtypes, sources, state.rows)
        result.left_out = dict(left_out)
        return result

    def with_bins(self, most: int) -> Self:
        """Return a copy with at most this many bins per column; 0 for no distribution.

        Moments of rows that were fitted without distribution stay without.
        """
        if not most:
            return self.without_distribution()
        if self.distribution:
            return self._with_state(self._state.limit_bins(most))
        result = self.empty(self.columns or self.num_features, distribution=most)
        result.merge_inplace(self)
        return result

    def copy(self) -> Self:
        """Return an independent copy."""
        return self._with_state(self._state.copy())


def _names_and_number(columns: int | str | Sequence[str] | None) -> tuple[ColumnNames, int]:
    """Return the names of columns, if any, and their number."""
    if columns is None:
        return None, 0
    if isinstance(columns, str):
        return (columns,), 1
    if isinstance(columns, Iterable):
        names = unique_names(columns)
        return names, len(names)
    number = -1
    with suppress(TypeError):  # raised for what is no integer
        number = operator.index(columns)
    if number < 0:
        raise DataError(
            "The columns must be a number, 0 or more, or names. "
            f"Received: {columns!r}. Pass x.shape[-1], for example."
        )
    return None, number


def _subtraction_error(whole: ColumnAccumulator, part: ColumnAccumulator, index: int) -> DataError:
    name = index if whole.columns is None else repr(whole.columns[index])
    # Python's float() raises where these are beyond float64's range.
    whole_squares, part_squares = (
        exact_stats.to_float(state.squares()[index]) for state in (whole._state, part._state)
    )
    return DataError(
        "Only moments that were added can be subtracted. Received: moments that exceed the total "
        f"in column {name}: count {part.count[index]} of {whole.count[index]}, missing "
        f"{part.missing[index]} of {whole.missing[index]}, sum of squares "
        f"{part_squares:.6g} of {whole_squares:.6g}. "
        "Subtract them from a sum that includes them."
    )
