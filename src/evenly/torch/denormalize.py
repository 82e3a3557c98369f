"""The layer that undoes `Normalize`."""

from torch import Tensor

from evenly.torch.moments_layer import MomentsLayer
from evenly.torch.scaling import apply_scaling


class Denormalize(MomentsLayer):
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

    _is_inverse = True

    def forward(self, input: Tensor) -> Tensor:
        """Return the input times the standard deviation plus the mean."""
        axis = self._resolve_axis(input)
        if not self._ready:
            self._check_ready()
        return apply_scaling(input, *self._numbers, axis, inverse=True, missing="keep")
