"""Questions about the processes of a distributed training."""

import torch.distributed as dist


def are_several() -> bool:
    """Return whether this process is one of several ranks."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def is_inside_ddp() -> bool:
    """Return whether a forward pass of DistributedDataParallel is running on this rank."""
    if not are_several():
        return False
    from torch.nn.parallel import DistributedDataParallel

    return getattr(DistributedDataParallel, "_active_ddp_module", None) is not None
