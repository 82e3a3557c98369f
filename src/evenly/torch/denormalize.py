"""The layer that undoes `Normalize`."""

from torch import Tensor

from evenly.torch.moments_layer import Standing
from evenly.torch.scaling import shift


class Denormalize(Standing):
    """Undoes `Normalize`: ``y = x * std + mean``, feature by feature.

    Put it at the end of a model whose target was normalised; get it from
    ``Normalize.inverse()``. It never learns. Options, shapes, types, ``state_dict`` and errors
    are those of `Normalize`; a constant feature comes back exactly.

    Examples
    --------
    >>> import torch
    >>> from evenly.torch import Normalize
    >>> layer = Normalize.fit(torch.tensor([[1.0, 7.0], [3.0, 7.0]]))
    >>> layer.inverse()(torch.tensor([[0.5, 0.0]]))
    tensor([[2.5000, 7.0000]])
    """

    inverse_way = True

    def forward(self, input: Tensor) -> Tensor:
        """Return the input times the standard deviation plus the mean."""
        axis = self._axis_of(input)
        if not self._ready:
            self._check_ready()
        return shift(input, *self._numbers, axis, inverse=True, missing="keep")
