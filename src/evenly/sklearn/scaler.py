"""`StandardScaler`: scikit-learn's estimator, with exact moments as its only state."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn import preprocessing
from sklearn.base import _fit_context, clone
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from evenly.columns import ColumnNames
from evenly.errors import DataError
from evenly.moments import Moments
from evenly.sklearn import array_api, fitted_attributes, onnx, validation
from evenly.sklearn.callbacks import fit_callbacks
from evenly.sklearn.fitted_attributes import FittedAttribute
from evenly.sklearn.scaling import apply_scaling, scaling_of
from evenly.sources.weights import as_weights


class StandardScaler(preprocessing.StandardScaler):
    """scikit-learn's `StandardScaler`, with exact statistics, and faster.

    ``z = (x - mean) / std``, column by column, as scikit-learn's: parameters, methods,
    attributes, names, errors, dtypes. It is a subclass, so that whatever looks for
    scikit-learn's scaler finds it; what is numerical is ours. Sums are exact, hence

    - ``mean_``, ``var_`` and ``scale_`` are the float64 nearest to the true values;
    - `partial_fit` over any batches, in any order, gives the bits of one `fit`;
    - ``a + b`` of two fitted scalers is the scaler of both data sets, bit for bit.

    Parameters
    ----------
    copy
        False scales floating arrays in place. Choose it when the unscaled data is not
        needed again, and its memory is.
    with_mean
        Subtract the mean. False is for sparse matrices, which would lose their zeros, and
        for data whose zero means something.
    with_std
        Divide by the standard deviation. False keeps the data's unit.

    Attributes
    ----------
    moments_
        `evenly.Moments`: what was fitted, exactly. Saves as JSON, adds up, never changes
        (`partial_fit` puts another in its label).
    mean_, var_, scale_, n_samples_seen_
        As scikit-learn has them, read from ``moments_`` when asked for. They cannot be set.
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.

    Notes
    -----
    Where scikit-learn 1.9's scaler goes wrong, and this one differs on purpose (each is shown
    in ``tests/sklearn/test_peer_numbers.py``):

    - Its test for a constant column has a tolerance that grows with the square of the number
      of rows: 10 million rows of mean 1.7e9 and std 3 are left unscaled. Here a column is
      constant when its variance is exactly 0.
    - A column of which one batch has no value at all gets ``var_`` NaN for ever in
      `partial_fit`. Here such a batch adds nothing but its count of missing values.
    - `partial_fit` loses digits at an offset: single rows at 1e12 give a ``var_`` that is wrong in
      the fifth or sixth digit.
    - float32 data at an offset is rounded to the mean of float32 when it is transformed: a
      column of Unix timestamps is off by up to 64 seconds. Here the mean is subtracted as two
      float64, and the result is rounded once.
    - Integers beyond 2**53 are rounded before they are looked at. Here they are not.
    - Variances beyond the range of float64 are infinite, or 0 where values are below
      1e-162. ``var_`` can say no better, but ``scale_`` and `transform` are right.
    - Sparse matrices with several entries at one place are fitted as if those were values of
      their own; here, as their sum.
    - ``float16`` is scaled in float16; here in float64, rounded once.

    Also stricter: negative weights are refused, and an error says column and row of an
    infinity. A `fit` that fails leaves the scaler as it was.

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

    @classmethod
    def from_moments(
        cls, moments: Moments, *, copy: bool = True, with_mean: bool = True, with_std: bool = True
    ) -> Self:
        """Return a fitted scaler of moments that came from elsewhere.

        From `evenly.fit`, which reads files and streams that a scaler cannot; from
        `evenly.load`; from a cluster.

        Parameters
        ----------
        moments
            At least one column. Its names, if it has any, become ``feature_names_in_``.
        copy, with_mean, with_std
            As of the class.

        Raises
        ------
        DataError
            When the moments have no columns.

        Examples
        --------
        >>> import evenly
        >>> moments = evenly.fit([[1.0], [3.0]])
        >>> StandardScaler.from_moments(moments).transform([[4.0]])
        array([[2.]])
        """
        if not moments.num_features:
            raise DataError(
                "A scaler needs moments of at least one column. Received: moments of none. "
                "Fit some data first."
            )
        scaler = cls(copy=copy, with_mean=with_mean, with_std=with_std)
        scaler._set_moments(moments.copy())
        return scaler

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:  # noqa: N803
        """Take the statistics of ``X``, and forget what was fitted before.

        Parameters
        ----------
        X
            Array-like or CSR, CSC matrix of shape (n_samples, n_features). NaN is missing.
        y
            Ignored.
        sample_weight
            One number a row, 0 or more: a weight of 2 equals the row twice, bit for bit.

        Raises
        ------
        DataError
            For an infinity, and for negative weights.
        ValueError
            For whatever else scikit-learn refuses.
        """
        before = self._reset()
        try:
            return self.partial_fit(X, y, sample_weight)
        except BaseException:
            self._reset()
            self.__dict__.update(before)
            raise

    def _reset(self) -> dict[str, Any]:
        """Be unfitted, and return what was learned."""
        return {name: self.__dict__.pop(name) for name in _STATE if name in vars(self)}

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:  # noqa: N803
        """Add the rows of ``X`` to what was fitted before; parameters and errors as of `fit`.

        In any batches and any order: the same bits as one `fit` of all rows.
        """
        first = "moments_" not in vars(self)
        x = validation.validate_fit(self, X, reset=first)
        validation.check_sparse(x, with_mean=self.with_mean, verb="center")
        with fit_callbacks(self, x, y, sample_weight):
            weights = None
            if sample_weight is not None:
                weights = as_weights(array_api.to_numpy(_check_sample_weight(sample_weight, x)))
            batch = validation.moments_of(x, weights, self._names())
            self.moments_ = batch if first else self.moments_ + batch
            self._weighted = weights is not None or vars(self).get("_weighted", False)
            self._like = array_api.prototype(x)
        return self

    def _names(self) -> ColumnNames:
        """Return the names that the first batch brought, if any."""
        return tuple(getattr(self, "feature_names_in_", ())) or None

    def transform(self, X: Any, copy: bool | None = None) -> Any:  # noqa: N803
        """Return ``(X - mean) / std``: floats keep their dtype, all else becomes float64.

        Parameters
        ----------
        X
            Array-like or sparse matrix (which becomes CSR), of the columns that were fitted.
        copy
            None: as the parameter of the class says.
        """
        check_is_fitted(self)
        x = validation.validate_transform(self, X)
        return self._scaled(x, copy, inverse=False)

    def inverse_transform(self, X: Any, copy: bool | None = None) -> Any:  # noqa: N803
        """Return ``X * std + mean``: what `transform` made, to rounding; constants exactly.

        Parameters are as of `transform`.
        """
        check_is_fitted(self)
        x = validation.validate_inverse(self, X)
        return self._scaled(x, copy, inverse=True)

    def _scaled(self, x: Any, copy: bool | None, *, inverse: bool) -> Any:
        validation.check_sparse(
            x, with_mean=self.with_mean, verb="uncenter" if inverse else "center"
        )
        scaling = scaling_of(
            self.moments_, with_mean=self.with_mean, with_std=self.with_std, inverse=inverse
        )
        in_place = not (self.copy if copy is None else copy)
        return apply_scaling(x, scaling, in_place=in_place)

    def __add__(self, other: object) -> Self:
        """Return the fitted scaler of both data sets, with the parameters of the first.

        Bit for bit that of one fit of all rows. Columns with names are matched by name.
        """
        if not isinstance(other, StandardScaler):
            # sum() begins with 0
            return self._sum(self.moments_) if type(other) is int and other == 0 else NotImplemented
        for scaler in (self, other):
            check_is_fitted(scaler)
        result = self._sum(self.moments_ + other.moments_)
        result._weighted = self._weighted or other._weighted
        return result

    __radd__ = __add__

    def _sum(self, moments: Moments) -> Self:
        result = clone(self)
        result._set_moments(moments)
        result._weighted, result._like = self._weighted, self._like
        return result

    def _set_moments(self, moments: Moments) -> None:
        """Be fitted, by these moments."""
        self.moments_ = moments
        self._weighted, self._like = moments.count.dtype == np.float64, None
        self.n_features_in_ = moments.num_features
        if moments.columns is not None:
            self.feature_names_in_ = np.array(moments.columns, dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        """Whether there are moments: a first batch that was refused leaves none."""
        return "moments_" in vars(self)

    # What skl2onnx looks for; nothing of it is imported before it asks.

    def onnx_parser(self) -> Callable[..., Any]:
        """Return what declares the output of the ONNX graph."""
        return onnx.declare

    def onnx_shape_calculator(self) -> Callable[..., Any]:
        """Return what gives the output of the ONNX graph its shape."""
        return onnx.shape

    def onnx_converter(self) -> Callable[..., Any]:
        """Return what adds the nodes of the ONNX graph."""
        return onnx.convert


_STATE = ("moments_", "_weighted", "_like", "n_features_in_", "feature_names_in_")
