"""Dask arrays, data frames, bags, and lists of Delayed.

One task fits each partition; a tree of tasks with a fan-in of 16 merges the results. They run
on Dask's current scheduler.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import dask
from dask.delayed import Delayed

from evenly.engines import dask_array
from evenly.engines.dask_graph import tree_reduce
from evenly.engines.options import auxiliary_columns
from evenly.engines.partition import finalize_partials
from evenly.sources import FitOptions, open_source
from evenly.transform import Scaling
from evenly.transform import transform as transform_here


def matches(x: object) -> bool:
    """Return whether x is a Dask collection, a partition, or a list of partitions."""
    if isinstance(x, list):
        return all(map(_is_partition, x))
    return _is_partition(x) or _is_collection(x)


def fit(x: Any, options: FitOptions) -> Any:
    """Return the moments of a collection; only serialized moments leave a partition."""
    if _is_array(x):
        return dask_array.fit(x, options)
    left_out: dict[str, str] = {}
    if _is_frame(x):
        x, options, left_out = project(x, options)
    if _is_partition(x):
        x = [x]
    type_name = "list of Delayed" if isinstance(x, list) else type(x).__name__
    partitions = map(dask.delayed, x) if isinstance(x, list) else x.to_delayed()
    leaves = [
        (partition, options, f"partition {index}") for index, partition in enumerate(partitions)
    ]
    (partials,) = tree_reduce([leaves])
    description = f"a Dask {type_name} of {len(leaves)} partitions"
    return finalize_partials(partials, description, left_out)


def transform(x: object, scaling: Scaling, options: dict[str, Any]) -> Any:
    """Return x scaled, lazily: the same type of collection with the same partitions."""
    if _is_array(x):
        return dask_array.transform(x, scaling, **options)
    return map_partitions(x, partial(transform_here, scaling=scaling, **options))


def map_partitions(x: Any, function: Callable[[Any], Any]) -> Any:
    """Return the collection of ``function(part)`` for each partition, or each item of a bag.

    The columns and dtypes of a frame are inferred by calling `function` on an empty frame, which
    also raises its errors here rather than on a worker.
    """
    if isinstance(x, list):
        return [map_partitions(part, function) for part in x]
    if _is_partition(x):
        return dask.delayed(function)(x)
    if not _is_frame(x):
        return x.map(function)
    if x.ndim == 1:
        return map_partitions(x.to_frame(), function)[x.name]
    # As a key of the graph it is sent to each worker once; as an argument, with each task.
    delayed_function = dask.delayed(function, pure=True)
    return x.map_partitions(_call, delayed_function, meta=function(x._meta))


def _call(part: object, function: Callable[[Any], Any]) -> Any:
    return function(part)


# A Delayed answers every attribute, so these predicates look at the class.


def _is_partition(x: object) -> bool:
    return isinstance(x, Delayed) or type(x).__module__.startswith("distributed.")  # a Future


def _is_collection(x: object) -> bool:
    return hasattr(type(x), "to_delayed")


def _is_array(x: object) -> bool:
    return hasattr(type(x), "chunks")


def _is_frame(x: object) -> bool:
    return hasattr(type(x), "_meta")


def project(x: Any, options: FitOptions) -> tuple[Any, FitOptions, dict[str, str]]:
    """Return x with only the columns to read, the remaining options, and the columns left out.

    Unknown names raise here, before anything runs.
    """
    source = open_source(_empty_like(x), options, label=f"the Dask {type(x).__name__}")
    if x.ndim == 1:
        return x, options, {}
    names = list(source.names or ())
    labels = {str(label): label for label in x.columns}
    wanted = [*names, *auxiliary_columns(options)]
    columns = None if options.columns is None else names
    options = replace(options, columns=columns, exclude=())
    return x[[labels[name] for name in wanted]], options, source.left_out


def _empty_like(x: Any) -> Any:
    """Return an empty frame like x, with unknown categories as objects: they may be numbers."""
    if x.ndim == 1:
        return x._meta
    labels = [label for label in x.columns if str(x._meta[label].dtype) == "category"]
    unknown = {label: object for label in labels if not x[label].cat.known}
    return x._meta.astype(unknown)
