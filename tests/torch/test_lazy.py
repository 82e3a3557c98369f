"""Tests of the lazy layers."""

import torch

from evenly.torch import BatchNorm1d, LazyBatchNorm1d


def test_first_batch_of_lazy_layer_can_have_a_mask() -> None:
    """torch passes all arguments of forward to `initialize_parameters`."""
    x, mask = torch.tensor([[1.0], [3.0], [9.0]]), torch.tensor([True, True, False])
    layer = LazyBatchNorm1d()
    assert torch.equal(layer(x, mask=mask), BatchNorm1d(1)(x, mask=mask))
    assert type(layer) is BatchNorm1d
