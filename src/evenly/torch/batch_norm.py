"""Batch normalisation layers: torch's own, right at any offset, on kernels of ours, with extras."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from evenly.errors import DataError
from evenly.torch import functional, running_stats
from evenly.torch.mask import broadcast_mask
from evenly.torch.native import BatchStatistics
from evenly.torch.reference import Statistics

CHOICES = {
    "non_finite": ("propagate", "skip"),
    "single": ("error", "running"),
    "update": ("forward", "batch", "step"),
}


EXTRAS = ("virtual_batch_size", *CHOICES, "frozen")
"""The attributes of a layer that torch's have not."""


class BatchNorm(_BatchNorm):
    """What the batch normalisation layers share; see `BatchNorm1d`."""

    # Of the class, so that a layer of torch's that becomes one of ours (`convert`) has them too.
    virtual_batch_size: int | None = None
    non_finite: str = "propagate"
    single: str = "error"
    update: str = "forward"
    frozen: bool = False
    _pending: running_stats.AccumulatedStatistics | None = None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
        virtual_batch_size: int | None = None,
        non_finite: str = "propagate",
        single: str = "error",
        update: str = "forward",
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )
        self._set_options(virtual_batch_size, non_finite=non_finite, single=single, update=update)

    def _set_options(self, virtual_batch_size: int | None, **choices: str) -> None:
        """Check and keep the extras."""
        for option, value in choices.items():
            if value not in CHOICES[option]:
                raise DataError(
                    f"{option} must be one of {', '.join(map(repr, CHOICES[option]))}. "
                    f"Received: {value!r}."
                )
            setattr(self, option, value)
        if virtual_batch_size is not None and virtual_batch_size < 2:
            raise DataError(
                "virtual_batch_size must be 2 or more, for one sample has no variance. "
                f"Received: {virtual_batch_size}. Pass None for the whole batch."
            )
        self.virtual_batch_size = virtual_batch_size
        if self.non_finite == "skip":
            tracked = self._buffers["num_batches_tracked"]
            device = None if tracked is None else tracked.device
            counter = torch.zeros((), dtype=torch.long, device=device)
            self.register_buffer("skipped", counter, persistent=False)
        self._follow_steps()

    def _follow_steps(self) -> None:
        if self.update == "step":
            running_stats.register_step_hook(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._follow_steps()  # after a copy or a pickle

    def freeze(self) -> "BatchNorm":
        """Use the running statistics and leave them as they are, after ``train()`` too.

        Choose it for fine-tuning with small batches. Parameters go on learning; to stop
        those as well, ``requires_grad_(False)``. Returns the layer.
        """
        if self.running_mean is None:
            raise DataError(
                "A layer needs running statistics to be frozen. Received: one with "
                "track_running_stats=False. Build it with track_running_stats=True."
            )
        self.frozen = True
        return self

    def unfreeze(self) -> "BatchNorm":
        """End `freeze`. Returns the layer."""
        self.frozen = False
        return self

    def forward(
        self, input: Tensor, *, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        """Return the input normalised; see the class for shapes and ``mask``."""
        self._check_input_dim(input)
        if mask is not None or lengths is not None:
            mask = broadcast_mask(input, mask, lengths)
        # The dicts themselves: nn.Module finds each attribute in 0.6 us, five of which are
        # a sixth of a small batch's time.
        mean, variance = self._buffers["running_mean"], self._buffers["running_var"]
        if (self.frozen or not self.training) and (mean is not None or variance is not None):
            return self._by_running(input, mask)
        if self.virtual_batch_size is not None and self.training:
            return self._by_virtual_batches(input, mask, self.virtual_batch_size)
        return self._normalize_with_batch(input, mask)

    def _affine(self) -> tuple[Tensor | None, Tensor | None]:
        own = self._parameters
        if "weight" in own and "bias" in own:
            return own["weight"], own["bias"]
        return self.weight, self.bias  # parametrised

    def _by_running(self, x: Tensor, mask: Tensor | None) -> Tensor:
        mean, variance = self._buffers["running_mean"], self._buffers["running_var"]
        return functional.normalize_fixed(x, mean, variance, *self._affine(), self.eps, mask)

    def _normalize_with_batch(self, x: Tensor, mask: Tensor | None) -> Tensor:
        mean, variance = self._buffers["running_mean"], self._buffers["running_var"]
        if functional.has_single_value(x, mask):
            if self.single == "running" and mean is not None:
                return self._by_running(x, mask)
            raise functional.single_value_error(x)
        if not self.training or not self.track_running_stats:
            mean, variance = None, None
        y, batch = functional.normalize_batch(x, *self._affine(), self.eps, mask, (mean, variance))
        if mean is not None and variance is not None:
            self._move(batch)
        return y

    def _by_virtual_batches(self, x: Tensor, mask: Tensor | None, size: int) -> Tensor:
        """Normalise each run of ``size`` samples by itself; a last single one joins the others."""
        samples = x.shape[0]
        if samples <= size:
            return self._normalize_with_batch(x, mask)
        starts = list(range(0, samples, size))
        if samples - starts[-1] == 1:
            starts.pop()
        parts = [slice(a, b) for a, b in zip(starts, [*starts[1:], samples], strict=True)]
        masks = [mask if mask is None or len(mask) == 1 else mask[part] for part in parts]
        return torch.cat(
            [self._normalize_with_batch(x[p], m) for p, m in zip(parts, masks, strict=True)]
        )

    def _move(self, batch: Statistics | BatchStatistics | None) -> None:
        """Let the running statistics take in a batch's, now or with the optimiser's step."""
        if batch is None:  # no rows: torch counts such a batch, and nothing else
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
            return
        if self.update != "forward" and running_stats.is_recomputing():
            return
        if self.update != "step":
            self._take_in(batch)
        elif self._pending is None:
            self._pending = running_stats.AccumulatedStatistics(batch)
        else:
            self._pending.add(batch)

    def after_step(self) -> None:
        """Take in what has come since the last optimiser step (``update="step"``)."""
        pending, self._pending = self._pending, None
        if pending is not None:
            self._take_in(pending.statistics)

    def _take_in(self, batch: Statistics | BatchStatistics) -> None:
        own = self._buffers
        mean, variance = own["running_mean"], own["running_var"]
        assert mean is not None
        assert variance is not None
        skipped = own["skipped"] if self.non_finite == "skip" else None
        running_stats.update_running_stats(
            mean, variance, own["num_batches_tracked"], batch, self.momentum, skipped
        )

    def reset_running_stats(self) -> None:
        """Forget all batches."""
        super().reset_running_stats()
        self._pending = None
        if "skipped" in self._buffers:
            self.skipped.zero_()

    def extra_repr(self) -> str:
        """Return torch's description, and what differs from it."""
        chosen = {name: getattr(self, name) for name in EXTRAS}
        different = {n: v for n, v in chosen.items() if v != getattr(BatchNorm, n)}
        return ", ".join([super().extra_repr(), *(f"{n}={v!r}" for n, v in different.items())])


class BatchNorm1d(BatchNorm, nn.BatchNorm1d):
    """Batch normalisation over (N, C) or (N, C, L): ``torch.nn.BatchNorm1d``, and more.

    ::

        y = (x - mean) / sqrt(variance + eps) * weight + bias

    In training the mean and the (biased) variance are the batch's, and the running statistics
    move towards them, the variance's unbiased; in evaluation the running statistics are used
    (Ioffe and Szegedy, *Batch Normalization*, 2015, algorithms 1 and 2).

    Same constructor, buffers, ``state_dict``, errors and results (to rounding) as torch's; a
    subclass of it, so that tools which look for it find it. Statistics are taken in float64
    and the mean is subtracted before anything is rounded, so that no offset of the data
    matters, and a constant channel becomes exactly ``bias``. Its kernels serve dense tensors
    on CPUs, in a torch that has DLPack's C exchange API; everything else takes plain torch
    operations of the same meaning (tested on CPUs; no GPU was measured).

    Parameters
    ----------
    num_features, eps, momentum, affine, track_running_stats, device, dtype, bias
        As torch's. ``momentum`` is the weight of the *new* batch (1 - Keras' momentum);
        None: every batch weighs the same.
    virtual_batch_size
        Ghost batch normalisation (Hoffer, Hubara and Soudry, *Train longer, generalize better*,
        2017, algorithm 1): each run of so many samples is normalised by itself, and moves the
        running statistics. Choose it when large batches generalise worse than small ones did.
    non_finite
        ``"propagate"``, as torch: one NaN spoils the running statistics for ever. ``"skip"``:
        a batch whose statistics are not finite leaves them as they are, and is counted in
        the buffer ``skipped``. Choose it with mixed precision, or whenever a batch may overflow.
    single
        One value a channel in training (a last batch of one row) is ``"error"``, torch's
        ValueError, or normalised with ``"running"`` statistics, which do not move.
    update
        When running statistics move: at each training ``"forward"``, as torch's do; once a
        ``"batch"``, so not again when activation checkpointing recomputes the forward pass; or
        once an optimiser ``"step"``, with all rows since the last one: choose that when
        gradients are accumulated over several batches.

    Raises
    ------
    DataError
        (a ValueError) For one value a channel in training, a wrong option, mask or shape.

    Notes
    -----
    ``forward(input, *, mask=None, lengths=None)``: with ``mask`` (boolean, (N,) or (N, L), True
    where a value counts) or ``lengths`` ((N,), how much of L counts), padding counts neither in
    the statistics nor in the gradient, and comes out as 0.

    Evaluation uses the float32 running statistics as they are stored: where the mean is large
    beside the standard deviation (1e5 times and more), put `Normalize` before it.

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


class BatchNorm2d(BatchNorm, nn.BatchNorm2d):
    """Batch normalisation over (N, C, H, W): ``torch.nn.BatchNorm2d``, and more.

    See `BatchNorm1d` for everything; ``mask`` has the shape (N,) or (N, H, W).
    """


class BatchNorm3d(BatchNorm, nn.BatchNorm3d):
    """Batch normalisation over (N, C, D, H, W): ``torch.nn.BatchNorm3d``, and more.

    See `BatchNorm1d` for everything; ``mask`` has the shape (N,) or (N, D, H, W).
    """
