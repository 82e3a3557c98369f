"""The tasks of a fit as one graph: a leaf for each partition, and a tree that adds up."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias
from uuid import uuid4

from dask._task_spec import List, Task, TaskRef
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph

from evenly.engines.partition import FitOptions, fit_partition, merge_partials

FAN_IN = 16
"""Shares that one task adds up: of a thousand columns, 0.7 MB come in and 45 KB go out."""

Key: TypeAlias = str | tuple[str, int]
Leaf: TypeAlias = tuple[Delayed, FitOptions, str]
"""A partition, what is asked of it, and what messages call it."""


def tree_reduce(groups: Sequence[Sequence[Leaf]]) -> list[list[bytes]]:
    """Fit the partitions of each group, and return of each at most `FAN_IN` sums of shares.

    All groups are one graph, run once, by the scheduler that is current. A task that is run
    again, since its worker was lost, makes the same bytes under the same key, and a sum takes
    each of its keys once: nothing can be counted twice.
    """
    run = uuid4().hex
    graph: dict[Key, Task] = {}
    tops = [_build_tree(graph, f"{number}-{run}", leaves) for number, leaves in enumerate(groups)]
    name = f"moments-{run}"
    graph[name] = Task(name, list, List(*map(_refs, tops)))
    data = _unique_graphs(part for leaves in groups for part, _, _ in leaves)
    whole = Delayed(name, HighLevelGraph.from_collections(name, graph, dependencies=data))
    return whole.compute()  # type: ignore[no-any-return]


def _build_tree(graph: dict[Key, Task], name: str, leaves: Sequence[Leaf]) -> list[Key]:
    """Put the leaves and the tree over them into a graph, and return the keys of its top."""
    keys: list[Key] = [(f"fit_partition-{name}", index) for index in range(len(leaves))]
    for key, (part, options, label) in zip(keys, leaves, strict=True):
        graph[key] = Task(key, fit_partition, TaskRef(part.key), options, label)
    level = 0
    while len(keys) > FAN_IN:
        below = [keys[at : at + FAN_IN] for at in range(0, len(keys), FAN_IN)]
        keys = [(f"merge_shares-{level}-{name}", index) for index in range(len(below))]
        for key, some in zip(keys, below, strict=True):
            graph[key] = Task(key, merge_partials, _refs(some))
        level += 1
    return keys


def _refs(keys: Iterable[Key]) -> List:
    return List(*map(TaskRef, keys))


def _unique_graphs(parts: Iterable[Delayed]) -> list[Delayed]:
    """Return parts whose graphs together have all keys: a collection's share one graph."""
    graphs: dict[int, tuple[Any, Delayed]] = {}
    for part in parts:
        graph = part.dask  # held, so that its id is no other's
        graphs.setdefault(id(graph), (graph, part))
    return [part for _, part in graphs.values()]
