"""The tasks of a fit as one graph: a leaf for each partition, and a tree that adds up."""

from collections.abc import Sequence
from typing import Any, TypeAlias
from uuid import uuid4

from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph

from evenly.engines.partition import merge_shares

FAN = 16
"""Shares that one task adds up: of a thousand columns, 1.3 MB come in and 80 KB go out."""

Task: TypeAlias = tuple[Any, ...]
"""A function and its arguments; one that is a key of the graph stands for its result."""


def sums(data: Sequence[Any], groups: Sequence[Sequence[Task]]) -> list[list[bytes]]:
    """Run the tasks of each group, which make shares, and return of each at most `FAN` sums.

    All groups are one graph, run once, by the scheduler that is current. A task that is run
    again, since its worker was lost, makes the same bytes under the same key, and a sum takes
    each of its keys once: nothing can be counted twice.

    Parameters
    ----------
    data
        The optimised collections whose keys are in the tasks.
    """
    run = uuid4().hex
    graph: dict[Any, Any] = {}
    tops = [_top(graph, f"{number}-{run}", list(tasks)) for number, tasks in enumerate(groups)]
    name = f"moments-{run}"
    graph[name] = (list, tops)
    whole = Delayed(name, HighLevelGraph.from_collections(name, graph, dependencies=data))
    return whole.compute()  # type: ignore[no-any-return]


def _top(graph: dict[Any, Any], name: str, tasks: Sequence[Task]) -> list[Any]:
    """Put a tree over tasks into a graph, and return the keys of its top."""
    keys = [(f"fit_partition-{name}", place) for place in range(len(tasks))]
    graph.update(zip(keys, tasks, strict=True))
    level = 0
    while len(keys) > FAN:
        below = [keys[at : at + FAN] for at in range(0, len(keys), FAN)]
        keys = [(f"merge_shares-{level}-{name}", place) for place in range(len(below))]
        graph.update((key, (merge_shares, some)) for key, some in zip(keys, below, strict=True))
        level += 1
    return keys
