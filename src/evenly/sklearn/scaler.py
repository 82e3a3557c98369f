"""scikit-learn's `StandardScaler`, with exact moments as its only state."""

from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar, Literal, Self, overload

import numpy as np
from sklearn import preprocessing
from sklearn.base import _fit_context, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from evenly.columns import ColumnNames
from evenly.moments import Moments
from evenly.sklearn import array_api, fitted_attributes, onnx, validation
from evenly.sklearn.fitted_attributes import FittedAttribute, fit_callbacks
from evenly.sklearn.given_moments import as_scaler_moments
from evenly.sklearn.scaling import apply_scaling, scaling_of
from evenly.sources.weights import as_weights
from evenly.typing import Path


class StandardScaler(preprocessing.StandardScaler):
    """Standardize columns like scikit-learn's `StandardScaler`, exactly and faster.

    ``z = (x - mean) / std`` for each column. Parameters, methods, attributes, errors and
    dtypes are those of scikit-learn's scaler, of which this is a subclass, so
    ``isinstance`` checks accept it; only the numerical code differs. Sums are exact, hence

    - ``mean_``, ``var_`` and ``scale_`` are the float64 nearest to the true values;
    - `partial_fit` over any batches, in any order, gives the bits of one `fit`;
    - ``a + b`` of two fitted scalers is the scaler of both data sets, bit for bit.

    Parameters
    ----------
    copy
        False scales floating-point arrays in place. Choose it to save memory when the
        unscaled data is not needed again.
    with_mean
        Subtract the mean. Choose False for sparse matrices, which would become dense, and
        for data in which zero has a meaning.
    with_std
        Divide by the standard deviation. False keeps the unit of the data.
    tolerance
        Columns whose standard deviation is at most this fraction of their size (the root of the
        mean of x²) count as constant: they are only centered, and ``scale_`` is 1. 0: only columns
        of equal values. Choose 1e-12, for example, for columns of float64 that differ in their
        last digits only.

    Attributes
    ----------
    moments_
        `evenly.Moments`: the exact statistics of the fitted data. They can be saved as JSON
        and added, and are never modified (`partial_fit` assigns a new object).
    mean_, var_, scale_, n_samples_seen_
        As in scikit-learn, computed from ``moments_`` on access. They cannot be set.
    n_features_in_, feature_names_in_
        As in all scikit-learn estimators.

    Notes
    -----
    This scaler differs on purpose where scikit-learn 1.9's is wrong (each case is shown in
    ``tests/sklearn/test_peer_numbers.py``):

    - Its test for a constant column has a tolerance that grows with the square of the number
      of rows: 10 million rows of mean 1.7e9 and std 3 are left unscaled. Here a column is
      constant when its variance is exactly 0.
    - After one batch without a value in a column, the column's ``var_`` stays NaN in
      `partial_fit`. Here such a batch adds only its count of missing values.
    - `partial_fit` loses digits at an offset: fitting single rows around 1e12 gives a ``var_``
      that is wrong in the fifth or sixth digit.
    - `transform` subtracts a float32 mean from float32 data: a column of Unix timestamps is
      off by up to 64 seconds. Here the mean is subtracted as two float64 numbers, and the
      result is rounded once.
    - Integers beyond 2**53 are rounded to float64 first. Here they are read exactly.
    - Variances beyond the range of float64 are infinite, or 0 where values are below
      1e-162. ``var_`` cannot represent them, but ``scale_`` and `transform` are right.
    - Duplicate entries of a sparse matrix are fitted as separate values; here, as their sum.
    - ``float16`` is scaled in float16; here in float64, rounded once.

    It is also stricter: negative weights are rejected, and the error for an infinity names
    its column and row. A failed `fit` leaves the scaler unchanged.

    Examples
    --------
    >>> from evenly.sklearn import StandardScaler
    >>> monday = StandardScaler().fit([[1.7e9, 20.5], [1.7e9 + 60, 21.5]])
    >>> tuesday = StandardScaler().fit([[1.7e9 + 90, float("nan")]])
    >>> week = monday + tuesday
    >>> week.mean_, week.n_samples_seen_
    (array([1.70000005e+09, 2.10000000e+01]), array([3, 2]))
    >>> week.transform([[1.7e9 + 50, 21.5]])
    array([[0., 1.]])
    >>> week.moments_ == StandardScaler().partial_fit(
    ...     [[1.7e9 + 90, float("nan")], [1.7e9, 20.5]]
    ... ).partial_fit([[1.7e9 + 60, 21.5]]).moments_
    True
    """

    moments_: Moments

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **preprocessing.StandardScaler._parameter_constraints,
        "tolerance": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        *,
        copy: bool = True,
        with_mean: bool = True,
        with_std: bool = True,
        tolerance: float = 0.0,
    ) -> None:
        super().__init__(copy=copy, with_mean=with_mean, with_std=with_std)
        self.tolerance = tolerance

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({"tolerance": 0.0, **state})  # pickles from before it existed

    @FittedAttribute
    def mean_(self) -> Any:
        """The mean of each column; None when neither mean nor std is used."""
        return self.moments_.mean if self.with_mean or self.with_std else None

    @FittedAttribute
    def var_(self) -> Any:
        """The variance of each column; None when ``with_std=False``."""
        return self.moments_.variance() if self.with_std else None

    scale_ = FittedAttribute(fitted_attributes.scale)
    n_samples_seen_ = FittedAttribute(fitted_attributes.n_samples_seen)

    @overload
    @classmethod
    def from_moments(
        cls,
        moments: Moments | Path,
        *,
        copy: bool = True,
        with_mean: bool = True,
        with_std: bool = True,
        tolerance: float = 0.0,
        frozen: Literal[False] = False,
    ) -> Self: ...
    @overload
    @classmethod
    def from_moments(
        cls,
        moments: Moments | Path,
        *,
        copy: bool = True,
        with_mean: bool = True,
        with_std: bool = True,
        tolerance: float = 0.0,
        frozen: Literal[True],
    ) -> FrozenEstimator: ...
    @classmethod
    def from_moments(
        cls, moments: Moments | Path, *, frozen: bool = False, **parameters: Any
    ) -> Any:
        """Create a fitted scaler from existing moments.

        They can come from `evenly.fit`, which reads files and streams that a scaler cannot,
        from `evenly.load`, or from a cluster.

        Parameters
        ----------
        moments
            Moments of at least one column, or the path of a statistics file. Column names, if
            any, become ``feature_names_in_``.
        copy, with_mean, with_std, tolerance
            As in the constructor.
        frozen
            Return the scaler in scikit-learn's ``FrozenEstimator``, whose `fit` does nothing.
            Choose it for pipelines and searches, which otherwise fit the scaler again on their own
            rows.

        Raises
        ------
        DataError
            If the moments have no columns or no rows.
        UnsupportedTypeError
            If they are the moments of groups.

        Examples
        --------
        >>> import evenly
        >>> moments = evenly.fit([[1.0], [3.0]])
        >>> StandardScaler.from_moments(moments).transform([[4.0]])
        array([[2.]])
        """
        scaler = cls(**parameters)
        scaler._set_moments(as_scaler_moments(moments))
        return FrozenEstimator(scaler) if frozen else scaler

    def fit(self, X: object, y: object = None, sample_weight: object = None) -> Self:  # noqa: N803
        """Compute the statistics of ``X``, discarding those of earlier fits.

        Parameters
        ----------
        X
            Array-like, or CSR or CSC matrix, of shape (n_samples, n_features). NaN is missing.
        y
            Ignored.
        sample_weight
            One non-negative weight per row. A weight of 2 is bit-identical to the row twice.

        Raises
        ------
        DataError
            For an infinity or a negative weight.
        ValueError
            For all other input that scikit-learn rejects.
        """
        previous = self._reset()
        try:
            return self.partial_fit(X, y, sample_weight)
        except BaseException:
            self._reset()
            self.__dict__.update(previous)
            raise

    def _reset(self) -> dict[str, Any]:
        """Remove the fitted state, and return it."""
        return {name: self.__dict__.pop(name) for name in _STATE if name in vars(self)}

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: object, y: object = None, sample_weight: object = None) -> Self:  # noqa: N803
        """Add the rows of ``X`` to the statistics, and return the scaler.

        Any batches in any order give the same bits as one `fit` of all rows. The parameters and
        the errors are those of `fit`.
        """
        first = "moments_" not in vars(self)
        x = validation.validate_fit(self, X, reset=first)
        self._check_sparse(x, verb="center")
        with fit_callbacks(self, x, y, sample_weight):
            weights = None
            if sample_weight is not None:
                weights = as_weights(array_api.to_numpy(_check_sample_weight(sample_weight, x)))
            bins = 0 if first else self.moments_.distribution  # those that it was created from
            batch = validation.moments_of(x, weights, self._names(), bins)
            self.moments_ = batch if first else self.moments_ + batch
            self._weighted = weights is not None or vars(self).get("_weighted", False)
            self._like = array_api.prototype(x)
        return self

    def _check_sparse(self, x: object, *, verb: str) -> None:
        validation.check_sparse(x, option="with_mean", is_centered=self.with_mean, verb=verb)

    def _names(self) -> ColumnNames:
        """Return the column names of the first batch, if any."""
        return tuple(getattr(self, "feature_names_in_", ())) or None

    def transform(self, X: object, copy: bool | None = None) -> Any:  # noqa: N803
        """Return ``(X - mean) / std``.

        Parameters
        ----------
        X
            Array-like or sparse matrix (which becomes CSR), shape (n_samples, n_features), with
            the fitted columns.
        copy
            Whether to leave ``X`` unchanged. None: as in the constructor.

        Returns
        -------
        array or CSR matrix of the shape of X
            Floats keep their dtype, other numbers become float64.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            For input that scikit-learn rejects, such as other columns, and for a sparse matrix
            with ``with_mean=True``.

        Examples
        --------
        >>> from evenly.sklearn import StandardScaler
        >>> StandardScaler().fit([[1.0], [3.0]]).transform([[5.0]])
        array([[3.]])
        """
        self._check_is_fitted()
        x = validation.validate_transform(self, X)
        return self._scale(x, copy, inverse=False)

    def inverse_transform(self, X: object, copy: bool | None = None) -> Any:  # noqa: N803
        """Return ``X * std + mean``: the inverse of `transform`, up to rounding.

        Constant columns are restored exactly. The parameters, the result and the errors are those
        of `transform`.
        """
        self._check_is_fitted()
        x = validation.validate_inverse(self, X)
        return self._scale(x, copy, inverse=True)

    def _check_is_fitted(self) -> None:
        if "moments_" not in vars(self):  # scikit-learn's check takes as long as scaling a row
            check_is_fitted(self)

    def _scale(self, x: object, copy: bool | None, *, inverse: bool) -> Any:
        self._check_sparse(x, verb="uncenter" if inverse else "center")
        scaling = scaling_of(
            self.moments_,
            with_mean=self.with_mean,
            with_std=self.with_std,
            tolerance=self.tolerance,
            inverse=inverse,
        )
        in_place = not (self.copy if copy is None else copy)
        return apply_scaling(x, scaling, in_place=in_place)

    def __add__(self, other: object) -> Self:
        """Return the scaler fitted on both data sets, with the parameters of the first.

        It is bit-identical to one fit of all rows. Named columns are matched by name.
        """
        if not isinstance(other, StandardScaler):
            # sum() starts with 0
            return (
                self._with_moments(self.moments_)
                if type(other) is int and other == 0
                else NotImplemented
            )
        for scaler in (self, other):
            check_is_fitted(scaler)
        result = self._with_moments(self.moments_ + other.moments_)
        result._weighted = self._weighted or other._weighted
        return result

    __radd__ = __add__

    def _with_moments(self, moments: Moments) -> Self:
        """Return a scaler with these moments and the parameters of this one."""
        result = clone(self)
        result._set_moments(moments)
        result._weighted, result._like = self._weighted, self._like
        return result

    def _set_moments(self, moments: Moments) -> None:
        """Set the fitted state from moments."""
        self.moments_ = moments
        self._weighted, self._like = moments.count.dtype == np.float64, None
        self.n_features_in_ = moments.num_features
        if moments.columns is not None:
            self.feature_names_in_ = np.array(moments.columns, dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether there are moments; a rejected first batch leaves none."""
        return "moments_" in vars(self)

    # skl2onnx looks these methods up; it is not imported before it calls them.

    def onnx_parser(self) -> Callable[..., Any]:
        """Return the function that declares the output of the ONNX graph."""
        return onnx.declare

    def onnx_shape_calculator(self) -> Callable[..., Any]:
        """Return the function that sets the output shape of the ONNX graph."""
        return onnx.shape

    def onnx_converter(self) -> Callable[..., Any]:
        """Return the function that adds the nodes of the ONNX graph."""
        return onnx.convert


_STATE = ("moments_", "_weighted", "_like", "n_features_in_", "feature_names_in_")
