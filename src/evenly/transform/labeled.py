"""Scale data of xarray: dimensions, coordinates and attributes are kept."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from evenly.sources.feature_axis import axis_by_name, axis_number
from evenly.sources.stores.xarray import LabeledArray, label_of
from evenly.transform.frames import require_columns
from evenly.transform.group_scaling import AnyScaling
from evenly.typing import FeatureAxis

if TYPE_CHECKING:
    import xarray


ScaleArray: TypeAlias = Callable[[Any, AnyScaling, int], Any]
"""Take an array, the scaling and the axis of the columns; return it scaled."""


def scale_labeled(
    x: "xarray.DataArray | xarray.Dataset",
    scaling: AnyScaling,
    feature_axis: FeatureAxis,
    scale_array: ScaleArray[AnyScaling],
) -> Any:
    """Return a DataArray or Dataset of the same dimensions, coordinates and attributes.

    The variables of a Dataset are matched by name. The labels along the dimension of the columns
    are matched if the moments have names.
    """
    if not hasattr(x, "data_vars"):
        return _scale_array(x, scaling, feature_axis, scale_array)
    labels = {str(label): label for label in x.data_vars}
    if len(labels) == 1 and not labels.keys() & set(scaling.columns or ()):
        ((_, label),) = labels.items()
        return x.assign({label: _scale_array(x[label], scaling, feature_axis, scale_array)})
    names = require_columns(scaling.columns, list(labels))
    return x.assign(
        {
            labels[name]: _scale_whole(x[labels[name]], scaling[index : index + 1], scale_array)
            for index, name in enumerate(names)
        }
    )


def _scale_array(
    x: "xarray.DataArray",
    scaling: AnyScaling,
    feature_axis: FeatureAxis,
    scale_array: ScaleArray[AnyScaling],
) -> "xarray.DataArray":
    columns = scaling.columns or ()
    if x.name is not None and str(x.name) in columns:
        index = columns.index(str(x.name))
        return _scale_whole(x, scaling[index : index + 1], scale_array)
    array = LabeledArray(x, label_of(x))
    dims = tuple(map(str, x.dims))
    axis = axis_number(x.shape, axis_by_name(feature_axis, dims, x.shape, label_of(x)), label_of(x))
    names = array.names_along(axis)
    if columns and names is not None:
        order = [names.index(name) for name in require_columns(columns, list(names))]
        if len(order) == len(names):
            scaling = scaling.take(np.argsort(order).tolist())
    return _with_data(x, scale_array(x.data, scaling, axis))


def _scale_whole(
    x: "xarray.DataArray", scaling: AnyScaling, scale_array: ScaleArray[AnyScaling]
) -> "xarray.DataArray":
    """Return a variable all of whose values are one column."""
    return _with_data(x, scale_array(x.data[..., np.newaxis], scaling, -1)[..., 0])


def _with_data(x: "xarray.DataArray", data: object) -> "xarray.DataArray":
    """Return a DataArray with other values, which must not be packed like the old ones."""
    return x.copy(data=data).drop_encoding()
