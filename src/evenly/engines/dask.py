"""Dask: arrays, data frames, bags, and lists of Delayed.

A partition is fitted by a task, and tasks that each take 16 of the results add up, level by
level. Which scheduler runs them is Dask's affair: whatever is current.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import dask
from dask.delayed import Delayed

from evenly.engines import dask_array
from evenly.engines.dask_graph import tree_reduce
from evenly.engines.options import FitOptions, auxiliary_columns
from evenly.engines.partition import finalize_partials
from evenly.sources import open_source
from evenly.transform import Scaling
from evenly.transform import transform as transform_here


def matches(x: Any) -> bool:
    """Whether x is in partitions of Dask's, is one, or is a list of them."""
    if isinstance(x, list):
        return all(map(_is_partition, x))
    return _is_partition(x) or _is_collection(x)


def fit(x: Any, options: FitOptions) -> Any:
    """Return the moments of a collection: nothing but bytes of moments leaves a partition."""
    if _is_array(x):
        return dask_array.fit(x, options)
    if _is_frame(x):
        x, options = project(x, options)
    if _is_partition(x):
        x = [x]
    kind = "list of Delayed" if isinstance(x, list) else type(x).__name__
    parts = map(dask.delayed, x) if isinstance(x, list) else x.to_delayed()
    leaves = [(part, options, f"partition {index}") for index, part in enumerate(parts)]
    (top,) = tree_reduce([leaves])
    return finalize_partials(top, f"a Dask {kind} of {len(leaves)} partitions")


def transform(x: Any, scaling: Scaling, options: dict[str, Any]) -> Any:
    """Return x scaled: a collection of its kind, in its partitions. Nothing is computed."""
    if _is_array(x):
        return dask_array.transform(x, scaling, **options)
    return map_partitions(x, partial(transform_here, scaling=scaling, **options))


def map_partitions(x: Any, work: Callable[[Any], Any]) -> Any:
    """Return the collection of ``work(part)`` for each partition, or each item of a bag.

    Of a frame, what `work` makes of an empty one tells the columns and dtypes, and raises here
    and now what would else be raised by a worker.
    """
    if isinstance(x, list):
        return [map_partitions(part, work) for part in x]
    if _is_partition(x):
        return dask.delayed(work)(x)
    if not _is_frame(x):
        return x.map(work)
    if x.ndim == 1:
        return map_partitions(x.to_frame(), work)[x.name]
    # As a key of the graph it goes to each worker once; as an argument, into each task.
    sent = dask.delayed(work, pure=True)
    return x.map_partitions(_call, sent, meta=work(x._meta))


def _call(part: Any, work: Callable[[Any], Any]) -> Any:
    return work(part)


# A Delayed has every attribute that it is asked for: these ask the class.


def _is_partition(x: Any) -> bool:
    return isinstance(x, Delayed) or type(x).__module__.startswith("distributed.")  # a Future


def _is_collection(x: Any) -> bool:
    return hasattr(type(x), "to_delayed")


def _is_array(x: Any) -> bool:
    return hasattr(type(x), "chunks")


def _is_frame(x: Any) -> bool:
    return hasattr(type(x), "_meta")


def project(x: Any, options: FitOptions) -> tuple[Any, FitOptions]:
    """Return a frame of the columns to be fitted, so that no others are read, and the rest to do.

    Unknown names are found here, before anything runs.
    """
    source = open_source(
        _empty_like(x),
        columns=options.columns,
        exclude=options.exclude,
        weights=options.weights,
        select=options.select,
        by=options.by,
        label=f"the Dask {type(x).__name__}",
    )
    if x.ndim == 1:
        return x, options
    names = list(source.names or ())
    labels = {str(label): label for label in x.columns}
    wanted = [*names, *auxiliary_columns(options)]
    columns = None if options.columns is None else names
    return x[[labels[name] for name in wanted]], replace(options, columns=columns, exclude=())


def _empty_like(x: Any) -> Any:
    """Return an empty frame like x. Categories that only the partitions know may be numbers."""
    if x.ndim == 1:
        return x._meta
    labels = [label for label in x.columns if str(x._meta[label].dtype) == "category"]
    unknown = {label: object for label in labels if not x[label].cat.known}
    return x._meta.astype(unknown)
