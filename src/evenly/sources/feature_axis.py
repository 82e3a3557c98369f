"""Find the axis of an array that holds its columns."""

import operator

from evenly.errors import DataError, format_names, suggest
from evenly.typing import FeatureAxis

_LAYOUTS = {
    3: ("N×C×L", "N×L×C"),
    4: ("N×C×H×W", "N×H×W×C"),
    5: ("N×C×D×H×W", "N×D×H×W×C"),
}
"""By the number of dimensions, the usual layouts with the columns on axis 1 and -1."""


def resolve_feature_axis(
    shape: tuple[int, ...], feature_axis: FeatureAxis, label: str
) -> tuple[int, int]:
    """Return the nonnegative axis of the features, and the number of features.

    Raises
    ------
    DataError
        If the array does not have that axis, or has no axes at all; if it has three or more
        dimensions, and ``feature_axis`` is None.
    """
    if not shape:
        raise DataError(
            "An array must have rows. Received: a single number. "
            "Pass batches with at least one row."
        )
    axis = axis_number(shape, feature_axis, label)
    if len(shape) == 1 and axis in (-1, 1):
        return 1, 1
    if len(shape) == 1 or not -len(shape) <= axis < len(shape):
        raise DataError(
            "feature_axis must be an axis of the array. "
            f"Received: {feature_axis}, and {label} of shape {shape}."
        )
    if shape[axis] == 0:
        raise DataError(
            f"An array must have at least one column. Received: {label} of shape {shape}."
        )
    return axis % len(shape), shape[axis]


def axis_number(shape: tuple[int, ...], feature_axis: FeatureAxis, label: str) -> int:
    """Return ``feature_axis`` as an integer; None is the last axis of one or two dimensions.

    Raises
    ------
    DataError
        If it is None for three or more dimensions, a name, or another value.

    >>> axis_number((5, 3), None, "x"), axis_number((5, 3, 8, 8), 1, "x")
    (-1, 1)
    """
    if isinstance(feature_axis, str):
        raise DataError(
            "feature_axis is the name of a dimension only where dimensions have names, as in "
            f"xarray. Received: {feature_axis!r}, and {label} of shape {shape}. Pass a number."
        )
    if feature_axis is not None:
        return _as_integer(feature_axis, label, shape)
    if len(shape) <= 2:
        return -1
    first, last = _LAYOUTS.get(len(shape), ("N×C×…", "N×…×C"))
    raise DataError(
        "An array of three or more dimensions needs feature_axis=, the axis of its columns. "
        f"Received: {label} of shape {shape}. "
        f"Pass feature_axis=1 for {first} ({shape[1]} columns), "
        f"or feature_axis=-1 for {last} ({shape[-1]} columns)."
    )


def check_table_axis(
    feature_axis: FeatureAxis, label: str, features: str = "The columns of a table"
) -> None:
    """Check that the axis of a table's features is that of its columns, or not given.

    The columns of a sparse matrix and the bands of images are features too.

    Raises
    ------
    DataError
        If it is another axis.
    """
    if feature_axis not in (None, 1, -1):
        raise DataError(
            f"{features} are its features, so feature_axis= is for arrays. "
            f"Received: feature_axis={feature_axis!r} for {label}. Omit it, or pass an array."
        )


def _as_integer(feature_axis: int, label: str, shape: tuple[int, ...]) -> int:
    try:
        return operator.index(feature_axis)
    except TypeError:
        raise DataError(
            "feature_axis must be the number of an axis. "
            f"Received: {feature_axis!r:.80}, and {label} of shape {shape}. Pass 1 or -1, for "
            "example."
        ) from None


def axis_by_name(
    feature_axis: FeatureAxis, dims: tuple[str, ...] | None, shape: tuple[int, ...], label: str
) -> FeatureAxis:
    """Return ``feature_axis`` as a number if it is the name of one of the dimensions.

    Parameters
    ----------
    dims
        The names of the dimensions; None if they have none.

    Raises
    ------
    DataError
        If there is no such dimension, or it is None for three or more dimensions.
    """
    if dims is None:
        return feature_axis
    if not isinstance(feature_axis, str):
        names = f"{label}, with dimensions {format_names(dims)} that may be named too,"
        return axis_number(shape, feature_axis, names)
    if feature_axis not in dims:
        raise DataError(
            "feature_axis must be a dimension of the array. "
            f"Received: {feature_axis!r}; {label} has {format_names(dims)}."
            f"{suggest(feature_axis, dims)}"
        )
    return dims.index(feature_axis)
