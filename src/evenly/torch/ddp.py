"""`DistributedDataParallel` on CPUs takes our synchronised layers.

It refuses every instance of ``torch.nn.SyncBatchNorm`` there, because torch's cannot run on
CPUs. Ours can, and is an instance all the same, so that whoever looks for such layers finds
it. The check has no other door: it is made to pass over our layers. torch's own, and all
other devices, are checked as before.
"""

from typing import Any

from torch import nn
from torch.nn.parallel import DistributedDataParallel

CHECK = "_passing_sync_batchnorm_handle"


def _allow_in_ddp(ours: type[nn.SyncBatchNorm]) -> None:
    """Let DDP's check of layers on CPUs pass over those of a class. Once for each class."""
    check = getattr(DistributedDataParallel, CHECK, None)
    if check is None:
        return

    def check_others(self: Any, module: nn.Module) -> None:
        synchronised = [m for m in module.modules() if isinstance(m, nn.SyncBatchNorm)]
        if self.device_type != "cpu" or not all(isinstance(m, ours) for m in synchronised):
            check(self, module)

    setattr(DistributedDataParallel, CHECK, check_others)
