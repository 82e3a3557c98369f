"""Batch normalization layers compatible with torch's."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.compiler import is_compiling
from torch.jit import is_scripting
from torch.nn.utils import parametrize
from torch.types import Device

from evenly.errors import DataError, check_choice
from evenly.torch import composite, functional, fx_tracing, running_stats
from evenly.torch.mask import broadcast_mask
from evenly.torch.native import BatchStatistics
from evenly.torch.num_features import as_num_features
from evenly.torch.reference import Statistics
from evenly.torch.scripting import ScriptableBatchNorm
from evenly.typing import NonFinite, SingleValue, StatsUpdate

CHOICES = {
    "non_finite": ("propagate", "skip"),
    "single": ("error", "running"),
    "update": ("forward", "batch", "step"),
}


EXTRAS = ("virtual_batch_size", *CHOICES, "exact", "frozen")
"""The attributes that torch's layers do not have."""


def as_num_channels(num_features: object) -> int:
    """Return ``num_features`` as an int, or raise an error: torch would accept a shape."""
    return as_num_features(
        num_features,
        minimum=0,
        advice="Pass the number of channels, x.shape[1], and call the layer with the data.",
    )


class BatchNorm(ScriptableBatchNorm):
    """Base class of the batch normalization layers; see `BatchNorm1d`."""

    # Class-level defaults: `convert` changes `__class__` and never calls `__init__`. TorchScript
    # reads their types, and does not know Literal.
    virtual_batch_size: int | None = None
    non_finite: str = "propagate"
    single: str = "error"
    update: str = "forward"
    exact: bool = False
    frozen: bool = False
    _pending: running_stats.AccumulatedStatistics | None = None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Device = None,
        dtype: torch.dtype | None = None,
        *,
        bias: bool = True,
        virtual_batch_size: int | None = None,
        non_finite: NonFinite = "propagate",
        single: SingleValue = "error",
        update: StatsUpdate = "forward",
        exact: bool = False,
    ) -> None:
        num_features = as_num_channels(num_features)
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )
        choices = {"non_finite": non_finite, "single": single, "update": update}
        self._set_options(virtual_batch_size, exact=exact, **choices)

    def _set_options(
        self, virtual_batch_size: int | None, *, exact: bool = False, **choices: str
    ) -> None:
        """Check and store the additional options."""
        for option, value in choices.items():
            check_choice(option, value, CHOICES[option])
            setattr(self, option, value)
        is_size = isinstance(virtual_batch_size, int) and virtual_batch_size >= 2
        if virtual_batch_size is not None and not is_size:
            raise DataError(
                "virtual_batch_size must be an integer, 2 or more, because one sample has no "
                f"variance. Received: {virtual_batch_size!r}. Pass None for the whole batch."
            )
        self.virtual_batch_size = virtual_batch_size
        self.exact = exact
        if self.non_finite == "skip":
            tracked = self._buffers["num_batches_tracked"]
            device = None if tracked is None else tracked.device
            skipped = torch.zeros((), dtype=torch.long, device=device)
            self.register_buffer("skipped", skipped, persistent=False)
        self._register_step_hook()

    def _register_step_hook(self) -> None:
        """Follow the steps of optimizers if ``update="step"``."""
        if self.update == "step":
            running_stats.register_step_hook(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._register_step_hook()  # after a copy or a pickle

    def freeze(self) -> "BatchNorm":
        """Use the running statistics without updating them, even after ``train()``.

        Choose it for fine-tuning with small batches. The parameters are still trained; call
        ``requires_grad_(False)`` to stop that.

        Returns
        -------
        Module
            The layer itself.

        Raises
        ------
        DataError
            (a ValueError) If the layer has no running statistics.

        Examples
        --------
        >>> import torch
        >>> from evenly.torch import BatchNorm1d
        >>> layer = BatchNorm1d(1).freeze().train()
        >>> layer(torch.tensor([[1.0], [3.0]])).tolist()  # the running mean is 0, the variance 1
        [[0.9999949932098389], [2.9999849796295166]]
        """
        if self.running_mean is None:
            raise DataError(
                "A layer needs running statistics to be frozen. Received: a layer with "
                "track_running_stats=False. Build it with track_running_stats=True."
            )
        self.frozen = True
        return self

    def unfreeze(self) -> "BatchNorm":
        """Update the running statistics again, and return the layer."""
        self.frozen = False
        return self

    # TorchScript compiles this method: it has no keyword-only arguments with defaults, and skips
    # the `else` of `is_scripting()`, but would compile statements after it.
    def forward(
        self, input: Tensor, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        """Normalize the input.

        Parameters
        ----------
        input
            Shape (N, C, *), as in the description of the class.
        mask
            Boolean, shape (N,) or (N, *): True where a value counts.
        lengths
            Integers, shape (N,): the valid length of each sample of an input (N, C, L).

        Returns
        -------
        Tensor
            Of the shape and dtype of the input; 0 for padding.
        """
        if is_scripting():
            return self._scripted_forward(input, mask, lengths)
        else:  # noqa: RET505
            return self._forward(input, mask, lengths)

    def _forward(self, input: Tensor, mask: Tensor | None, lengths: Tensor | None) -> Tensor:
        """Choose the statistics, and normalize with them."""
        key = composite.graph_key() if is_compiling() else ""
        if not key and fx_tracing.is_proxy(input):
            padding = {"mask": mask, "lengths": lengths}
            return fx_tracing.record_call(
                self, input, **{name: value for name, value in padding.items() if value is not None}
            )
        self._check_input_dim(input)
        if mask is not None or lengths is not None:
            mask = broadcast_mask(input, mask, lengths)
        # Read from the dicts: an attribute of an nn.Module takes 0.6 us, and five of them are
        # a sixth of a small batch's time.
        mean, variance = self._buffers["running_mean"], self._buffers["running_var"]
        if (self.frozen or not self.training) and (mean is not None or variance is not None):
            return self._normalize_with_running_stats(input, mask, key)
        if self.virtual_batch_size is not None and self.training:
            return self._normalize_virtual_batches(input, mask, self.virtual_batch_size, key)
        return self._normalize_with_batch(input, mask, key)

    def _affine(self) -> tuple[Tensor | None, Tensor | None]:
        """Return weight and bias."""
        parameters = self._parameters
        if "weight" in parameters and "bias" in parameters:
            return parameters["weight"], parameters["bias"]
        return self.weight, self.bias  # parametrized

    # `key` is the key of the compiled graph if the layer is one operator in it, and "" otherwise.
    def _normalize_with_running_stats(self, x: Tensor, mask: Tensor | None, key: str) -> Tensor:
        mean, variance = self._buffers["running_mean"], self._buffers["running_var"]
        if key and mean is not None and variance is not None:
            return composite.normalize_fixed(
                x, mean, variance, *self._affine(), self.eps, mask, self.exact, key
            )
        return functional.normalize_fixed(
            x, mean, variance, *self._affine(), self.eps, mask, exact=self.exact
        )

    def _normalize_with_batch(self, x: Tensor, mask: Tensor | None, key: str) -> Tensor:
        mean, variance = self._buffers["running_mean"], self._buffers["running_var"]
        if functional.has_single_value(x, mask):
            if self.single == "running" and mean is not None:
                return self._normalize_with_running_stats(x, mask, key)
            raise functional.single_value_error(x, self._single_value_advice())
        if not self.training or not self.track_running_stats:
            mean, variance = None, None
        if key and not self._accumulates():
            return self._normalize_in_graph(x, mean, variance, mask, key)
        is_plain_update = self.update == "forward" and self.non_finite == "propagate"
        y, batch = functional.normalize_batch(
            x,
            *self._affine(),
            self.eps,
            mask,
            (mean, variance),
            exact=self.exact,
            momentum=self.momentum if is_plain_update else None,
        )
        if mean is not None and variance is not None:
            self._update_running_stats(batch)
        return y

    def _normalize_in_graph(
        self,
        x: Tensor,
        mean: Tensor | None,
        variance: Tensor | None,
        mask: Tensor | None,
        key: str,
    ) -> Tensor:
        """Call the operator that normalizes a batch and updates the running statistics."""
        num_batches = self._buffers["num_batches_tracked"]
        skipped = self._buffers["skipped"] if self.non_finite == "skip" else None
        return composite.normalize_and_update(
            x, mean, variance, num_batches, skipped, *self._affine(), self.eps, mask, self.exact,
            self.momentum, key,
        )  # fmt: skip

    def _accumulates(self) -> bool:
        """Return whether statistics are accumulated until the optimizer's step."""
        return self.update == "step" and self.momentum is not None

    def _single_value_advice(self) -> str:
        """Return what to do about a single value per channel."""
        if self._buffers["running_mean"] is None:
            return "Pass larger batches: the layer has no running statistics to use instead."
        return (
            'Set single="running" in the constructor or as layer.single = "running" to normalize '
            "such a batch with the running statistics, or drop it with drop_last=True in the "
            "DataLoader."
        )

    def _normalize_virtual_batches(
        self, x: Tensor, mask: Tensor | None, size: int, key: str
    ) -> Tensor:
        """Normalize ``size`` samples at a time; a single last one joins the previous."""
        samples = x.shape[0]
        if samples <= size:
            return self._normalize_with_batch(x, mask, key)
        starts = list(range(0, samples, size))
        if samples - starts[-1] == 1:
            starts.pop()
        slices = [slice(a, b) for a, b in zip(starts, [*starts[1:], samples], strict=True)]
        masks = [mask if mask is None or len(mask) == 1 else mask[rows] for rows in slices]
        return torch.cat(
            [self._normalize_with_batch(x[s], m, key) for s, m in zip(slices, masks, strict=True)]
        )

    def _update_running_stats(self, batch: Statistics | BatchStatistics | None) -> None:
        """Update the running statistics with a batch, now or at the optimizer's step."""
        if batch is None:  # no rows, or torch's operator has updated them: count the batch
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
            return
        if self.update != "forward" and running_stats.is_recomputing():
            return
        if not self._accumulates():
            self._apply_update(batch)
        elif self._pending is None:
            self._pending = running_stats.AccumulatedStatistics(batch)
        else:
            self._pending.add(batch)

    def after_step(self) -> None:
        """Update the running statistics with the batches since the last optimizer step.

        With ``update="step"`` it is called after each step of an optimizer of the parameters.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            self._apply_update(pending.statistics)

    def _apply_update(self, batch: Statistics | BatchStatistics) -> None:
        """Update the running statistics now."""
        buffers = self._buffers
        mean, variance = buffers["running_mean"], buffers["running_var"]
        assert mean is not None
        assert variance is not None
        skipped = buffers["skipped"] if self.non_finite == "skip" else None
        running_stats.update_running_stats(
            mean, variance, buffers["num_batches_tracked"], batch, self.momentum, skipped
        )

    def reset_running_stats(self) -> None:
        """Reset the running statistics and the counters."""
        super().reset_running_stats()
        self._pending = None
        if "skipped" in self._buffers:
            self.skipped.zero_()

    def _changed_options(self) -> dict[str, Any]:
        """Return evenly's options that differ from the defaults."""
        options = {name: getattr(self, name) for name in EXTRAS}
        return {n: v for n, v in options.items() if v != getattr(BatchNorm, n)}

    def _options_in_training(self) -> list[str]:
        return list(self._changed_options())

    def extra_repr(self) -> str:
        """Return torch's description and the options that differ from the defaults."""
        changed = self._changed_options()
        return ", ".join([super().extra_repr(), *(f"{n}={v!r}" for n, v in changed.items())])

    def __repr__(self) -> str:
        original = parametrize.type_before_parametrizations(self)
        package = "evenly.torch." if original.__module__.startswith("evenly.") else ""
        return package + super().__repr__()


class BatchNorm1d(BatchNorm, nn.BatchNorm1d):
    """Apply batch normalization over (N, C) or (N, C, L), as ``torch.nn.BatchNorm1d``.

    ::

        y = (x - mean) / sqrt(variance + eps) * weight + bias

    In training, the mean and the (biased) variance are those of the batch, and the running
    statistics move towards them (the running variance towards the unbiased variance); in
    evaluation, the running statistics are used (Ioffe and Szegedy, *Batch Normalization*,
    2015, algorithms 1 and 2).

    The constructor, buffers, ``state_dict``, errors and results (to rounding) are those of
    torch's layer, of which this is a subclass. On CPUs, statistics are computed in float64, and
    the mean is subtracted before anything is rounded, so offsets of the data do not matter, and a
    constant channel becomes exactly ``bias``. Dense tensors there use evenly's kernels, if torch
    has DLPack's C exchange API, and equivalent torch operations otherwise. On other devices the
    layer runs on torch's fused operator, which loses digits at large offsets unless ``exact`` is
    set (no GPU was measured).

    Parameters
    ----------
    num_features, eps, momentum, affine, track_running_stats, device, dtype, bias
        As in torch. ``momentum`` is the weight of the *new* batch (1 - Keras' momentum);
        with None, all batches have the same weight.
    virtual_batch_size
        Ghost batch normalization (Hoffer, Hubara and Soudry, *Train longer, generalize better*,
        2017, algorithm 1): every group of this many samples is normalized separately, and
        updates the running statistics. Choose it when large batches generalize worse than
        small ones.
    non_finite
        ``"propagate"``, as torch: one NaN makes the running statistics NaN permanently.
        ``"skip"``: a batch with non-finite statistics does not update them, and is counted in
        the buffer ``skipped``. Choose it with mixed precision, or if a batch may overflow.
    single
        What to do with a single value per channel in training (a last batch of one row).
        ``"error"`` raises torch's ValueError; ``"running"`` normalizes it with the running
        statistics, without updating them.
    update
        When to update the running statistics. ``"forward"``: at each forward pass in training,
        as torch. ``"batch"``: once per batch, even if activation checkpointing recomputes the
        forward pass. ``"step"``: once per optimizer step, with all rows since the last step;
        choose it when gradients are accumulated over several batches. With ``momentum=None``,
        which ``torch.optim.swa_utils.update_bn`` sets, it is the same as ``"batch"``.
    exact
        On accelerators, and under dispatch modes: subtract a value of each channel before the
        operator computes in float32, so that results are correct at any offset and constant
        channels become exactly ``bias``. It costs one more pass over the batch. Choose it for
        data with a mean that is large compared with its standard deviation. CPUs do not need it.

    Raises
    ------
    DataError
        (a ValueError) For a single value per channel in training, or an invalid option, mask
        or shape.

    Notes
    -----
    ``forward(input, mask=None, lengths=None)``: with ``mask`` (boolean, (N,) or (N, L), True
    where a value counts) or ``lengths`` ((N,), the valid length of each sample), padding is
    excluded from the statistics and the gradient, and the output there is 0.

    Evaluation uses the float32 running statistics: if the mean is 1e5 times the standard
    deviation or more, put a `Normalize` layer in front.

    Examples
    --------
    >>> import torch
    >>> from evenly.torch import BatchNorm1d
    >>> layer = BatchNorm1d(1)
    >>> layer(torch.tensor([[1234567.1], [1234567.1]])).tolist()
    [[0.0], [0.0]]
    >>> layer.running_mean
    tensor([123456.7109])
    """

    # Its own attribute, so that a compiled graph need not guard its absence in the base classes.
    _check_input_dim = nn.BatchNorm1d._check_input_dim


class BatchNorm2d(BatchNorm, nn.BatchNorm2d):
    """Apply batch normalization over (N, C, H, W), as ``torch.nn.BatchNorm2d``.

    See `BatchNorm1d` for the parameters; ``mask`` has the shape (N,) or (N, H, W).
    """

    # Its own attribute, so that a compiled graph need not guard its absence in the base classes.
    _check_input_dim = nn.BatchNorm2d._check_input_dim


class BatchNorm3d(BatchNorm, nn.BatchNorm3d):
    """Apply batch normalization over (N, C, D, H, W), as ``torch.nn.BatchNorm3d``.

    See `BatchNorm1d` for the parameters; ``mask`` has the shape (N,) or (N, D, H, W).
    """

    # Its own attribute, so that a compiled graph need not guard its absence in the base classes.
    _check_input_dim = nn.BatchNorm3d._check_input_dim
