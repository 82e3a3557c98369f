"""Ray: data sets. A task fits a block, and the driver adds up the bytes as they come."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import ray.data
import ray.exceptions
from ray.data.extensions import ArrowTensorArray

from evenly.engines.arrow_vectors import as_array, fields_of, is_tensor, lists_like
from evenly.engines.options import FitOptions, auxiliary_columns
from evenly.engines.partition import finalize_partials, fit_partition
from evenly.engines.remote_errors import unwrap_remote_error
from evenly.engines.vector_columns import VectorSource, select_vector_column, single_vector_column
from evenly.errors import DataError
from evenly.sources.group_by import parse_by
from evenly.sources.selection import parse_selection, resolve_columns
from evenly.transform import Scaling
from evenly.transform import transform as transform_here

PLACE = "the Ray Dataset"


def matches(x: Any) -> bool:
    """Whether x is a data set of Ray's."""
    return isinstance(x, ray.data.Dataset)


def fit(x: Any, options: FitOptions) -> Any:
    """Return the moments of a data set: one row of bytes leaves each block.

    A task that is run again, since its worker was lost, makes the same block of one row under
    the same reference. Nothing is counted on the side.
    """
    _check_nothing_skipped(x)
    x, options = _needed(x, options)
    blocks = x.map_batches(partial(_fit, options=options), batch_size=None, **_ARROW)
    try:
        return finalize_partials((row["share"] for row in blocks.iter_rows()), "a Ray Dataset")
    except ray.exceptions.RayError as error:
        raise unwrap_remote_error(error, "Ray's workers") from None


def transform(x: Any, scaling: Scaling, options: dict[str, Any]) -> Any:
    """Return a data set with its columns scaled. Nothing is computed before it is used."""
    return map_partitions(x, partial(_scaled, scaling=scaling, options=options))


def map_partitions(x: Any, work: Callable[[Any], Any]) -> Any:
    """Return the data set of ``work(table)`` for each block of x, as an Arrow table.

    Where the columns are known, `work` is tried on an empty table first: it raises here and now
    what would else be raised by a task.
    """
    if (schema := _schema(x)) is not None:
        work(schema.empty_table())
    return x.map_batches(work, batch_size=None, **_ARROW)


_ARROW: dict[str, Any] = {"batch_format": "pyarrow", "zero_copy_batch": True}


def _check_nothing_skipped(x: Any) -> None:
    if skipped := x.context.max_errored_blocks:
        raise DataError(
            "Every block of a fit must count. Received: a Ray Dataset that may leave out blocks "
            f"with errors, max_errored_blocks={skipped}. Set it to 0 in the data set's context."
        )


def _schema(x: Any) -> Any:
    """Return the Arrow schema where it is known before anything runs; else None."""
    schema = x.schema(fetch_if_missing=False)
    base = None if schema is None else schema.base_schema
    return base if isinstance(base, pa.Schema) else None


def _needed(x: Any, options: FitOptions) -> tuple[Any, FitOptions]:
    """Return a data set of the columns to be fitted, where they are known, and what is left to do.

    So no others are read, and what is wrong with their names is found before anything runs.
    """
    schema = _schema(x)
    if schema is None:
        return x, options
    fields = fields_of(schema)
    vectors = select_vector_column(fields, options, PLACE)
    beside = auxiliary_columns(options)
    if vectors is not None:
        return x.select_columns([vectors, *beside]), replace(options, select=vectors)
    asked = parse_selection(options.columns, options.exclude, options.weights, parse_by(options.by))
    names = list(resolve_columns(asked, fields, PLACE).names)
    columns = None if options.columns is None else names
    return x.select_columns([*names, *beside]), replace(options, columns=columns, exclude=())


def _fit(block: pa.Table, options: FitOptions) -> pa.Table:
    """Fit a block: what a task does."""
    label = f"a block of {PLACE}"
    vectors = select_vector_column(fields_of(block.schema), options, label)
    part = block if vectors is None else VectorSource([block], vectors, options, label)
    return pa.table({"share": [fit_partition(part, options, label)]})


def _scaled(block: pa.Table, scaling: Scaling, options: dict[str, Any]) -> pa.Table:
    """Scale a block: what a task does; and what the driver does with one of no rows."""
    if scaling.columns is not None:
        return transform_here(block, scaling, **options)
    name = single_vector_column(fields_of(block.schema), PLACE)
    column = block[name].combine_chunks()
    if not len(column):
        return block
    array = as_array(column, f"column {name!r} of {PLACE}")
    scaled = _scaled_array(array, scaling, options)
    tensors = is_tensor(column.type)
    back = ArrowTensorArray.from_numpy(scaled) if tensors else lists_like(column, scaled)
    return block.set_column(block.column_names.index(name), name, back)


def _scaled_array(array: Any, scaling: Scaling, options: dict[str, Any]) -> Any:
    if array.dtype != object:
        return transform_here(array, scaling, **options)
    result = np.empty(len(array), object)  # tensors of different shapes: a batch of one each
    for row, tensor in enumerate(array):
        result[row] = transform_here(tensor[None], scaling, **options)[0]
    return result
