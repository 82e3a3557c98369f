"""The statistics of moments: mean, variance, std and others, and a table of them."""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from evenly import exact_stats
from evenly.errors import DataError
from evenly.exact_stats import Dyadic
from evenly.moments.base import MomentsBase
from evenly.moments.records import records
from evenly.statistics_file.column import ColumnRecord
from evenly.typing import Real

if TYPE_CHECKING:  # only needed where moments are shown
    from evenly.moments.text_table import TextTable

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64] | npt.NDArray[np.float64]


class StatisticsMixin(MomentsBase):
    """The statistics of `Moments`; each is cached until the moments change."""

    __slots__ = ()

    def _compute(self, key: object, function: Callable[..., float], *more: Fraction) -> Floats:
        """Return ``function(count, sum, squares, *more)`` for each column, as a new array."""

        def compute() -> Floats:
            return np.array([function(*sums, *more) for sums in self.exact_sums()], np.float64)

        return self._cached(key, compute).copy()

    def exact_sums(self) -> Iterable[tuple[Dyadic, Dyadic, Dyadic]]:
        """Return count, sum and sum of squares of each column, from a snapshot of the state."""
        state = self._state.copy()
        return zip(state.counts(), state.sums(), state.squares(), strict=True)

    def column_records(self) -> Iterator[ColumnRecord]:
        """Yield the exact statistics of each column, as a statistics file stores them."""
        state = self._state.copy()
        columns, dtypes = state.metadata[:2]
        return records(state, columns, dtypes)

    @property
    def mean(self) -> Floats:
        """The mean of each column: the float64 nearest to the exact one.

        An array of shape (num_features,), with NaN for a column without values. The properties
        and results below have the same shape.
        """
        return self._compute("mean", lambda count, total, _: exact_stats.mean(count, total))

    def variance(self, correction: Real = 0, *, ddof: Real | None = None) -> Floats:
        """Return the variance of each column: the float64 nearest to the exact one.

        It is ``sum((x - mean)**2) / (count - correction)``, rounded only once, at the end.

        Parameters
        ----------
        correction
            Subtracted from the count; any nonnegative number. Choose 0 (the default) to
            describe the given data, as batch normalization does, and 1 to estimate the variance
            of the population from which the rows are sampled.
        ddof
            The name of ``correction`` in NumPy and pandas.

        Returns
        -------
        array of float64, shape (num_features,)
            NaN where ``count <= correction``; exactly 0 for a constant column.

        Raises
        ------
        DataError
            For a negative or non-finite correction, and when both names are given.

        Examples
        --------
        >>> import evenly
        >>> moments = evenly.fit([[1.0], [3.0]])
        >>> moments.variance(), moments.variance(correction=1)
        (array([1.]), array([2.]))
        """
        exact = _exact_correction(correction, ddof)
        return self._compute(("variance", exact), exact_stats.variance, exact)

    def std(self, correction: Real = 0, *, ddof: Real | None = None) -> Floats:
        """Return the standard deviation: the float64 nearest to the exact square root.

        It is not the root of the rounded variance. The parameters, the shape of the result and the
        errors are those of `variance`.
        """
        exact = _exact_correction(correction, ddof)
        return self._compute(("std", exact), exact_stats.std, exact)

    @property
    def constant(self) -> npt.NDArray[np.bool_]:
        """Whether all values of each column are equal: an array of booleans.

        The variance of such a column is exactly 0.
        """
        return self.nearly_constant(0)

    def nearly_constant(self, tolerance: float) -> npt.NDArray[np.bool_]:
        """Return whether the values of each column are equal within a tolerance.

        They are if the standard deviation is at most ``tolerance`` times the root mean square of
        the column, ``sqrt(sum(x**2) / count)``. The comparison is exact.

        Parameters
        ----------
        tolerance
            A number from 0 to less than 1.

        Returns
        -------
        array of bool, shape (num_features,)

        Raises
        ------
        DataError
            For an invalid tolerance.

        Examples
        --------
        >>> import evenly
        >>> evenly.fit([[0.1], [0.1 + 2e-17]]).nearly_constant(1e-12)
        array([ True])
        """
        exact = exact_stats.as_tolerance(tolerance)
        key = "constant", exact
        return self._compute(key, exact_stats.is_constant, exact).astype(np.bool_)

    @property
    def count(self) -> Counts:
        """The number of values of each column; with weights, their total weight.

        An array of int64 if all totals are integers, of float64 otherwise.
        """
        counts = self._cached("count", lambda: _counts(self._state.counts()))
        return counts.copy()

    @property
    def missing(self) -> Counts:
        """The number of missing values (NaN, null) of each column, or their total weight.

        The dtype is that of `count`.
        """
        counts = self._cached("missing", lambda: _counts(self._state.missings()))
        return counts.copy()

    @property
    def min(self) -> Floats:
        """The smallest value of each column; NaN without values.

        After a subtraction it is a lower bound: see `extremes_are_bounds`.
        """
        return self._extremes(0)

    @property
    def max(self) -> Floats:
        """The largest value of each column; NaN without values.

        After a subtraction it is an upper bound: see `extremes_are_bounds`.
        """
        return self._extremes(1)

    @property
    def sum(self) -> list[Fraction]:
        """The exact sum of each column, as a list of ``fractions.Fraction``."""
        return [exact_stats.fraction(value) for value in self._state.sums()]

    @property
    def sum_of_squares(self) -> list[Fraction]:
        """The exact sum of squares of each column, as a list of ``fractions.Fraction``."""
        return [exact_stats.fraction(value) for value in self._state.squares()]

    def _extremes(self, index: int) -> Floats:
        def compute() -> Floats:
            # NumPy converts None to NaN, and integers above 2**53 to the nearest float64.
            return np.array(self._state.extremes(), np.float64).reshape(-1, 2)

        return self._cached("extremes", compute)[:, index].copy()

    def _table_view(self) -> "TextTable":
        from evenly.moments import text_table
        from evenly.printable import counted

        state = self._state.copy()
        number, (columns, all_dtypes, *_) = state.columns, state.metadata
        indices = text_table.visible_columns(number)
        names = tuple(str(i) if columns is None else columns[i] for i in indices)
        dtypes = tuple(all_dtypes[i] for i in indices)
        columns_shown = records(state.take(indices), names, dtypes)
        rows = [text_table.format_row(record) for record in columns_shown]
        return text_table.TextTable(
            f"Moments of {counted(number, 'column')}, {counted(state.rows, 'row')}",
            text_table.HEADINGS,
            rows,
            text_table.ALIGNMENT,
            omitted=text_table.omitted_line(number - len(indices)),
            footer=text_table.footer_lines(
                dict(state.metadata.left_out), bool(state.extremes_are_bounds)
            ),
        )


def _exact_correction(correction: Real, ddof: Real | None) -> Fraction:
    if ddof is not None and correction != 0:
        raise DataError(
            "correction and ddof are two names of one parameter. "
            f"Received: correction={correction} and ddof={ddof}. Pass one of them."
        )
    return exact_stats.as_correction(correction if ddof is None else ddof)


def _counts(values: list[Dyadic]) -> Counts:
    if all(exact_stats.fits_int64(value) for value in values):
        return np.array([m << e for m, e in values], np.int64)
    return np.array([exact_stats.to_float(value) for value in values], np.float64)
