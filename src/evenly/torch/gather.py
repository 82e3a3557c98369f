"""Moments of several ranks, added up."""

from typing import Any

import torch.distributed as dist

from evenly.moments import Moments, merge


def gather(moments: Moments, group: Any = None) -> Moments:
    """Return the sum of all ranks' moments: the same bits on each of them, and on one machine.

    Parameters
    ----------
    moments
        This rank's, of its own part of the data; a rank without data has empty ones. All
        ranks must call.
    group
        A ``torch.distributed`` process group; None: all ranks.

    Raises
    ------
    ColumnError
        When the ranks have different columns.

    Examples
    --------
    With one rank for each part of a data set::

        moments = evenly.torch.gather(evenly.fit(parts[torch.distributed.get_rank()]))
    """
    parts: list[Any] = [None] * dist.get_world_size(group)
    dist.all_gather_object(parts, moments, group=group)
    return merge(parts)
