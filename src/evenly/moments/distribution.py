"""Quantiles, histograms and shares of the values of columns, read from their distributions."""

from collections.abc import Callable
from typing import NamedTuple, Self, TypeVar

import numpy as np
import numpy.typing as npt

from evenly import _core
from evenly.chosen_columns import as_names
from evenly.columns import column_indices
from evenly.distribution.bins import Bins, Counts, Floats
from evenly.distribution.column_bins import column_bins
from evenly.distribution.numbers import as_floats
from evenly.distribution.quantiles import Ranked, check_quantiles, quantiles
from evenly.distribution.shares import (
    CumulativeCounts,
    Histogram,
    histogram,
    make_edges,
    shares,
)
from evenly.errors import ColumnError, DataError
from evenly.moments.records import bins_of
from evenly.moments.statistics import StatisticsMixin
from evenly.typing import ColumnName, QuantileMethod

T = TypeVar("T")


def distribution_error() -> DataError:
    """Return the error for moments of which only some have distributions."""
    return DataError(
        "Moments with distributions can only be combined with others that have them. Received: "
        "moments with distributions and moments without. Fit both with distribution=True, or use "
        "moments.without_distribution()."
    )


class Distinct(NamedTuple):
    """The distinct values of a column, in ascending order, and how often each occurs."""

    values: Floats
    counts: Counts


class DistributionMixin(StatisticsMixin):
    """The quantiles, histograms and shares of `Moments` that have distributions."""

    __slots__ = ()

    @property
    def distribution(self) -> int:
        """The maximum number of bins of each column; 0 without distributions."""
        return self._state.bins

    def without_distribution(self) -> Self:
        """Return a copy without distributions."""
        return self._with_state(self._state.without_histograms())

    def bins(self, column: ColumnName | None = None) -> Bins:
        """Return the bins of a column, from which quantiles and histograms are computed.

        Parameters
        ----------
        column
            The name of a column, or its position if columns have no names. None: the only one.

        Returns
        -------
        Bins
            The bins in ascending order, with their edges and counts.

        Raises
        ------
        DataError
            Without distributions.
        ColumnError
            For an unknown column, and for None when there are several.
        """
        return self._bins(self._index_of(column))

    def quantile(self, q: npt.ArrayLike, *, method: QuantileMethod = "linear") -> Floats:
        """Return quantiles of each column.

        They are exact for columns of at most `distribution` distinct values. For others they are
        estimates; `quantile_bounds` returns the bounds of the exact values.

        Parameters
        ----------
        q
            One or more numbers from 0 to 1.
        method
            How to choose between the two nearest values, as in `numpy.quantile`.

        Returns
        -------
        array of float64, shape ``q.shape + (num_features,)``
            NaN for a column without values.

        Raises
        ------
        DataError
            Without distributions, and when q is not from 0 to 1.

        Examples
        --------
        >>> import evenly
        >>> moments = evenly.fit([[1.0], [2.0], [10.0]], distribution=True)
        >>> moments.quantile([0.25, 0.5])
        array([[1.5],
               [2. ]])
        """
        return self._quantiles(q, method).estimate

    def quantile_bounds(
        self, q: npt.ArrayLike, *, method: QuantileMethod = "linear"
    ) -> tuple[Floats, Floats]:
        """Return a lower and an upper bound of each exact quantile.

        Both have the shape of the result of `quantile`, and are equal where that is exact. The
        parameters and the errors are those of `quantile`.
        """
        ranked = self._quantiles(q, method)
        return ranked.low, ranked.high

    @property
    def median(self) -> Floats:
        """The median of each column, as ``quantile(0.5)``."""
        return self.quantile(0.5)

    @property
    def iqr(self) -> Floats:
        """The interquartile range of each column, ``quantile(0.75) - quantile(0.25)``."""
        low, high = self.quantile([0.25, 0.75])
        width: Floats = high - low
        return width

    def histogram(
        self,
        bins: npt.ArrayLike = 64,
        *,
        column: ColumnName | None = None,
        range: tuple[float, float] | None = None,
    ) -> Histogram:
        """Return a histogram of a column, for plotting.

        Parameters
        ----------
        bins
            The number of bins of equal width, or all edges.
        column
            As in `bins`.
        range
            The first and the last edge. None: the smallest and the largest value.

        Returns
        -------
        counts : array of float64, shape (bins,)
            The number of values between two edges, the last edge included, as from
            `numpy.histogram`. It is an estimate where an edge divides a bin of the distribution.
        edges : array of float64, shape (bins + 1,)

        Raises
        ------
        DataError
            Without distributions, and for invalid bins or an invalid range.
        ColumnError
            As in `bins`.

        Examples
        --------
        >>> import evenly
        >>> moments = evenly.fit([[1.0], [2.0], [10.0]], distribution=True)
        >>> moments.histogram(3)
        Histogram(counts=array([2., 0., 1.]), edges=array([ 1.,  4.,  7., 10.]))
        """
        index = self._index_of(column)
        ends = np.array([self.min[index], self.max[index]])
        return histogram(self._cumulative(index), make_edges(bins, range, ends))

    def distinct(self, column: ColumnName | None = None) -> Distinct | None:
        """Return the distinct values of a column and their counts.

        Parameters
        ----------
        column
            As in `bins`.

        Returns
        -------
        values, counts
            The values in ascending order, as float64, to which integers beyond 2**53 are rounded.
            None if the column has more than `distribution` distinct values.

        Raises
        ------
        DataError, ColumnError
            As in `bins`.

        Examples
        --------
        >>> import evenly
        >>> evenly.fit([[1.0], [2.0], [1.0]], distribution=True).distinct()
        Distinct(values=array([1., 2.]), counts=array([2, 1]))
        """
        bins = self.bins(column)
        return None if bins.shift else Distinct(bins.lower, bins.counts.copy())

    def cdf(self, x: npt.ArrayLike, *, column: ColumnName | None = None) -> Floats:
        """Return the share of values that are at most x: the empirical distribution function.

        It is exact unless x is inside a bin; see `cdf_bounds`.

        Parameters
        ----------
        x
            One or more numbers.
        column
            As in `bins`. None: all columns.

        Returns
        -------
        array of float64
            Of the shape of x; for several columns ``x.shape + (num_features,)``. NaN for a column
            without values.

        Raises
        ------
        DataError, ColumnError
            As in `bins`.

        Examples
        --------
        >>> import evenly
        >>> evenly.fit([[1.0], [2.0], [4.0], [8.0]], distribution=True).cdf([0.0, 2.0, 8.0])
        array([0. , 0.5, 1. ])
        """
        return self._shares(x, column, lambda cumulative, at: (cumulative.up_to(at),))[0]

    def cdf_bounds(
        self, x: npt.ArrayLike, *, column: ColumnName | None = None
    ) -> tuple[Floats, Floats]:
        """Return a lower and an upper bound of each exact share of `cdf`.

        Both have the shape of the result of `cdf`, whose parameters and errors they share.
        """
        low, high = self._shares(x, column, CumulativeCounts.bounds)
        return low, high

    def _with_state(self, state: _core.State) -> Self:
        """Return moments with another state."""
        raise NotImplementedError

    def _index_of(self, column: ColumnName | None) -> int:
        if column is not None:
            (name,) = as_names([column])
            return column_indices([name], self.columns, self.num_features)[0]
        if self.num_features != 1:
            raise ColumnError(
                f"column= must say which of the {self.num_features} columns is meant. "
                "Received: no column=. Pass its name, or its position if columns have no names."
            )
        return 0

    @property
    def num_features(self) -> int:
        """The number of columns; 0 before the first update of `Moments.empty()`."""
        return self._state.columns

    def _check_distribution(self) -> None:
        if not self._state.bins:
            raise DataError(
                "Quantiles, histograms and shares need a distribution. Received: moments without "
                "one. Fit the data with evenly.fit(x, distribution=True)."
            )

    def _bins(self, index: int) -> Bins:
        self._check_distribution()
        return self._cached(("bins", index), lambda: bins_of(self._state, index))

    def _cumulative(self, index: int) -> CumulativeCounts:
        return CumulativeCounts(self._bins(index), self.min[index], self.max[index])

    def _quantiles(self, q: npt.ArrayLike, method: str) -> Ranked:
        at = check_quantiles(q, method)
        self._check_distribution()
        if not self.count.any():  # columns have no bins before the first row
            return Ranked(*np.full((3, *at.shape, self.num_features), np.nan))
        low, high, exact = self.min, self.max, not self.extremes_are_bounds
        parts = []
        for start, bins in column_bins(self._state):
            stop = start + len(bins.sizes)
            ends = low[start:stop], high[start:stop]
            parts.append(quantiles(bins, *ends, at.ravel(), method, exact_ends=exact))
        shape = (*at.shape, self.num_features)
        joined = (np.concatenate(part, axis=-1) for part in zip(*parts, strict=True))
        return Ranked(*(part.reshape(shape) for part in joined))

    def _shares(
        self,
        x: npt.ArrayLike,
        column: ColumnName | None,
        count: Callable[[CumulativeCounts, Floats], tuple[Floats, ...]],
    ) -> tuple[Floats, ...]:
        self._check_distribution()
        at = _as_numbers(x)
        if column is None and not self.num_features:
            return np.empty((*at.shape, 0)), np.empty((*at.shape, 0))
        one = column is not None or self.num_features == 1
        indices = [self._index_of(column)] if one else [*range(self.num_features)]
        columns = [
            tuple(shares(cumulative, part, at) for part in count(cumulative, at))
            for cumulative in map(self._cumulative, indices)
        ]
        if one:
            return columns[0]
        return tuple(np.stack(part, axis=-1) for part in zip(*columns, strict=True))


def _as_numbers(x: npt.ArrayLike) -> Floats:
    numbers = as_floats(x)
    if numbers is None:
        raise DataError(
            f"A share is that of the values up to a number. Received: {x!r}. Pass one or more "
            "numbers."
        )
    return numbers
