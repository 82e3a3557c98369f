"""The lazy layers: torch's, with the extras of ours."""

import torch

from evenly.torch import BatchNorm1d, LazyBatchNorm1d


def test_the_first_batch_may_have_a_mask() -> None:
    """torch gives all that forward gets to the method that looks for the channels."""
    x, mask = torch.tensor([[1.0], [3.0], [9.0]]), torch.tensor([True, True, False])
    layer = LazyBatchNorm1d()
    assert torch.equal(layer(x, mask=mask), BatchNorm1d(1)(x, mask=mask))
    assert type(layer) is BatchNorm1d
