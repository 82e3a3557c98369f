"""The methods that `torch.jit.script` compiles instead of the layers' Python code.

A batch norm is compiled as torch's layer, and `Normalize` as the operations of its evaluation.
TorchScript compiles methods from their source, and cannot call a method of a base class. So the
``forward`` of torch's layer gets a second name, and `BatchNorm.forward` calls it in TorchScript.
"""

from types import FunctionType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from evenly.errors import DataError
from evenly.torch.scaling import scale_in_operations


def rename(function: Any, name: str) -> Any:
    """Return the same function with another name, under which TorchScript compiles it."""
    return FunctionType(function.__code__, function.__globals__, name, function.__defaults__)


class Scriptable(nn.Module):
    """Base class of layers that TorchScript compiles without their properties."""

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        names = (name for base in cls.__mro__ for name in vars(base))
        cls.__jit_unused_properties__ = [
            name for name in names if isinstance(getattr(cls, name, None), property)
        ]


class ScriptableBatchNorm(Scriptable, _BatchNorm):
    """Base class of batch norms that TorchScript computes as torch's."""

    __constants__ = (*_BatchNorm.__constants__, "_differs_in_training")
    __jit_ignored_attributes__ = ("_pending",)

    _torch_forward = rename(_BatchNorm.forward, "_torch_forward")

    def _options_in_training(self) -> list[str]:
        """Return the options by which training differs from torch's layer."""
        raise NotImplementedError

    @property
    def _differs_in_training(self) -> bool:
        return bool(self._options_in_training())

    def __prepare_scriptable__(self) -> Self:
        """Check the options before `torch.jit.script` compiles the layer."""
        options = self._options_in_training()
        if self.training and options:
            raise DataError(
                "TorchScript trains with torch's layers, which do not have evenly's options. "
                f"Received: {type(self).__name__} in training mode with {', '.join(options)}. "
                'Call .eval() first, or convert a copy of the model with convert(copy, to="torch").'
            )
        return self

    def _scripted_forward(
        self, input: Tensor, mask: Tensor | None, lengths: Tensor | None
    ) -> Tensor:
        """Compute torch's layer; this is compiled by TorchScript and not called in Python."""
        if mask is not None or lengths is not None:
            raise ValueError(
                "TorchScript computes torch's layer, which has no mask. Received: mask or lengths. "
                "Call the layer in Python, or export it with torch.export."
            )
        if self._differs_in_training and self.training:
            raise ValueError(
                "TorchScript cannot train this layer, which was scripted in evaluation mode, with "
                "evenly's options. Received: training mode. Call .eval()."
            )
        return self._torch_forward(input)


class ScriptableScaling(Scriptable):
    """Base class of layers that TorchScript computes with fixed statistics."""

    __constants__ = ("_is_inverse", "_learns", "_default_dtype", "_limits")

    @property
    def _learns(self) -> bool:
        """Whether training changes the statistics."""
        raise NotImplementedError

    @property
    def _default_dtype(self) -> torch.dtype:
        return torch.get_default_dtype()

    def check_ready(self) -> None:
        """Raise an error if the statistics are insufficient for evaluation."""
        raise NotImplementedError

    def __prepare_scriptable__(self) -> Self:
        """Check the statistics before `torch.jit.script` compiles the layer."""
        if self.training and self._learns:
            raise DataError(
                f"TorchScript cannot learn statistics. Received: {type(self).__name__} in training "
                "mode. Call .eval() or .freeze() first."
            )
        self.check_ready()
        return self

    def _scripted_forward(self, input: Tensor) -> Tensor:
        """Evaluate the layer; this is compiled by TorchScript and not called in Python."""
        if self._learns and self.training:
            raise ValueError(
                "TorchScript cannot learn statistics. Received: training mode. Call .eval(), or "
                "script the layer after .freeze()."
            )
        if input.size(self.feature_axis) != self.num_features:
            raise ValueError(
                "The input must have the layer's number of features along feature_axis. Received: "
                "another shape. Set the axis with feature_axis=."
            )
        y = scale_in_operations(
            input,
            self.hi,
            self.lo,
            self.scale,
            self.feature_axis,
            input.dtype if input.is_floating_point() else self._default_dtype,
            self._is_inverse,
            self.missing,
        )
        return y if self._limits is None else y.clamp(self._limits[0], self._limits[1])
