"""Read all values of an open Zarr or HDF5 array, decoded by its attributes."""

from typing import TYPE_CHECKING, Any

from evenly.dispatch import is_instance
from evenly.errors import UnsupportedTypeError
from evenly.sources.stores import hdf5, zarr
from evenly.sources.stores.decoded_array import log_remarks
from evenly.typing import AnyArray

if TYPE_CHECKING:
    import h5py
    from zarr import Array, Group


def read_values(x: "Array | Group | h5py.Dataset | h5py.Group") -> AnyArray:
    """Return the values of an array as a fit reads them: missing ones are NaN, or masked.

    Raises
    ------
    UnsupportedTypeError
        If it is a group.
    """
    library: Any = hdf5 if is_instance(x, "h5py", "Dataset", "Group") else zarr
    label = library.label_of(x)
    if not hasattr(x, "shape"):
        raise UnsupportedTypeError(
            f"A group has no values of its own. Received: {label}. Pass one of its arrays."
        )
    array = library.Store(x, label).find("")[""].decoded
    values: AnyArray = array.read(tuple(slice(0, length) for length in array.shape))
    log_remarks([array])
    return values
