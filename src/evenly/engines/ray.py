"""Ray datasets: one task fits each block, and the driver merges the results."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import ray.data
import ray.exceptions
from ray.data.extensions import ArrowTensorArray

from evenly.engines.arrow_vectors import fields_of, is_tensor, lists_like, vectors_to_array
from evenly.engines.options import auxiliary_columns
from evenly.engines.partition import finalize_partials, fit_partition
from evenly.engines.remote_errors import unwrap_remote_error
from evenly.engines.vector_columns import VectorSource, select_vector_column, single_vector_column
from evenly.errors import DataError
from evenly.sources import FitOptions
from evenly.sources.selection import resolve_columns
from evenly.transform import Scaling
from evenly.transform import transform as transform_here

if TYPE_CHECKING:
    import ray.data


LABEL = "the Ray Dataset"


def matches(x: object) -> bool:
    """Return whether x is a Ray Dataset."""
    return isinstance(x, ray.data.Dataset)


def fit(x: "ray.data.Dataset", options: FitOptions) -> Any:
    """Return the moments of a dataset; each block sends one row of bytes.

    A task that is rerun because its worker was lost returns the same one-row block under the
    same reference, so nothing is counted twice.
    """
    _check_nothing_skipped(x)
    x, options, left_out = _project(x, options)
    blocks = x.map_batches(partial(_fit_block, options=options), batch_size=None, **_ARROW)
    try:
        partials = (row["partial"] for row in blocks.iter_rows())
        return finalize_partials(partials, "a Ray Dataset", left_out)
    except ray.exceptions.RayError as error:
        raise unwrap_remote_error(error, "Ray's workers") from None


def transform(x: "ray.data.Dataset", scaling: Scaling, options: dict[str, Any]) -> Any:
    """Return x with its columns scaled, lazily."""
    return map_partitions(x, partial(_scale_block, scaling=scaling, options=options))


def map_partitions(x: "ray.data.Dataset", function: Callable[[Any], Any]) -> "ray.data.Dataset":
    """Return the dataset of ``function(table)`` for each block of x, an Arrow table.

    If the schema is known, `function` is called on an empty table first, so that its errors are
    raised here rather than by a task.
    """
    if (schema := _known_schema(x)) is not None:
        function(schema.empty_table())
    return x.map_batches(function, batch_size=None, **_ARROW)


_ARROW: dict[str, Any] = {"batch_format": "pyarrow", "zero_copy_batch": True}


def _check_nothing_skipped(x: "ray.data.Dataset") -> None:
    if skipped := x.context.max_errored_blocks:
        raise DataError(
            "A fit must include every block. Received: a Ray Dataset that may skip blocks with "
            f"errors, max_errored_blocks={skipped}. Set it to 0 in the dataset's context."
        )


def _known_schema(x: "ray.data.Dataset") -> Any:
    """Return the Arrow schema if it is known without running a task; else None."""
    schema = x.schema(fetch_if_missing=False)
    base = None if schema is None else schema.base_schema
    return base if isinstance(base, pa.Schema) else None


def _project(
    x: "ray.data.Dataset", options: FitOptions
) -> "tuple[ray.data.Dataset, FitOptions, dict[str, str]]":
    """Return x with only the columns to read, the remaining options, and the columns left out.

    If the columns are not known, all are read, and each block says what it left out.

    Unknown names raise here, before anything runs.
    """
    schema = _known_schema(x)
    if schema is None:
        return x, options, {}
    fields = fields_of(schema)
    vectors = select_vector_column(fields, options, LABEL)
    auxiliary = auxiliary_columns(options)
    if vectors is not None:
        return x.select_columns([vectors, *auxiliary]), replace(options, select=vectors), {}
    resolved = resolve_columns(options.selection, fields, LABEL)
    names = list(resolved.names)
    columns = None if options.columns is None else names
    options = replace(options, columns=columns, exclude=())
    return x.select_columns([*names, *auxiliary]), options, resolved.left_out


def _fit_block(block: pa.Table, options: FitOptions) -> pa.Table:
    """Fit one block; runs in a task."""
    label = f"a block of {LABEL}"
    vectors = select_vector_column(fields_of(block.schema), options, label)
    data = block if vectors is None else VectorSource([block], vectors, options, label)
    return pa.table({"partial": [fit_partition(data, options, label)]})


def _scale_block(block: pa.Table, scaling: Scaling, options: dict[str, Any]) -> pa.Table:
    """Scale one block in a task, or an empty table in the driver."""
    if scaling.columns is not None:
        return transform_here(block, scaling, **options)
    name = single_vector_column(fields_of(block.schema), LABEL)
    column = block[name].combine_chunks()
    if not len(column):
        return block
    array = vectors_to_array(column, f"column {name!r} of {LABEL}")
    scaled = _scale_array(array, scaling, options)
    tensors = is_tensor(column.type)
    result = ArrowTensorArray.from_numpy(scaled) if tensors else lists_like(column, scaled)
    return block.set_column(block.column_names.index(name), name, result)


def _scale_array(array: Any, scaling: Scaling, options: dict[str, Any]) -> Any:
    if array.dtype != object:
        return transform_here(array, scaling, **options)
    result = np.empty(len(array), object)  # tensors of different shapes: one batch per tensor
    for row, tensor in enumerate(array):
        result[row] = transform_here(tensor[None], scaling, **options)[0]
    return result
