"""Determine the library of an object without importing that library.

If an object of a library exists, the library has been imported. So libraries are looked up in
`sys.modules`, or by the module of the class of the object.
"""

import os
import re
import sys
from array import array
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import Any, Literal, TypeGuard

import numpy as np

from evenly.errors import format_names
from evenly.typing import Path

_ENGINES = {"dask": "dask", "distributed": "dask", "pyspark": "spark", "ray": "ray"}
"""Top-level package of the class of a collection -> module in `evenly.engines`."""

_AGGREGATION = re.compile(
    "GroupBy|GroupedData|Resampl|Rolling|Expanding|MovingWindow|^Window$|Coarsen"
)
"""The names of classes that are groups or windows of rows."""
_FRAME_LIBRARIES = ("pandas", "polars", "pyarrow", "xarray", "dask", "pyspark", "ray")


def engine_of(x: object) -> ModuleType | None:
    """Return the module of the distributed engine of a collection, or None.

    For a list the first item decides: a list of Delayed objects is a Dask collection.

    >>> engine_of([[1.0, 2.0]]) is None
    True
    """
    first = x[0] if isinstance(x, list) and x else x
    name = _engine_name(type(first))  # type: ignore[arg-type]
    if name is None:
        return None
    engine = import_module(f"evenly.engines.{name}")  # late: engines import most of evenly
    return engine if engine.matches(x) else None


@lru_cache(maxsize=1024)
def _engine_name(cls: type) -> str | None:
    packages = (parent.__module__.partition(".")[0] for parent in cls.__mro__)
    return next((_ENGINES[package] for package in packages if package in _ENGINES), None)


def is_traced(x: object) -> bool:
    """Return whether `torch.compile` is tracing the code that has x, which is then a tensor."""
    if type(x) is np.ndarray:
        return False
    torch = sys.modules.get("torch")
    return torch is not None and torch.compiler.is_compiling()


Container = Literal["tensor", "series", "labeled", "mapping", "frame", "array"]


def container_kind(x: object) -> Container:
    """Return whether an object is a tensor, a series, data of xarray, a dict, a frame or an array.

    ``"array"`` is the fallback: conversion reports unsupported types. A frame is an object
    without a dtype whose class has columns or a schema. The class is inspected because a lazy
    frame would have to plan its query to return its columns.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(x, torch.Tensor):
        return "tensor"
    if is_series(x):
        return "series"
    if is_instance(x, "xarray", "DataArray", "Dataset"):
        return "labeled"
    if hasattr(x, "dtype") or hasattr(x, "__array_interface__"):
        return "array"
    if isinstance(x, Mapping):
        return "mapping"
    has_columns = hasattr(type(x), "columns") or hasattr(type(x), "schema")
    return "frame" if has_columns else "array"


def is_series(x: object) -> bool:
    """Return whether an object is a single column of a library of data frames."""
    return (
        is_instance(x, "pandas", "Series")
        or is_instance(x, "polars", "Series")
        or is_instance(x, "pyarrow", "Array", "ChunkedArray")
    )


def is_extension_array(x: object) -> bool:
    """Return whether an object is an array of pandas, such as that of a Series: ``pd.array``."""
    return is_instance(x, "pandas.api.extensions", "ExtensionArray")


def is_mapping_of_columns(x: object) -> bool:
    """Return whether an object is a dict of equally long one-dimensional columns.

    >>> is_mapping_of_columns({"a": [1, 2], "b": ["x", None]})
    True
    >>> is_mapping_of_columns({"a": [1, 2], "b": [1]})
    False
    """
    if not isinstance(x, Mapping) or not x:
        return False
    return all(map(_is_column, x.values())) and len(set(map(_length, x.values()))) == 1


def _is_column(x: object) -> bool:
    if isinstance(x, list | tuple | range):
        return not any(hasattr(value, "__len__") and not isinstance(value, str) for value in x)
    return is_series(x) or len(shape_of(x)) == 1


def _length(column: Any) -> int:
    """Return the number of rows; an array of Zarr has only a shape."""
    return len(column) if hasattr(column, "__len__") else int(column.shape[0])


def is_instance(x: object, module: str, *classes: str) -> bool:
    """Return whether x is an instance of a class of a module, without importing it."""
    imported = sys.modules.get(module)
    return imported is not None and isinstance(
        x, tuple(getattr(imported, name) for name in classes if hasattr(imported, name))
    )


def is_aggregation(x: object) -> bool:
    """Return whether an object is the groups or windows of the rows of a table.

    Methods such as ``groupby``, ``rolling`` and ``resample`` of data frames and xarray return them.
    Windows overlap, so iterating over them would count a row several times.
    """
    if type(x).__module__.partition(".")[0] not in _FRAME_LIBRARIES:
        return False
    return _AGGREGATION.search(type(x).__name__) is not None


_STATISTICS = (
    ("evenly.moments.base", "MomentsBase"),
    ("evenly.moments.by_key", "MomentsByKey"),
    ("evenly.window", "Window"),
)


def is_statistics(x: object) -> bool:
    """Return whether an object is statistics of data, rather than data."""
    return any(is_instance(x, module, name) for module, name in _STATISTICS)


def shape_of(x: object) -> tuple[int, ...]:
    """Return the shape of an array; () for other objects and for nested tensors."""
    try:
        return tuple(getattr(x, "shape", ()))
    except (RuntimeError, TypeError):  # a nested tensor; `shape` is a method
        return ()


def is_array(x: object) -> bool:
    """Return whether an object is a number, or supports one of the array protocols."""
    scalars = (bool, int, float, complex, np.generic, range, array)
    return isinstance(x, scalars) or any(
        hasattr(x, name) for name in ("__array__", "__dlpack__", "__array_interface__", "tocsr")
    )


def is_path(x: object) -> TypeGuard[Path]:
    """Return whether an object is a path."""
    return isinstance(x, str | os.PathLike)


def is_list_of(x: object, matches: Callable[[Any], bool]) -> bool:
    """Return whether an object is a list or tuple, not empty, of matching items."""
    return isinstance(x, list | tuple) and bool(x) and all(map(matches, x))


def is_sparse(x: object) -> bool:
    """Return whether an object is a sparse matrix or array of SciPy."""
    return hasattr(x, "tocsc") and hasattr(x, "nnz")


def is_pillow_image(x: object) -> bool:
    """Return whether an object is a Pillow image."""
    return is_instance(x, "PIL.Image", "Image")


def stored_library(x: object) -> Literal["zarr", "hdf5", "xarray"] | None:
    """Return the library of a chunked array, or of a group of arrays, in a store; or None."""
    if is_instance(x, "zarr", "Array", "Group"):
        return "zarr"
    if is_instance(x, "h5py", "Dataset", "Group"):
        return "hdf5"
    return "xarray" if is_instance(x, "xarray", "DataArray", "Dataset") else None


def is_netcdf4_dataset(x: object) -> bool:
    """Return whether an object is a file or a group that the netCDF4 library opened."""
    return is_instance(x, "netCDF4", "Dataset")


def is_stored(x: object) -> bool:
    """Return whether an object is an array or a group of arrays in a store."""
    return stored_library(x) is not None


def is_frame(x: object) -> bool:
    """Return whether an object is a data frame, or a column of Arrow data."""
    return (
        hasattr(x, "__arrow_c_stream__")
        or hasattr(x, "__arrow_c_array__")
        or is_instance(x, "pandas", "DataFrame", "Series")
        or is_instance(x, "polars", "LazyFrame")
        or is_instance(x, "pyarrow.dataset", "Dataset")
        or has_record_batches(x)
    )


def has_record_batches(x: object) -> bool:
    """Return whether x yields batches: a PyArrow reader, a Flight stream, an ADBC cursor."""
    return (
        is_instance(x, "pyarrow", "RecordBatchReader")
        or (hasattr(x, "read_chunk") and hasattr(x, "to_reader"))
        or hasattr(x, "fetch_record_batch")
    )


def is_hugging_face_dataset(x: object) -> bool:
    """Return whether an object is a Hugging Face Dataset or IterableDataset."""
    return is_instance(x, "datasets", "Dataset", "IterableDataset")


def is_open_file(x: object) -> bool:
    """Return whether an object is an open file, also of fsspec or in memory."""
    return hasattr(x, "read") and hasattr(x, "readline")


def is_dbapi_cursor(x: object) -> bool:
    """Return whether an object is a DB-API cursor, which yields rows."""
    return hasattr(x, "fetchmany") and hasattr(x, "description")


def is_list_of_numbers(x: object) -> bool:
    """Return whether an object is a list or nested list of scalars rather than arrays."""
    if not isinstance(x, list | tuple) or not x:
        return False
    first = x[0]
    while isinstance(first, list | tuple) and first:
        first = first[0]
    scalars = (bool, int, float, complex, str, type(None), np.generic, list, tuple)
    return isinstance(first, scalars)


def is_dataset(x: object) -> bool:
    """Return whether an object is a map-style PyTorch dataset."""
    data = sys.modules.get("torch.utils.data")
    return (
        data is not None and isinstance(x, data.Dataset) and not isinstance(x, data.IterableDataset)
    )


def is_iterable_dataset(x: object) -> bool:
    """Return whether an object is an iterable-style PyTorch dataset."""
    data = sys.modules.get("torch.utils.data")
    return data is not None and isinstance(x, data.IterableDataset)


def array_attributes_hint(x: object) -> str:
    """Return a hint that names the public array attributes of an object; may be empty."""
    names = [
        name
        for name, value in getattr(x, "__dict__", {}).items()
        if not name.startswith("_") and is_array(value)
    ]
    if not names:
        return ""
    return (
        f" Its array attributes are {format_names(names)}: pass select={names[0]!r}, for example."
    )


def is_webdataset(x: object) -> bool:
    """Return whether an object is a pipeline of WebDataset: a dataset or a loader."""
    return is_instance(x, "webdataset", "DataPipeline")


def is_data_loader(x: object) -> bool:
    """Return whether an object is a PyTorch DataLoader."""
    return is_instance(x, "torch.utils.data", "DataLoader")


def with_article(name: str) -> str:
    """Return a noun with its indefinite article.

    >>> with_article("Array"), with_article("list"), with_article("ndarray")
    ('an Array', 'a list', 'an ndarray')
    """
    has_vowel = name[:1].lower() in tuple("aeiou") or name == "ndarray"
    return f"{'an' if has_vowel else 'a'} {name}"
