"""scikit-learn's `MinMaxScaler`, `MaxAbsScaler` and `RobustScaler` on exact statistics."""

from collections.abc import Iterator
from fractions import Fraction
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse, stats
from sklearn import preprocessing
from sklearn.utils._param_validation import Interval

from evenly.distribution.option import DEFAULT_BINS, MAX_BINS, MIN_BINS
from evenly.errors import DataError, UnsupportedTypeError
from evenly.moments import Moments
from evenly.sklearn import validation
from evenly.sklearn.affine_scaler import AffineScaler
from evenly.sklearn.fitted_attributes import FittedAttribute
from evenly.transform.affine_scaling import NO_ANCHORS, Anchors
from evenly.transform.methods import Method

Floats = npt.NDArray[np.float64]


class MinMaxScaler(AffineScaler, preprocessing.MinMaxScaler):
    """Scale columns to a range like scikit-learn's `MinMaxScaler`.

    Parameters, methods, attributes and errors are those of scikit-learn's scaler, of which this
    is a subclass. The smallest value is subtracted as two float64, so float32 data with a large
    offset is scaled exactly, and ``a + b`` of two fitted scalers is the scaler of both data sets.

    Parameters
    ----------
    feature_range
        The numbers that the smallest and the largest value become.
    copy
        False scales floating-point arrays in place.
    clip
        Limit the result to ``feature_range``.

    Examples
    --------
    >>> from evenly.sklearn import MinMaxScaler
    >>> a, b = MinMaxScaler().fit([[1.0], [3.0]]), MinMaxScaler().fit([[5.0]])
    >>> (a + b).transform([[2.0]])
    array([[0.25]])
    """

    @FittedAttribute
    def data_min_(self) -> Floats:
        """The smallest value of each column."""
        return self.moments_.min

    @FittedAttribute
    def data_max_(self) -> Floats:
        """The largest value of each column."""
        return self.moments_.max

    @FittedAttribute
    def data_range_(self) -> Floats:
        """The largest value minus the smallest."""
        return self.moments_.max - self.moments_.min

    @FittedAttribute
    def scale_(self) -> Floats:
        """The factor of each column."""
        return self._factor()

    @FittedAttribute
    def min_(self) -> Floats:
        """The offset that is added to each column after it is multiplied by ``scale_``."""
        return self.feature_range[0] - self.moments_.min * self._factor()

    @FittedAttribute
    def n_samples_seen_(self) -> int:
        """The number of rows."""
        return self.moments_.rows

    def _factor(self) -> Floats:
        low, high = self.feature_range
        return (high - low) / _without_zeros(self.moments_.max - self.moments_.min)

    def _check_parameters(self) -> None:
        low, high = self.feature_range
        if not (low < high and np.isfinite([low, high]).all()):
            raise DataError(
                "Minimum of desired feature range must be smaller than maximum, and both finite. "
                "Received: "
                f"feature_range={self.feature_range}. Pass (0, 1), for example."
            )

    def _check_sparse(self, x: object, *, verb: str) -> None:
        if sparse.issparse(x):
            raise UnsupportedTypeError(
                "MinMaxScaler does not support sparse input. Consider using MaxAbsScaler instead. "
                f"Received: {type(x).__name__}."
            )

    def _method(self) -> Method:
        low, high = map(float, self.feature_range)
        return Method(range=(low, high), clip=(low, high) if self.clip else None)

    def _anchors(self) -> Iterator[Anchors]:
        for ends in self._extremes():
            if ends is None:
                yield NO_ANCHORS
            else:
                yield Anchors(ends[0], ends[0] + (ends[1] - ends[0] or 1), None)


class MaxAbsScaler(AffineScaler, preprocessing.MaxAbsScaler):
    """Divide columns by their largest absolute value like scikit-learn's `MaxAbsScaler`.

    Parameters, methods, attributes and errors are those of scikit-learn's scaler, of which this
    is a subclass. ``a + b`` of two fitted scalers is the scaler of both data sets.

    Parameters
    ----------
    copy
        False scales floating-point arrays in place.
    clip
        Limit the result to the range from -1 to 1.

    Examples
    --------
    >>> from evenly.sklearn import MaxAbsScaler
    >>> MaxAbsScaler().fit([[1.0], [-4.0]]).transform([[2.0]])
    array([[0.5]])
    """

    @FittedAttribute
    def max_abs_(self) -> Floats:
        """The largest absolute value of each column."""
        return self._largest()

    @FittedAttribute
    def scale_(self) -> Floats:
        """The divisor of each column."""
        return _without_zeros(self._largest())

    @FittedAttribute
    def n_samples_seen_(self) -> int:
        """The number of rows."""
        return self.moments_.rows

    def _largest(self) -> Floats:
        return np.maximum(abs(self.moments_.min), abs(self.moments_.max))

    def _method(self) -> Method:
        return Method(clip=(-1.0, 1.0) if self.clip else None)

    def _anchors(self) -> Iterator[Anchors]:
        for ends in self._extremes():
            if ends is None:
                yield NO_ANCHORS
            else:
                yield Anchors(Fraction(0), max(map(abs, ends)) or Fraction(1), None)


class RobustScaler(AffineScaler, preprocessing.RobustScaler):
    """Scale columns by median and quantiles like scikit-learn's `RobustScaler`, also in parts.

    Parameters, attributes and errors are those of scikit-learn's scaler, of which this is a
    subclass; only ``partial_fit``, ``a + b`` and ``bins`` are new. Quantiles are read from exact
    counts in bins (`evenly.Moments.quantile`): they are exact for columns of at most ``bins``
    different values, and otherwise within ``moments_.quantile_bounds``, typically a percent of the
    interquartile range.

    Parameters
    ----------
    with_centering
        Subtract the median.
    with_scaling
        Divide by the distance of the two quantiles.
    quantile_range
        The quantiles, in percent.
    copy
        False scales floating-point arrays in place.
    unit_variance
        Divide so that normally distributed columns get a variance of 1.
    bins
        The maximum number of bins of a column, as ``distribution=`` of `evenly.fit`.

    Examples
    --------
    >>> from evenly.sklearn import RobustScaler
    >>> scaler = RobustScaler()
    >>> for batch in ([[1.0], [2.0]], [[3.0]], [[4.0], [100.0]]):
    ...     scaler = scaler.partial_fit(batch)
    >>> scaler.center_, scaler.scale_
    (array([3.]), array([2.]))
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **preprocessing.RobustScaler._parameter_constraints,
        "bins": [Interval(Integral, MIN_BINS, MAX_BINS, closed="both")],
    }

    def __init__(
        self,
        *,
        with_centering: bool = True,
        with_scaling: bool = True,
        quantile_range: tuple[float, float] = (25.0, 75.0),
        copy: bool = True,
        unit_variance: bool = False,
        bins: int = DEFAULT_BINS,
    ) -> None:
        super().__init__(
            with_centering=with_centering,
            with_scaling=with_scaling,
            quantile_range=quantile_range,
            copy=copy,
            unit_variance=unit_variance,
        )
        self.bins = bins

    @property
    def _bins(self) -> int:
        return self.bins

    @classmethod
    def _parameters_of(cls, moments: Moments) -> dict[str, Any]:
        return {"bins": moments.distribution} if moments.distribution else {}

    def _checked(self, moments: Moments) -> Moments:
        if not moments.distribution:
            raise DataError(
                "RobustScaler needs moments with a distribution. Received: moments without one. "
                "Fit the data with evenly.fit(x, distribution=True)."
            )
        return moments.with_bins(self.bins)

    @FittedAttribute
    def center_(self) -> Floats | None:
        """The median of each column; None when ``with_centering=False``."""
        return self.moments_.median if self.with_centering else None

    @FittedAttribute
    def scale_(self) -> Floats | None:
        """The divisor of each column; None when ``with_scaling=False``."""
        return self._spread() if self.with_scaling else None

    def _spread(self) -> Floats:
        low, high = np.array(self.quantile_range) / 100
        ends = self.moments_.quantile([low, high])
        spread = _without_zeros(ends[1] - ends[0])
        if self.unit_variance:
            spread = spread / (stats.norm.ppf(high) - stats.norm.ppf(low))
        return spread

    def _check_parameters(self) -> None:
        low, high = self.quantile_range
        if not 0 <= low <= high <= 100:
            raise DataError(
                f"Invalid quantile range: {self.quantile_range}. It must be two percentages in "
                "ascending order, from 0 to 100."
            )
        if self.unit_variance and self.with_scaling and not 0 < low < high < 100:
            raise DataError(
                "With unit_variance=True, the quantiles of a normal distribution are compared, "
                "which must be finite and differ. Received: "
                f"quantile_range={self.quantile_range}. Pass (25, 75), for example."
            )

    def _check_sparse(self, x: object, *, verb: str) -> None:
        validation.check_sparse(
            x, option="with_centering", is_centered=self.with_centering, verb=verb
        )

    def _anchors(self) -> Iterator[Anchors]:
        centers = self.moments_.median
        spreads = self._spread() if self.with_scaling else np.ones(len(centers))
        for center, spread in zip(centers, spreads, strict=True):
            if np.isnan(center):
                yield NO_ANCHORS
            else:
                low = Fraction(float(center)) if self.with_centering else Fraction(0)
                yield Anchors(low, low + Fraction(float(spread)), None)


def _without_zeros(spread: Floats) -> Floats:
    """Return the divisors of columns: 1 for constant ones, as in scikit-learn."""
    return np.where(spread == 0, 1.0, spread)
