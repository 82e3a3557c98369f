"""Moments of several ranks, added up."""

from collections.abc import Sequence
from typing import Any

import torch.distributed as dist

from evenly.errors import ColumnError, DataError
from evenly.moments import Moments


def gather(moments: Moments, group: Any = None) -> Moments:
    """Return the sum of all ranks' moments: the same bits on each of them, and on one machine.

    Each rank receives the moments of all others, as pickles: some 45 KB from each for a
    thousand columns.

    Parameters
    ----------
    moments
        This rank's, of its own part of the data; a rank without data has empty ones. All
        ranks of the group must call.
    group
        A ``torch.distributed`` process group, of any backend; None: all ranks.

    Raises
    ------
    ColumnError
        When the ranks have different columns; on every rank, so that none waits for another.
    DataError
        When this rank is not in the group; when one column is a time in different units.

    Examples
    --------
    With one rank for each part of a data set::

        moments = evenly.torch.gather(evenly.fit(parts[torch.distributed.get_rank()]))
    """
    if dist.get_rank(group) < 0:
        raise DataError(
            "Only the ranks of a group can gather over it. Received: a group without rank "
            f"{dist.get_rank()}. Call gather on its members only."
        )
    parts: list[Any] = [None] * dist.get_world_size(group)
    dist.all_gather_object(parts, moments, group=group)
    return _merge_ranks(parts, group)


def _merge_ranks(parts: Sequence[Moments], group: Any) -> Moments:
    """Return the sum; all ranks come upon the same misfit, and name the same rank."""
    total = parts[0]
    for index, part in enumerate(parts[1:], 1):
        try:
            total = total + part
        except (ColumnError, DataError) as error:
            rank = dist.get_global_rank(group or dist.group.WORLD, index)
            raise type(error)(
                f"{error} It is rank {rank} that differs from those before."
            ) from None
    return total
