"""What `Normalize` and `Denormalize` share: moments, the buffers read from them, their travels."""

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn

from evenly.errors import DataError, EvenlyError, StatisticsFileError, check_choice
from evenly.exact_stats import as_correction
from evenly.moments import Moments
from evenly.moments.statistics import Correction
from evenly.torch import custom_op, extra_state
from evenly.torch.buffers import ScalingTensors, apply_move, dtype_on, scaling_tensors
from evenly.torch.scaling import array
from evenly.transform import CONSTANT_POLICIES, Scaling
from evenly.transform.scaling import MISSING_POLICIES
from evenly.typing import Constant, Missing


class MomentsLayer(nn.Module):
    """A layer whose numbers are read from `Moments`: the moments are the truth.

    ``hi``, ``lo`` and ``scale`` are buffers in float64, for which the layer stays right under
    ``.half()`` and for input in any type; only moves reach them, casts do not.
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
        if constant not in CONSTANT_POLICIES:
            raise DataError(
                f"constant must be one of {', '.join(map(repr, CONSTANT_POLICIES))}. "
                f"Received: {constant!r}."
            )
        if not isinstance(num_features, int) or num_features < 1:
            raise DataError(
                f"num_features must be a whole number, 1 or more. Received: {num_features!r}."
            )
        as_correction(correction)
        whole = isinstance(correction, int) and correction < 2**62 and constant != "center"
        self._whole_correction: Any = correction if whole else None
        self.num_features = num_features
        self.feature_axis = feature_axis
        self.correction = correction
        self.constant = constant
        self.missing = missing
        self.frozen = False
        self._moments = Moments.empty(num_features)
        for name in ("hi", "lo", "scale"):
            numbers = torch.zeros(num_features, dtype=torch.float64, device=device)
            self.register_buffer(name, numbers)
        self._number = custom_op.register_layer(self)
        self._write()

    @classmethod
    def from_moments(cls, moments: Moments, **options: Any) -> Self:
        """Return a frozen layer with these statistics; options as for the constructor.

        Raises
        ------
        DataError
            When a column has no value, or not more than ``correction``; when one is constant
            and ``constant="error"``.
        """
        layer = cls(moments.num_features, **options)
        layer.moments = moments
        return layer.freeze()

    @property
    def moments(self) -> Moments:
        """The exact statistics: a copy. Assign to it to replace them.

        Under distributed training every process learns its own rows. To add them up::

            parts = [None] * torch.distributed.get_world_size()
            torch.distributed.all_gather_object(parts, layer.moments)
            layer.moments = evenly.merge(parts)
        """
        return self._moments.copy()

    @moments.setter
    def moments(self, moments: Moments) -> None:
        if moments.num_features != self.num_features:
            raise DataError(
                f"The moments must be of {self.num_features} columns, the layer's num_features. "
                f"Received: {moments.num_features}."
            )
        self._moments = moments.copy()
        self._write()

    def freeze(self) -> Self:
        """End the learning, after ``model.train()`` too, and return the layer.

        Raises
        ------
        DataError
            When the statistics will not do: see `from_moments`.
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
    def _numbers(self) -> ScalingTensors:
        # Not by attribute: torch looks for buffers last, which takes 1 µs each.
        buffers = self._buffers
        return buffers["hi"], buffers["lo"], buffers["scale"]

    def _write(self, into: ScalingTensors | None = None) -> None:
        """Read hi, lo and scale from the moments into the buffers."""
        buffers = into or self._numbers
        if not self._write_native(buffers):
            parts = scaling_tensors(self._scaling(too_few="constant"))
            for buffer, part in zip(buffers, parts, strict=True):
                buffer.copy_(part)
        self._ready = self._moments.rows > 0
        if self.constant == "error" and self._ready:
            self._ready = not bool((self._scaling(too_few="constant").factor == 0).any())

    def _write_native(self, buffers: ScalingTensors) -> bool:
        """Let the core write into the buffers' own memory, where it can and is sure."""
        correction = self._whole_correction
        fit = all(b.is_cpu and b.dtype is torch.float64 for b in buffers)
        if correction is None or not fit:
            return False
        arrays = map(array, buffers)
        word = self._moments._state.read_scaling(correction, self._is_inverse, *arrays)
        return bool(word != "unsure")

    def _check_ready(self) -> None:
        if not self._moments.rows:
            raise DataError(
                f"{type(self).__name__} needs statistics before it is used in evaluation. "
                "Received: no rows yet. Train it, build it with .fit(...) or .from_moments(...), "
                "or load a state_dict."
            )
        self._scaling(too_few="error")

    def _resolve_axis(self, x: Tensor) -> int:
        """Return the axis of the features of x, after checking that it fits."""
        axis = self.feature_axis
        if not -x.ndim <= axis < x.ndim or x.shape[axis] != self.num_features:
            raise DataError(
                f"The input must have {self.num_features} features along axis {axis}. Received: "
                f"shape {tuple(x.shape)}. A single row is x[None, :]; the axis is feature_axis=."
            )
        if x.is_complex() or x.layout != torch.strided or x.is_quantized:
            raise DataError(
                "The input must be dense, of integers, booleans or floats. "
                f"Received: {x.dtype}, {x.layout}. Convert it first."
            )
        return axis

    # Travels

    def get_extra_state(self) -> Tensor:
        """Return whether it is frozen and its statistics file, as bytes in a tensor."""
        return extra_state.pack(self._moments, frozen=self.frozen)

    def set_extra_state(self, state: Any) -> None:
        """Take over what `get_extra_state` gave, trusting nothing in it.

        Raises
        ------
        StatisticsFileError
            When it is something else, or of other columns; the layer is as it was.
        """
        try:
            self.moments, self.frozen = extra_state.unpack(state)
        except EvenlyError as error:
            self._write()
            raise StatisticsFileError(
                f"The extra state of {type(self).__name__}({self.num_features}) must be what "
                f"such a layer saved: {error}"
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
        self._write()
        return self

    def _restore_dtypes(self) -> None:
        """Have buffers of our own type again, whatever a state_dict put in their places."""
        for name in ("hi", "lo", "scale"):
            buffer = getattr(self, name)
            wanted = dtype_on(buffer.device)
            if buffer.dtype != wanted:
                setattr(self, name, buffer.to(wanted))
        self._write()

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._number = custom_op.register_layer(self)

    def train(self, mode: bool = True) -> Self:
        """Set training mode, as every module does."""
        self._write()  # replicas of torch's DataParallel learn into our moments, not our buffers
        return super().train(mode)

    def extra_repr(self) -> str:
        """Return the options that were chosen, and whether it is frozen."""
        usual = {"feature_axis": 1, "correction": 0, "constant": "zero", "missing": "keep"}
        chosen = {name: getattr(self, name) for name in usual}
        parts = [f"{name}={value!r}" for name, value in chosen.items() if value != usual[name]]
        return ", ".join([str(self.num_features), *parts, *(["frozen"] if self.frozen else [])])
