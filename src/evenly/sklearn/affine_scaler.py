"""Base class of the scalers that map two numbers of each column to a range."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Literal, Self, overload

import numpy as np
from sklearn.base import (
    BaseEstimator,
    OneToOneFeatureMixin,
    TransformerMixin,
    _fit_context,
    clone,
)
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from evenly.errors import DataError
from evenly.moments import Moments
from evenly.moments.internal import cached, exact_extremes
from evenly.sklearn import array_api, validation
from evenly.sklearn.fitted_attributes import fit_callbacks
from evenly.sklearn.given_moments import as_scaler_moments
from evenly.sklearn.scaling import apply_scaling
from evenly.transform import Scaling
from evenly.transform.affine_scaling import AnchorArrays, Anchors, affine_scaling
from evenly.transform.methods import Method
from evenly.typing import Path

_STATE = ("moments_", "_like", "n_features_in_", "feature_names_in_")
_FORMATS = ("csr", "csc")
"""The formats of sparse matrices that are kept."""


class AffineScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """A scaler whose only state is ``moments_``, which parts of the data add up to."""

    moments_: Moments
    copy: bool

    @property
    def _bins(self) -> int:
        """The maximum number of bins of each distribution; 0 for none."""
        return 0

    def _method(self) -> Method:
        """Return the range of the result."""
        return Method()

    def _anchors(self) -> Iterator[Anchors]:
        """Yield the numbers of each column that become the ends of the range."""
        raise NotImplementedError

    def _extremes(self) -> Iterator[tuple[Fraction, Fraction] | None]:
        """Yield the exact smallest and largest value of each column; None without values."""
        yield from exact_extremes(self.moments_)

    def _check_parameters(self) -> None:
        """Check what scikit-learn's constraints of the parameters do not."""

    def _check_sparse(self, x: object, *, verb: str) -> None:
        """Raise an error for a sparse matrix whose zeros would not stay zeros."""

    @overload
    @classmethod
    def from_moments(
        cls, moments: Moments | Path, *, frozen: Literal[False] = False, **parameters: Any
    ) -> Self: ...
    @overload
    @classmethod
    def from_moments(
        cls, moments: Moments | Path, *, frozen: Literal[True], **parameters: Any
    ) -> FrozenEstimator: ...
    @classmethod
    def from_moments(
        cls, moments: Moments | Path, *, frozen: bool = False, **parameters: Any
    ) -> Any:
        """Create a fitted scaler from existing moments, as `StandardScaler.from_moments`.

        Parameters
        ----------
        moments
            Moments of at least one column, or the path of a statistics file. `RobustScaler` needs
            a distribution: ``evenly.fit(x, distribution=True)``.
        frozen
            Return the scaler in scikit-learn's ``FrozenEstimator``, whose `fit` does nothing.
        parameters
            As in the constructor.

        Raises
        ------
        DataError
            If the moments have no columns or no rows, no distribution although the scaler needs
            one, or extremes that are only bounds although it needs these.
        UnsupportedTypeError
            If they are the moments of groups.

        Examples
        --------
        >>> import evenly
        >>> from evenly.sklearn import MinMaxScaler
        >>> MinMaxScaler.from_moments(evenly.fit([[1.0], [3.0]])).transform([[2.0]])
        array([[0.5]])
        """
        given = as_scaler_moments(moments)
        scaler = cls(**{**cls._parameters_of(given), **parameters})
        scaler._set_moments(scaler._checked(given))
        return FrozenEstimator(scaler) if frozen else scaler

    @classmethod
    def _parameters_of(cls, moments: Moments) -> dict[str, Any]:
        """Return the parameters that follow from given moments."""
        return {}

    def _checked(self, moments: Moments) -> Moments:
        """Return moments that the scaler can add rows to, or raise an error."""
        if moments.extremes_are_bounds:
            raise DataError(
                f"{type(self).__name__} needs the smallest and the largest value of each column. "
                "Received: moments from which rows were subtracted, whose extremes are bounds. Fit "
                "the remaining rows, or choose StandardScaler or RobustScaler."
            )
        return moments.without_distribution()

    def _set_moments(self, moments: Moments) -> None:
        self.moments_, self._like = moments, None
        self.n_features_in_ = moments.num_features
        if moments.columns is not None:
            self.feature_names_in_ = np.array(moments.columns, dtype=object)

    def fit(self, X: object, y: object = None) -> Self:  # noqa: N803
        """Compute the statistics of ``X``, discarding those of earlier fits.

        Parameters
        ----------
        X
            Array-like of shape (n_samples, n_features). NaN is missing.
        y
            Ignored.

        Raises
        ------
        DataError
            For an infinity.
        ValueError
            For all other input that scikit-learn rejects.
        """
        previous = {name: self.__dict__.pop(name) for name in _STATE if name in vars(self)}
        try:
            return self.partial_fit(X, y)
        except BaseException:
            self._reset()
            self.__dict__.update(previous)
            raise

    def _reset(self) -> None:
        for name in _STATE:
            self.__dict__.pop(name, None)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: object, y: object = None) -> Self:  # noqa: N803
        """Add the rows of ``X`` to the statistics, and return the scaler.

        Any batches in any order give the same bits as one `fit` of all rows. The parameters and
        the errors are those of `fit`.
        """
        self._check_parameters()
        self._check_sparse(X, verb="center")
        first = "moments_" not in vars(self)
        x = validation.validate_fit(self, X, reset=first)
        with fit_callbacks(self, x, y):
            names = tuple(getattr(self, "feature_names_in_", ())) or None
            batch = validation.moments_of(x, None, names, self._bins)
            self.moments_ = batch if first else self.moments_ + batch
            self._like = array_api.prototype(x)
        return self

    def transform(self, X: object) -> Any:  # noqa: N803
        """Return ``X`` scaled.

        Parameters
        ----------
        X
            Array-like, shape (n_samples, n_features), with the fitted columns.

        Returns
        -------
        array of the shape of X
            Floats keep their dtype, other numbers become float64.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            For input that scikit-learn rejects, such as other columns, and for a sparse matrix
            whose zeros would not stay zeros.
        """
        check_is_fitted(self)
        x = validation.validate_transform(self, X, formats=_FORMATS)
        self._check_sparse(x, verb="center")
        return apply_scaling(x, self._scaling(inverse=False), in_place=not self.copy)

    def inverse_transform(self, X: object) -> Any:  # noqa: N803
        """Return ``X`` in the unit of the data: the inverse of `transform`, up to rounding.

        The parameters, the result and the errors are those of `transform`.
        """
        check_is_fitted(self)
        x = validation.validate_inverse(self, X, formats=_FORMATS)
        self._check_sparse(x, verb="uncenter")
        return apply_scaling(x, self._scaling(inverse=True), in_place=not self.copy)

    def _scaling(self, *, inverse: bool) -> Scaling:
        """Return the scaling, which is cached until the moments or the parameters change."""
        key = type(self), inverse, tuple(self.get_params().values())
        return cached(self.moments_, key, lambda: self._compute_scaling(inverse))

    def _compute_scaling(self, inverse: bool) -> Scaling:
        scaling = affine_scaling(
            self.moments_.columns,
            AnchorArrays.of(self._anchors()),
            self._method(),
            inverse=inverse,
            too_few="constant",
            dtypes=self.moments_.dtypes,
        )
        empty = self.moments_.count == 0
        scaling.hi[empty] = scaling.factor[empty] = np.nan
        return scaling

    def __add__(self, other: object) -> Self:
        """Return the scaler fitted on both data sets, with the parameters of the first.

        It is bit-identical to one fit of all rows. Named columns are matched by name.
        """
        if not isinstance(other, type(self)):
            zero = type(other) is int and other == 0  # sum() starts with 0
            return self._with_moments(self.moments_) if zero else NotImplemented
        for scaler in (self, other):
            check_is_fitted(scaler)
        return self._with_moments(self.moments_ + other.moments_)

    __radd__ = __add__

    def _with_moments(self, moments: Moments) -> Self:
        result = clone(self)
        result._set_moments(moments)
        result._like = self._like
        return result

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether there are moments; a rejected first batch leaves none."""
        return "moments_" in vars(self)
