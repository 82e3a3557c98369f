"""Weights along some axes of an array: they are repeated along the others, block by block."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from evenly.errors import DataError, UnsupportedTypeError, format_names
from evenly.sources.source import Source
from evenly.sources.weights import Weights, as_floats, as_weights, check_weights


class RowAxes(NamedTuple):
    """The axes of an array whose values are rows.

    Attributes
    ----------
    shape
        The shape of the array.
    dims
        The names of its axes; None if they have none.
    feature_axis
        The axis of the columns; None if all axes are rows.
    """

    shape: tuple[int, ...]
    dims: tuple[str, ...] | None
    feature_axis: int | None

    @property
    def rows(self) -> tuple[int, ...]:
        """The lengths of the axes of rows."""
        return tuple(n for axis, n in enumerate(self.shape) if axis != self.feature_axis)

    def index_of(self, axis: Any) -> int:
        """Return the number of an axis that is given by its name or number.

        Raises
        ------
        DataError
            If there is no such axis, or it is the axis of the columns.
        """
        if isinstance(axis, str) and axis in (self.dims or ()):
            number = (self.dims or ()).index(axis)
        elif hasattr(axis, "__index__") and -len(self.shape) <= axis < len(self.shape):
            number = axis.__index__() % len(self.shape)
        else:
            raise DataError(
                "weights must be along axes of the data. "
                f"Received: {axis!r}, for {self.describe()}. Give an axis by its name or number."
            )
        if number == self.feature_axis:
            raise DataError(
                "weights must be along axes of rows. "
                f"Received: {axis!r}, which is the axis of the columns, for {self.describe()}. "
                "To have one row per value, name the array in columns=[...]."
            )
        return number

    def describe(self) -> str:
        """Return the shape for messages, with the names of the axes."""
        names = f" (axes {format_names(self.dims)})" if self.dims else ""
        return f"an array of shape {self.shape}{names}"


class RepeatedWeights:
    """One weight per row, in C order, of which only the part that is sliced is computed.

    Parameters
    ----------
    factor
        The weights along the axes of rows, with length 1 where they are repeated.
    rows
        The lengths of the axes of rows.
    """

    def __init__(self, factor: Weights, rows: tuple[int, ...]) -> None:
        self._factor = factor
        self._rows = rows

    def __len__(self) -> int:
        return math.prod(self._rows)

    def __getitem__(self, part: slice) -> Weights:
        """Return the weights of a range of rows."""
        start, stop, _ = part.indices(len(self))
        size = math.prod(self._rows[1:])
        first, last = start // max(1, size), -(-stop // max(1, size))
        factor = self._factor if len(self._factor) == 1 else self._factor[first:last]
        whole = np.broadcast_to(factor, (last - first, *self._rows[1:])).reshape(-1)
        return whole[start - first * size : stop - first * size]


def weights_of_rows(weights: Any, source: Source) -> Any:
    """Return weights as a sequence with one validated weight per row of a source.

    Parameters
    ----------
    weights
        A one-dimensional array with one weight per row, or weights along some axes; see
        `repeat_weights`.

    Raises
    ------
    DataError
        If a weight is invalid, or the axes or lengths do not match.
    UnsupportedTypeError
        If weights are not numeric, or are along axes of data that has no axes.
    """
    axes: RowAxes | None = getattr(source, "row_axes", None)
    if isinstance(weights, Mapping) or np.ndim(weights) > 1 or _has_dims(weights, axes):
        if axes is None:
            raise _no_axes_error(weights, source.description)
        return repeat_weights(weights, axes)
    values = as_weights(weights)
    if axes is not None and len(values) in axes.rows and len(values) != math.prod(axes.rows):
        raise _shape_error(values, axes, "")
    return values


def _has_dims(weights: object, axes: RowAxes | None) -> bool:
    """Return whether weights are a DataArray whose dimensions are names of axes of the data."""
    dims = getattr(weights, "dims", None)
    return dims is not None and axes is not None and set(dims) <= set(axes.dims or ())


def repeat_weights(weights: object, axes: RowAxes) -> RepeatedWeights:
    """Return weights that are given for some axes of an array as weights of its rows.

    Parameters
    ----------
    weights
        A dict of one-dimensional weights by the name or number of their axis, which are
        multiplied; an xarray DataArray, whose dimensions are names of axes; or an array with as
        many dimensions as the data or its rows, with length 1 on axes where it is repeated.

    Raises
    ------
    DataError
        If an axis does not exist or has another length, or a weight is invalid.
    """
    if isinstance(weights, Mapping):
        if not weights:
            raise DataError("weights by axis must name an axis. Received: an empty dict.")
        factors = [_along_axes(as_floats(w), (axis,), axes) for axis, w in weights.items()]
        factor = math.prod(factors[1:], start=factors[0])
    elif hasattr(weights, "dims"):
        factor = _along_axes(as_floats(weights), tuple(weights.dims), axes)
    else:
        factor = _broadcastable(weights, axes)
    check_weights(factor.reshape(-1), 0, "weights=, in C order")
    return RepeatedWeights(factor, axes.rows)


def _along_axes(values: Weights, names: tuple[Any, ...], axes: RowAxes) -> Weights:
    """Return weights with one axis for each axis of rows, which is of length 1 if not named."""
    numbers = [axes.index_of(name) for name in names]
    if values.shape != tuple(axes.shape[number] for number in numbers):
        raise _shape_error(values, axes, f" along {format_names(names)}")
    shape = [1] * len(axes.shape)
    for number in numbers:
        shape[number] = axes.shape[number]
    whole = values.transpose(np.argsort(numbers)).reshape(shape)
    return whole if axes.feature_axis is None else whole.squeeze(axes.feature_axis)


def _broadcastable(weights: object, axes: RowAxes) -> Weights:
    """Return weights with the dimensions of the data or of its rows, one for each axis of rows."""
    values = as_floats(weights)
    if values.ndim == len(axes.shape) and axes.feature_axis is not None:
        if values.shape[axes.feature_axis] != 1:
            raise _shape_error(values, axes, "")
        values = values.squeeze(axes.feature_axis)
    same_axes = values.ndim == len(axes.rows)
    if not same_axes or any(n not in (1, m) for n, m in zip(values.shape, axes.rows, strict=True)):
        raise _shape_error(values, axes, "")
    return values


def _shape_error(values: Weights, axes: RowAxes, where: str) -> DataError:
    return DataError(
        "weights must have the lengths of the axes of rows, or 1 where they are repeated. "
        f"Received: shape {values.shape}{where}, for {axes.describe()}. Pass a dict of weights by "
        "axis, such as weights={'lat': w} or weights={0: w}."
    )


def _no_axes_error(weights: object, description: str) -> UnsupportedTypeError:
    """Return the error for weights along axes, for data that has no axes but rows."""
    return UnsupportedTypeError(
        "weights of several dimensions, or by axis, need one array whose axes they are along. "
        f"Received: {type(weights).__name__} for {description}. Pass a one-dimensional array with "
        "one weight per row, or the name of a column."
    )
