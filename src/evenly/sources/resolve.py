"""Find the reader of a source: an ordered list of rows, the first that matches decides.

A new kind of source is one row here and one module that reads it.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from importlib import import_module
from typing import Any, NamedTuple, TypeAlias, TypeGuard

from evenly.dispatch import (
    array_attributes_hint,
    engine_of,
    is_aggregation,
    is_array,
    is_data_loader,
    is_dataset,
    is_dbapi_cursor,
    is_frame,
    is_hugging_face_dataset,
    is_instance,
    is_list_of,
    is_list_of_numbers,
    is_netcdf4_dataset,
    is_open_file,
    is_path,
    is_pillow_image,
    is_sparse,
    is_statistics,
    is_stored,
    is_webdataset,
)
from evenly.errors import UnsupportedTypeError
from evenly.sources.files.file_ref import FileRef
from evenly.sources.opener import SourceOpener
from evenly.sources.scan import FileScan
from evenly.sources.selected_column import SelectedColumn
from evenly.sources.source import Source

Open: TypeAlias = Callable[[Any, str, SourceOpener], Source]
"""Open an object, given its label for messages and an opener of its parts."""


class Reader(NamedTuple):
    """A kind of source.

    Attributes
    ----------
    matches
        Return whether an object is of this kind, without importing an optional package.
    open
        The function of type `Open`: a module in `evenly.sources`, which is imported when it is
        needed, and a name in it.
    """

    matches: Callable[[Any], bool]
    open: str


def _is_file(x: object) -> bool:
    return isinstance(x, FileRef)


def _is_pipe(x: object) -> bool:
    """Return whether an object is a `Pipe`, whose module imports the readers of formats."""
    return is_instance(x, "evenly.sources.files.standard_input", "Pipe")


READERS = (
    Reader(lambda x: isinstance(x, SelectedColumn), "array_columns.open_column"),  # a tuple
    Reader(lambda x: isinstance(x, type), "refusals.refuse_class"),  # may have any attribute
    Reader(is_statistics, "refusals.refuse_statistics"),  # may be a mapping
    Reader(lambda x: engine_of(x) is not None, "refusals.refuse_collection"),  # may be an array
    Reader(lambda x: isinstance(x, FileScan), "files.source.open_scan"),
    Reader(partial(is_list_of, matches=_is_file), "files.source.open_files"),
    Reader(_is_pipe, "files.standard_input.open_pipe"),
    Reader(is_path, "files.source.open_paths"),  # a text is iterable
    Reader(is_pillow_image, "images.source.open_images"),  # has __array_interface__
    Reader(is_stored, "stores.open_stored"),  # an xarray Dataset is a mapping
    Reader(is_aggregation, "refusals.refuse_aggregation"),  # is iterable
    Reader(is_frame, "frames.open_frame"),  # may be iterable, and have __array__
    Reader(is_hugging_face_dataset, "datasets.open_dataset"),  # may be iterable
    Reader(is_netcdf4_dataset, "refusals.refuse_netcdf4"),  # seems iterable
    Reader(is_sparse, "sparse.open_sparse"),  # may be a mapping
    Reader(lambda x: isinstance(x, Mapping), "batch_items.open_mapping"),
    Reader(is_open_file, "refusals.refuse_bytes"),  # is iterable
    Reader(lambda x: isinstance(x, bytes | bytearray | memoryview), "refusals.refuse_bytes"),
    Reader(is_dbapi_cursor, "refusals.refuse_cursor"),  # is iterable
    Reader(is_webdataset, "loaders.open_pipeline"),  # an iterable-style dataset
    Reader(is_dataset, "batch_items.open_samples"),  # may be iterable
    Reader(is_data_loader, "loaders.open_loader"),  # is iterable
    Reader(is_array, "arrays.open_array"),
    Reader(partial(is_list_of, matches=is_path), "files.source.open_paths"),
    Reader(partial(is_list_of, matches=is_pillow_image), "images.source.open_images"),
    Reader(is_list_of_numbers, "arrays.open_array"),
    Reader(lambda x: isinstance(x, list | tuple), "batch_items.open_list"),
    Reader(lambda x: isinstance(x, Iterable), "batch_items.open_iterable"),
    Reader(
        lambda x: hasattr(x, "__getitem__") and hasattr(x, "__len__"), "batch_items.open_samples"
    ),
)
"""The order matters where an object can match several rows; the comments give examples."""


def resolve(x: object, label: str, opener: SourceOpener) -> Source:
    """Open any object.

    Raises
    ------
    UnsupportedTypeError
        If no row matches, and no part of the object is selected.
    """
    if _is_source(x):
        return x
    for reader in READERS:
        if reader.matches(x):
            return load(reader.open)(x, label, opener)
    if opener.options.select is not None:
        return load("batch_items.open_selected")(x, label, opener)
    raise UnsupportedTypeError(
        "A source must be an array, a tensor, a data frame, a path, or an iterable of these. "
        f"Received: {type(x).__module__}.{type(x).__qualname__}{_place(label)}."
        f"{array_attributes_hint(x)}"
    )


def _place(label: str) -> str:
    """Return where an item of an iterable is, for messages; empty for a source itself."""
    return f" as {label}" if label.startswith(("batch ", "sample ")) else ""


@cache
def load(name: str) -> Open:
    """Return a function of a module in `evenly.sources`, by the name of both."""
    module, _, function = name.rpartition(".")
    result: Open = getattr(import_module(f"evenly.sources.{module}"), function)
    return result


def _is_source(x: object) -> TypeGuard[Source]:
    return hasattr(x, "blocks") and hasattr(x, "left_out")
