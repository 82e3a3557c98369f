"""Base class of `Normalize` and `Denormalize`: options, and access to the statistics."""

import operator
import os
import warnings
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.types import Device

from evenly.distribution.option import most_bins
from evenly.errors import DataError, check_choice
from evenly.exact_stats import as_correction, as_tolerance
from evenly.moments import Moments
from evenly.moments.internal import scaling_of, write_scaling
from evenly.torch import custom_op, ranks, units
from evenly.torch.buffers import Memory
from evenly.torch.fx_tracing import is_proxy, record_call
from evenly.torch.num_features import as_num_features, describe
from evenly.torch.scaling import Constants, is_plain
from evenly.torch.scripting import ScriptableScaling
from evenly.torch.state_layer import StateLayer
from evenly.transform import CONSTANT_POLICIES, Scaling
from evenly.transform.methods import check_no_std_options, parse_method
from evenly.transform.scaling import MISSING_POLICIES
from evenly.typing import Constant, InputScale, Missing, NormalizeMethod, Real, Unfitted

_ADVICE = (
    "Pass the number of features; to compute the statistics of data, call .fit(data); to use given "
    "ones, .from_moments(moments)."
)


class MomentsLayer(ScriptableScaling, StateLayer):
    """Base class of layers whose scaling constants are computed from `Moments`."""

    _is_inverse = False
    unfitted: Unfitted = "error"
    clip: float | bool | None = None
    _limits: tuple[float, float] | None = None
    _defaults: ClassVar[dict[str, Any]] = {
        "feature_axis": 1,
        "correction": 0,
        "constant": "zero",
        "missing": "keep",
        "tolerance": 0.0,
        "method": "standard",
        "range": None,
        "q": None,
        "distribution": 0,
    }

    def __init__(
        self,
        num_features: int,
        *,
        feature_axis: int = 1,
        correction: Real = 0,
        constant: Constant = "zero",
        missing: Missing = "keep",
        tolerance: float = 0.0,
        method: NormalizeMethod = "standard",
        range: tuple[float, float] | None = None,
        q: tuple[float, float] | None = None,
        distribution: bool | int | None = None,
        device: Device = None,
    ) -> None:
        super().__init__()
        self._method = parse_method(method, range, q)
        if self._method.q is not None and distribution is None:
            distribution = True
        check_choice("missing", missing, MISSING_POLICIES)
        check_choice("constant", constant, CONSTANT_POLICIES)
        as_correction(correction)
        as_tolerance(tolerance)
        if method != "standard":
            check_no_std_options(self._method, correction, tolerance)
        is_native = isinstance(correction, int) and correction < 2**62 and constant != "center"
        is_native = is_native and not tolerance and method == "standard"
        self._native_correction = int(correction) if is_native else None
        self.num_features = as_num_features(num_features, minimum=1, advice=_ADVICE)
        self.feature_axis = _as_axis(feature_axis)
        self.correction = correction
        self.constant = constant
        self.missing = missing
        self.tolerance = tolerance
        self.method, self.range, self.q = method, range, q
        self.distribution = most_bins(distribution)
        self._create_state(self.num_features, device)

    @classmethod
    def from_moments(
        cls,
        moments: Moments | str | os.PathLike[str],
        *,
        scale: InputScale = "data",
        **options: Any,  # those of the class: `Normalize` has more than `Denormalize`
    ) -> Self:
        """Create a frozen layer with given statistics.

        Parameters
        ----------
        moments
            Moments, or the path of a statistics file.
        scale
            ``"data"``: the input has the unit of the data that was fitted. ``"0..1"``: the input
            is on the scale of 0 to 1; statistics of 8-bit or 16-bit pixels (dtype uint8 or
            uint16) are converted to it, and those of data in 0 to 1 are unchanged. Choose it
            for images that torchvision's ``ToTensor`` or a similar transform has divided by 255.
        options
            As in the constructor.

        Returns
        -------
        Normalize or Denormalize
            A layer of this class.

        Raises
        ------
        DataError
            If a column has no value, or not more values than ``correction``, or if it is
            constant and ``constant="error"``; with ``scale="0..1"``, if the value of white is
            unknown.
        """
        check_choice("scale", scale, ("data", "0..1"))
        moments = as_moments(moments)
        if moments.distribution:
            options.setdefault("distribution", moments.distribution)
        layer = cls(moments.num_features, **options)
        layer._white = 1 if scale == "data" else units.white_of(moments)
        layer.moments = moments
        return layer.freeze()

    @property
    def moments(self) -> Moments:
        """A copy of the exact statistics. Assign to it to replace them.

        In distributed training every process has the statistics of its own rows;
        ``evenly.torch.gather(model)`` merges them.

        Raises
        ------
        DataError
            If ``hi``, ``lo`` and ``scale`` were averaged, edited or copied without the exact
            statistics. Evaluation uses them as they are.
        """
        if not self._synchronize():
            raise DataError(
                f"The exact statistics of {type(self).__name__} must be those of its buffers hi, "
                "lo and scale. Received: buffers that were averaged, edited, or copied in part. "
                "Evaluation uses them as they are. Read the moments of the original model, or "
                "assign layer.moments = ...; before several ranks save a checkpoint, call "
                "evenly.torch.gather(model)."
            )
        return self._statistics.total.copy()

    @moments.setter
    def moments(self, moments: Moments) -> None:
        moments = as_moments(moments)
        if self._white != 1:
            units.check_white(moments, self._white)
        self._replace_statistics(moments)

    def freeze(self) -> Self:
        """Stop learning, even after ``model.train()``, and return the layer.

        In distributed training, merge the statistics of all ranks before:
        ``evenly.torch.gather(model)``.

        Raises
        ------
        DataError
            If the statistics are insufficient: see `from_moments`.

        Warns
        -----
        UserWarning
            If several ranks have learned, and their statistics were not merged.
        """
        if self._synchronize():
            self._scaling(too_few="error")
        elif not self.refresh():
            raise self._not_ready_error()
        if ranks.are_several() and self._statistics.learned.rows:
            warnings.warn(
                f"{type(self).__name__} was frozen with the statistics of this rank's rows alone. "
                "Call evenly.torch.gather(model) before, so that all ranks have the same.",
                stacklevel=2,
            )
        self._set_frozen(True)
        return self

    def _scaling(self, too_few: str) -> Scaling:
        scaling = scaling_of(
            self._statistics.total,
            inverse=self._is_inverse,
            constant=self.constant,
            correction=self.correction,
            tolerance=self.tolerance,
            too_few=too_few,
            method=self._method,
        )
        return scaling if self._white == 1 else units.divide_by_white(scaling, self._white)

    def _write_native(self, memory: Memory) -> bool:
        correction = self._native_correction
        if correction is None or self._white != 1:
            return False
        arrays = memory.hi, memory.lo, memory.scale
        return write_scaling(self._statistics.total, correction, self._is_inverse, *arrays)

    def _constants(self) -> Constants | None:
        """Return the memory of hi, lo and scale; None if they are not float64 on the CPU."""
        memory = self._views.of(self._tensors)
        return None if memory is None else (memory.hi, memory.lo, memory.scale)

    def forward(self, input: Tensor) -> Tensor:
        """Scale the input.

        Parameters
        ----------
        input
            A dense tensor of integers, booleans or floats, with ``num_features`` entries along
            ``feature_axis``.

        Returns
        -------
        Tensor
            Of the shape of the input. Floats keep their dtype; others become torch's default dtype.
        """
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

    def _check_ready(self, x: Tensor) -> None:
        if is_plain(x):
            self.check_ready()
        else:
            custom_op.check_ready(self._layer_id)

    def check_ready(self) -> None:
        """Check that the statistics are sufficient for evaluation.

        Raises
        ------
        DataError
            If they are not.
        """
        if not self.refresh() and (self.unfitted == "error" or self._is_fitted(self._tensors)):
            raise self._not_ready_error()

    def _not_ready_error(self) -> DataError:
        """Return the error for evaluation with insufficient statistics."""
        is_known = self._synchronize()
        if self._is_fitted(self._tensors):
            if is_known:
                self._scaling(too_few="error")
            return DataError(
                'With constant="error" no feature may be constant. Received: a scale of 0 in '
                'the buffers. Train with data that varies, or pass constant="zero".'
            )
        return DataError(
            f"{type(self).__name__} needs statistics before it is used in evaluation. "
            "Received: no rows yet. Train it, create it with .fit(...) or .from_moments(...), "
            'load a state_dict, or pass unfitted="identity" to return the input as it is.'
        )

    def _set_frozen(self, frozen: bool) -> None:
        is_known = self._synchronize()
        self.frozen = frozen
        if is_known:
            self._write()  # copies of the buffers are frozen too

    def _resolve_axis(self, x: Tensor) -> int:
        """Check the input's type and shape, and return the axis of its features."""
        axis = self.feature_axis
        if not isinstance(x, Tensor):
            raise DataError(
                f"The input must be a torch tensor. Received: {describe(x)}. Pass "
                "torch.as_tensor(x), or call layer.moments.normalize(x)."
            )
        if not -x.ndim <= axis < x.ndim or x.shape[axis] != self.num_features:
            raise DataError(
                f"The input must have {self.num_features} features along axis {axis}. Received: "
                f"shape {tuple(x.shape)}. Pass a single row as x[None, :]; set the axis with "
                "feature_axis=."
            )
        is_number = not (x.is_complex() or x.is_quantized)
        if x.is_floating_point() and x.dtype.itemsize < 2:  # float8 and smaller have no operations
            is_number = False
        if not is_number or x.layout != torch.strided:
            raise DataError(
                "The input must be a dense tensor of integers, booleans or floats. "
                f"Received: {x.dtype}, {x.layout}. Convert it first."
            )
        return axis

    def extra_repr(self) -> str:
        """Return the options that differ from the defaults, and whether it is frozen."""
        options = {name: getattr(self, name) for name in self._defaults}
        changed = [
            f"{name}={value!r}" for name, value in options.items() if value != self._defaults[name]
        ]
        scale = ["scale='0..1'"] if self._white != 1 else []
        frozen = ["frozen"] if self.frozen else []
        return ", ".join([str(self.num_features), *changed, *scale, *frozen])


def _as_axis(axis: object) -> int:
    try:
        return operator.index(axis)  # type: ignore[arg-type]
    except TypeError:
        raise DataError(
            f"feature_axis must be the number of an axis. Received: {axis!r:.80}. Pass 1 if the "
            "features follow the samples, as in N×C×H×W, and -1 if they are last."
        ) from None


def as_moments(source: Moments | str | os.PathLike[str]) -> Moments:
    """Return moments, or load those of one file.

    Raises
    ------
    DataError
        If they are not `Moments`.
    """
    moments: object = source
    if isinstance(source, str | os.PathLike):
        from evenly.moments import load  # imports what reads and merges files of all kinds

        moments = load(source)
    if isinstance(moments, Moments):
        return moments
    raise DataError(
        f"The statistics of a layer must be evenly.Moments or the path of a statistics file. "
        f"Received: {describe(moments)}. Create a layer from data with Normalize.fit(data); of "
        "groups, pass moments.total(); of several keys, moments[key]."
    )
