"""Convert objects with ``__array__`` or ``__dlpack__`` to arrays that the core can read."""

import logging
import sys
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.dispatch import array_attributes_hint, is_extension_array, stored_library
from evenly.errors import DataError, UnsupportedTypeError, first_line, format_names
from evenly.typing import AnyDtype

_log = logging.getLogger("evenly")


def as_array(
    x: object, label: str = "the array", *, has_select: bool = True
) -> Any:  # a NumPy array or a torch tensor
    """Convert an array-like object to a NumPy array or a CPU tensor, without a copy if possible.

    Data on another device is copied to the CPU, with a warning in the log.

    Parameters
    ----------
    has_select
        Whether the caller has the option ``select=``, which an error may then suggest.

    Raises
    ------
    UnsupportedTypeError
        If the values are not numbers of at most 64 bits, or the data is sparse.
    """
    if type(x) is np.ndarray and is_plain(x.dtype):
        return x
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(x, torch.Tensor):
        return _as_tensor(x, label)
    if hasattr(x, "tocsr") or hasattr(x, "todense"):
        raise UnsupportedTypeError(
            f"An array must be dense. Received: {type(x).__name__}, which is sparse. "
            "Pass x.toarray(), or a generator of dense slices."
        )
    array = _as_numpy(x, label)
    if array.dtype == object:
        raise _objects_error(x, label, array, has_select)
    if array.dtype.names is None:
        check_dtype(array.dtype, label)
    return array


def _objects_error(x: object, label: str, array: Any, has_select: bool) -> UnsupportedTypeError:
    """Return the error for Python objects: a list with None or decimals, or an unknown type."""
    if array.ndim == 0 and not isinstance(x, np.ndarray):
        hint = array_attributes_hint(x) if has_select else ""
        return UnsupportedTypeError(
            "Numbers must be in an array, a tensor, a data frame or a list. Received: "
            f"{label} of type {type(x).__name__}.{hint}"
        )
    return UnsupportedTypeError(
        "An array must hold integers, booleans or floats of at most 64 bits. Received: "
        f"{label} of dtype object. Numbers with None, decimals and integers beyond 64 bits can be "
        "columns of a dict: {'x': [...]}."
    )


def _as_tensor(x: Any, label: str) -> Any:
    _check_tensor(x, label)
    if str(x.layout) != "torch.strided":
        raise UnsupportedTypeError(
            f"A tensor must be dense. Received: layout {x.layout}. Pass x.to_dense()."
        )
    if x.device.type != "cpu":
        _log.warning("The tensor is on %s; it is copied to the CPU.", x.device)
    return x.detach().cpu().resolve_neg()


def _check_tensor(x: Any, label: str) -> None:
    """Check that a tensor is one array of numbers, and say how to make one of it."""
    for is_kind, kind, advice in (
        (hasattr(x, "get_mask"), "masked", "x.get_data().where(x.get_mask(), torch.nan)"),
        (x.is_nested, "nested", "its tensors, with the axis of their columns: x.unbind()"),
        (x.is_quantized, "quantized", "x.dequantize()"),
        (x.device.type == "meta", "without values, on the meta device", "one with values"),
    ):
        if is_kind:
            raise UnsupportedTypeError(
                f"A tensor must hold one number for each index. Received: {label}, which is "
                f"{kind}. Pass {advice}."
            )
    dtype = str(x.dtype).removeprefix("torch.")
    if x.is_complex() or dtype.startswith("float8"):
        raise _not_numeric_error(dtype, label)


def _as_numpy(x: object, label: str) -> Any:
    if isinstance(x, np.ma.MaskedArray):
        return _masked_to_nan(x)
    if isinstance(x, np.ndarray):
        return x
    if is_extension_array(x):
        return _of_pandas(x)
    if stored_library(x) in ("zarr", "hdf5"):
        stores = import_module("evenly.sources.stores.stored_values")  # late: it reads arrays
        return _as_numpy(stores.read_values(x), label)
    if not hasattr(x, "__array__") and hasattr(x, "__dlpack__"):
        return _from_dlpack(x, label)
    if not _on_cpu(x):
        _log.warning("%s is on another device; it is copied to the CPU.", type(x).__name__)
        if hasattr(x, "get"):  # CuPy does not convert implicitly
            return x.get()
    from evenly.sources.arrow_input import validate_arrow

    validate_arrow(x, label)  # PyArrow arrays have __array__ as well
    try:
        array = with_mask(x)
    except (ValueError, TypeError, RuntimeError) as error:
        raise UnsupportedTypeError(
            "An array must be rectangular and numeric. "
            f"Received: {label} of type {type(x).__name__}: {first_line(error)}."
        ) from None
    if isinstance(array, np.ma.MaskedArray):
        return _masked_to_nan(array)
    rounded = rounded_integer(x, array)
    if rounded is None:
        return array
    raise DataError(
        "NumPy makes float64 of a list with integers beyond 2**53 and other numbers, which rounds "
        f"them. Received: {rounded} in {label}. Pass a dict of columns, such as {{'x': [...]}}, "
        "which are exact; or floats."
    )


def _of_pandas(x: Any) -> Any:
    """Return an array of pandas, whose integers NumPy would round beside missing values."""
    missing = np.asarray(x.isna())
    if getattr(x.dtype, "kind", "") not in "iu" or not missing.any():
        return np.asarray(x)
    integers = x.to_numpy(dtype=x.dtype.numpy_dtype, na_value=0)
    return _masked_to_nan(np.ma.MaskedArray(integers, missing))


def _from_dlpack(x: Any, label: str) -> Any:
    try:
        return np.from_dlpack(x) if _on_cpu(x) else np.from_dlpack(x, device="cpu")
    except (RuntimeError, BufferError) as error:  # a type that NumPy lacks, such as bfloat16
        raise UnsupportedTypeError(
            f"NumPy must be able to read an object with __dlpack__. Received: {label} of type "
            f"{type(x).__name__}: {error} Pass torch.from_dlpack(x)."
        ) from None


def with_mask(x: object) -> Any:
    """Return an object as an array, which is masked if its values or its rows are.

    ``np.asarray`` would drop the mask, and return the fill values that it hides.
    """
    if isinstance(x, list | tuple) and any(isinstance(row, np.ma.MaskedArray) for row in x):
        return np.ma.array(x)
    array = np.asanyarray(x)
    return array if isinstance(array, np.ma.MaskedArray) else np.asarray(array)


def rounded_integer(x: object, array: npt.NDArray[Any]) -> int | None:
    """Return an integer in a list that differs from its float64 in an array of the list.

    >>> values = [0.5, 2**53 + 1]
    >>> rounded_integer(values, np.asarray(values))
    9007199254740993
    """
    if not isinstance(x, list | tuple) or array.dtype != np.float64:
        return None
    with np.errstate(invalid="ignore"):
        large = np.abs(array) > 2.0**53 - 1
    numbers = np.asarray(x, object)[large].tolist() if large.any() else []
    integers = (int(n) for n in numbers if isinstance(n, int | np.integer))
    return next((n for n in integers if n != float(n)), None)


def _on_cpu(x: object) -> bool:
    if not hasattr(x, "__dlpack_device__"):
        return True
    try:
        return int(x.__dlpack_device__()[0]) in (1, 3)  # kDLCPU, kDLCUDAHost
    except (BufferError, RuntimeError, TypeError):
        # JAX, for an array on several devices or a deleted one: NumPy copies it, or says why not.
        return True


def _masked_to_nan(x: Any) -> Any:
    """Return the values of a masked array, with NaN for masked values."""
    if x.dtype.names is not None:
        raise UnsupportedTypeError(
            "A structured array must not be masked. Received: fields "
            f"{format_names(x.dtype.names)}. Pass a dict of the fields: {{name: x[name] for name "
            "in x.dtype.names}."
        )
    if not np.ma.is_masked(x):
        return x.data
    if x.dtype.kind == "f":
        return x.filled(np.nan)
    if x.dtype.kind in "iub" and _fits_in_float64(x):
        return x.astype(np.float64).filled(np.nan)
    raise UnsupportedTypeError(
        "Values beside masked ones must be floats, or integers up to 2**53, since NaN marks the "
        f"masked ones. Received: dtype {x.dtype}. Pass a dict of one-dimensional columns, such as "
        "{'x': array}, whose integers are exact."
    )


def _fits_in_float64(x: Any) -> bool:
    """Return whether float64 has all integers of a masked array that are not masked."""
    if x.dtype.itemsize < 8:
        return True
    present = x.compressed()
    return not present.size or bool(present.min() >= -(2**53) and present.max() <= 2**53)


def is_plain(dtype: AnyDtype) -> bool:
    """Return whether a dtype is NumPy's own, and a float of at most 64 bits, in native byte order.

    The name of a dtype is computed on each access, which takes a microsecond; this does not.
    """
    return dtype.isbuiltin == 1 and dtype.char in "efd"


def check_dtype(dtype: AnyDtype, label: str) -> None:
    """Check that a dtype is an integer, a boolean or a float of at most 64 bits."""
    if (dtype.kind in "fiub" and dtype.itemsize <= 8) or dtype.name == "bfloat16":
        return
    raise _not_numeric_error(str(dtype), label)


_TIMES = "Times are fitted as a named column: evenly.fit({'t': times}, columns=['t'])."
_ADVICE = {
    "datetime64": _TIMES,
    "timedelta64": _TIMES,
    "complex": "Fit its real and imaginary parts: x.real and x.imag.",
    "|S": "Decode the bytes first: numpy.frombuffer for numbers, PIL.Image.open for an image.",
}
"""What to do with arrays that are not numeric, by how the name of the dtype begins."""


def _not_numeric_error(dtype: str, label: str) -> UnsupportedTypeError:
    found = (advice for start, advice in _ADVICE.items() if dtype.startswith(start))
    advice = next(found, "Convert it first, to float64 for example.")
    return UnsupportedTypeError(
        "An array must hold integers, booleans or floats of at most 64 bits. "
        f"Received: {label} of dtype {dtype}. {advice}"
    )


def is_native(array: object) -> bool:
    """Return whether the core can read the array: native byte order, aligned."""
    return not isinstance(array, np.ndarray) or (array.dtype.isnative and array.flags.aligned)


def to_native(array: Any) -> Any:
    """Return an array that the core can read, copied only if necessary."""
    if is_native(array):
        return array
    return array.astype(array.dtype.newbyteorder("="), order="C")
