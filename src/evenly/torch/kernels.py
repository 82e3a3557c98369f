"""Batch normalisation on the core's kernels: dense tensors on CPUs."""

from torch import Tensor

from evenly.torch.plain import Statistics


def serve(x: Tensor, *parts: Tensor | None) -> bool:
    """Whether the kernels can do this; if not, plain torch operations do."""
    return False


def normalize_batch(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Statistics]:
    """Normalise with the batch's own statistics, and return those."""
    raise NotImplementedError


def normalize_fixed(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> Tensor:
    """Normalise with given statistics."""
    raise NotImplementedError
