"""Base class of `Normalize` and `Denormalize`: moments, buffers and serialization."""

import warnings
from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor

from evenly.errors import DataError, EvenlyError, StatisticsFileError, check_choice
from evenly.exact_stats import as_correction
from evenly.moments import Moments
from evenly.moments.statistics import Correction
from evenly.torch import custom_op, extra_state
from evenly.torch.buffers import ScalingTensors, apply_move, dtype_on, scaling_tensors
from evenly.torch.fx_tracing import is_proxy, record_call
from evenly.torch.scaling import as_numpy
from evenly.torch.scripting import ScriptableScaling
from evenly.transform import CONSTANT_POLICIES, Scaling
from evenly.transform.scaling import MISSING_POLICIES
from evenly.typing import Constant, Missing


class MomentsLayer(ScriptableScaling):
    """Base class of layers whose scaling constants are computed from `Moments`.

    The buffers ``hi``, ``lo`` and ``scale`` stay float64 under ``.half()`` and other casts of the
    model, so the layer is precise for any input dtype; moves to other devices apply to them.
    """

    _is_inverse = False
    hi: Tensor
    lo: Tensor
    scale: Tensor

    def __init__(
        self,
        num_features: int,
        *,
        feature_axis: int = 1,
        correction: Correction = 0,
        constant: Constant = "zero",
        missing: Missing = "keep",
        device: Any = None,
    ) -> None:
        super().__init__()
        check_choice("missing", missing, MISSING_POLICIES)
        check_choice("constant", constant, CONSTANT_POLICIES)
        if not isinstance(num_features, int) or num_features < 1:
            raise DataError(
                f"num_features must be an integer, 1 or more. Received: {num_features!r}."
            )
        as_correction(correction)
        is_native = isinstance(correction, int) and correction < 2**62 and constant != "center"
        self._native_correction: Any = correction if is_native else None
        self.num_features = num_features
        self.feature_axis = feature_axis
        self.correction = correction
        self.constant = constant
        self.missing = missing
        self.frozen = False
        self._moments = Moments.empty(num_features)
        for name in ("hi", "lo", "scale"):
            zeros = torch.zeros(num_features, dtype=torch.float64, device=device)
            self.register_buffer(name, zeros)
        self._layer_id = custom_op.register_layer(self)
        self._write_buffers()

    @classmethod
    def from_moments(cls, moments: Moments, **options: Any) -> Self:
        """Create a frozen layer with these statistics; options as in the constructor.

        Raises
        ------
        DataError
            If a column has no value, or not more values than ``correction``, or if it is
            constant and ``constant="error"``.
        """
        layer = cls(moments.num_features, **options)
        layer.moments = moments
        return layer.freeze()

    @property
    def moments(self) -> Moments:
        """A copy of the exact statistics. Assign to it to replace them.

        In distributed training every process learns from its own rows. To merge them::

            parts = [None] * torch.distributed.get_world_size()
            torch.distributed.all_gather_object(parts, layer.moments)
            layer.moments = evenly.merge(parts)
        """
        return self._moments.copy()

    @moments.setter
    def moments(self, moments: Moments) -> None:
        if moments.num_features != self.num_features:
            raise DataError(
                f"The moments must have {self.num_features} columns, the layer's num_features. "
                f"Received: {moments.num_features}."
            )
        self._moments = moments.copy()
        self._write_buffers()

    def freeze(self) -> Self:
        """Stop learning, even after ``model.train()``, and return the layer.

        Raises
        ------
        DataError
            If the statistics are insufficient: see `from_moments`.
        """
        self._scaling(too_few="error")
        self.frozen = True
        return self

    def _scaling(self, too_few: str) -> Scaling:
        return self._moments._scaling(
            inverse=self._is_inverse,
            constant=self.constant,
            correction=self.correction,
            too_few=too_few,
        )

    @property
    def _scaling_buffers(self) -> ScalingTensors:
        # Read from the dict: nn.Module looks up buffers last, which takes 1 µs each.
        buffers = self._buffers
        return buffers["hi"], buffers["lo"], buffers["scale"]

    def _write_buffers(self, buffers: ScalingTensors | None = None) -> None:
        """Compute hi, lo and scale from the moments, and write them into the buffers."""
        buffers = buffers or self._scaling_buffers
        if not self._write_native(buffers):
            values = scaling_tensors(self._scaling(too_few="constant"))
            for buffer, value in zip(buffers, values, strict=True):
                buffer.copy_(value)
        self._is_ready = self._moments.rows > 0
        if self.constant == "error" and self._is_ready:
            self._is_ready = not bool((self._scaling(too_few="constant").factor == 0).any())

    def _write_native(self, buffers: ScalingTensors) -> bool:
        """Let the core write into the buffers' memory; return whether it succeeded."""
        correction = self._native_correction
        is_supported = all(b.is_cpu and b.dtype is torch.float64 for b in buffers)
        if correction is None or not is_supported:
            return False
        arrays = map(as_numpy, buffers)
        status = self._moments._state.read_scaling(correction, self._is_inverse, *arrays)
        return bool(status != "unsure")

    def forward(self, input: Tensor) -> Tensor:
        """Scale the input; see the class."""
        if torch.jit.is_scripting():
            return self._scripted_forward(input)
        else:  # noqa: RET505 (TorchScript would compile statements after it)
            return self._forward(input)

    def _forward(self, input: Tensor) -> Tensor:
        """Scale the input, or the proxy that `torch.fx` traces."""
        if is_proxy(input):
            return record_call(self, input)
        if torch.jit.is_tracing():
            with warnings.catch_warnings():  # raised by checks of the number of features
                warnings.simplefilter("ignore", torch.jit.TracerWarning)
                return self._scale(input)
        return self._scale(input)

    def _scale(self, input: Tensor) -> Tensor:
        raise NotImplementedError

    def _check_ready(self) -> None:
        """Raise an error if the statistics are insufficient for evaluation."""
        if self._is_ready:
            return
        if not self._moments.rows:
            raise DataError(
                f"{type(self).__name__} needs statistics before it is used in evaluation. "
                "Received: no rows yet. Train it, create it with .fit(...) or .from_moments(...), "
                "or load a state_dict."
            )
        self._scaling(too_few="error")

    def _resolve_axis(self, x: Tensor) -> int:
        """Check the input's dtype and shape, and return the axis of its features."""
        axis = self.feature_axis
        if not -x.ndim <= axis < x.ndim or x.shape[axis] != self.num_features:
            raise DataError(
                f"The input must have {self.num_features} features along axis {axis}. Received: "
                f"shape {tuple(x.shape)}. Pass a single row as x[None, :]; set the axis with "
                "feature_axis=."
            )
        if x.is_complex() or x.layout != torch.strided or x.is_quantized:
            raise DataError(
                "The input must be a dense tensor of integers, booleans or floats. "
                f"Received: {x.dtype}, {x.layout}. Convert it first."
            )
        return axis

    # Serialization and moves

    def get_extra_state(self) -> Tensor:
        """Return the moments, and whether the layer is frozen, as a tensor of bytes."""
        return extra_state.pack(self._moments, frozen=self.frozen)

    def set_extra_state(self, state: Any) -> None:
        """Restore the result of `get_extra_state`, after checking all of it.

        Raises
        ------
        StatisticsFileError
            If it is invalid, or has another number of columns. The layer is unchanged.
        """
        try:
            self.moments, self.frozen = extra_state.unpack(state)
        except EvenlyError as error:
            self._write_buffers()
            raise StatisticsFileError(
                f"The extra state of {type(self).__name__}({self.num_features}) must come from "
                f"such a layer: {error}"
            ) from None

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        try:
            super()._load_from_state_dict(
                state_dict,
                prefix,
                local_metadata,
                strict,
                missing_keys,
                unexpected_keys,
                error_msgs,
            )
        except StatisticsFileError as error:
            error_msgs.append(f"{prefix}_extra_state: {error}")
        self._restore_dtypes()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(lambda buffer: apply_move(fn, buffer), recurse)
        self._write_buffers()
        return self

    def _restore_dtypes(self) -> None:
        """Convert the buffers back to float64 after loading a state_dict."""
        for name in ("hi", "lo", "scale"):
            buffer = getattr(self, name)
            dtype = dtype_on(buffer.device)
            if buffer.dtype != dtype:
                setattr(self, name, buffer.to(dtype))
        self._write_buffers()

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._layer_id = custom_op.register_layer(self)

    def train(self, mode: bool = True) -> Self:
        """Set the training mode, as in every module."""
        self._write_buffers()  # nn.DataParallel's replicas update our moments, not our buffers
        return super().train(mode)

    def extra_repr(self) -> str:
        """Return the options that differ from the defaults, and whether it is frozen."""
        defaults = {"feature_axis": 1, "correction": 0, "constant": "zero", "missing": "keep"}
        options = {name: getattr(self, name) for name in defaults}
        changed = [
            f"{name}={value!r}" for name, value in options.items() if value != defaults[name]
        ]
        return ", ".join([str(self.num_features), *changed, *(["frozen"] if self.frozen else [])])
