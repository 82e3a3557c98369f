"""Copy tensors between an accelerator and the CPU without waiting for each copy."""

from collections.abc import Sequence
from types import ModuleType

import torch
from torch import Tensor


def is_remote(x: Tensor) -> bool:
    """Return whether the values of a tensor are in the memory of an accelerator."""
    return not x.is_cpu and not x.is_meta


def to_host(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Copy tensors to the CPU, and wait once, until the last copy has arrived.

    Devices without streams, such as Apple's GPUs, wait for each copy.
    """
    copies = [_start_copy(x.detach()) for x in tensors]
    for device in {x.device for x in tensors}:
        if streams := _streams_of(device):
            streams.current_stream(device).synchronize()
    return copies


def to_device(copies: Sequence[Tensor], tensors: Sequence[Tensor]) -> None:
    """Copy values from the CPU into tensors, without waiting if they are in pinned memory."""
    for value, into in zip(copies, tensors, strict=True):
        into.detach().copy_(value, non_blocking=value.is_pinned())


def _start_copy(x: Tensor) -> Tensor:
    """Copy a tensor to the CPU; on CUDA into pinned memory, which the device itself writes."""
    copy = torch.empty_like(x, device="cpu", pin_memory=x.is_cuda)
    return copy.copy_(x, non_blocking=_streams_of(x.device) is not None)


def _streams_of(device: torch.device) -> ModuleType | None:
    """Return the module with a device's streams, or None."""
    module = getattr(torch, device.type, None)
    return module if device.type != "cpu" and hasattr(module, "current_stream") else None
