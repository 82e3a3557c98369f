"""Layers that normalize a model's input with exact statistics, and undo it."""

import warnings
from collections.abc import Callable
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.types import Device

from evenly.errors import DataError, check_choice
from evenly.moments import Moments
from evenly.progress import Progress
from evenly.torch import custom_op, transfer, units
from evenly.torch.buffers import StateTensors
from evenly.torch.moments_layer import MomentsLayer
from evenly.torch.running_stats import is_recomputing
from evenly.torch.scaling import apply_scaling, is_plain, is_plain_cpu
from evenly.transform.methods import parse_method
from evenly.typing import (
    Columns,
    Constant,
    CsvOptions,
    Infinite,
    Missing,
    NormalizeMethod,
    Real,
    StorageOptions,
    Unfitted,
)


class Normalize(MomentsLayer):
    """Normalize each feature of the input to mean 0 and variance 1.

    ::

        y = (x - mean) / std = ((x - hi) - lo) * scale

    with the exact mean and standard deviation (`evenly.Moments`) of *all rows so far*, not of the
    current batch as in batch normalization. There is no epsilon.

    - ``Normalize.fit(source)`` computes them in advance from any source of `evenly.fit`.
    - ``Normalize(num_features)`` learns them during training: in training mode every batch is
      added to the statistics, then normalized with them. For any batch size, the statistics
      after an epoch are bit-identical to those of `evenly.fit` on all data. Call ``freeze()``
      then to stop learning, or a second epoch counts the same rows again.

    Parameters
    ----------
    num_features
        The number of features.
    feature_axis
        The axis of the features: 1 for N×F, N×C×L and N×C×H×W; choose -1 if the features are
        last. A one-dimensional input is a single row, and needs -1.
    correction
        The number subtracted from the count in the variance: see `evenly.Moments.variance`.
    constant
        How to treat features with a variance of exactly 0. ``"zero"``: they become 0.
        ``"center"``: only the mean is subtracted; choose it when later data may vary.
        ``"error"``: evaluation and ``freeze()`` raise an error; choose it when a constant
        feature indicates a fault.
    tolerance
        A feature is constant if its standard deviation is at most ``tolerance`` times its root
        mean square: see `evenly.Moments.normalize`. 0: only if all values are equal.
    missing
        ``"keep"`` keeps NaN. ``"zero"`` replaces it by 0, the mean; choose it before layers
        that cannot handle NaN, which are nearly all. NaN never counts in the statistics.
    infinite
        ``"error"``: learning from a batch with an infinity raises an error, and leaves the
        statistics unchanged. ``"missing"``: infinities do not count in the statistics, and
        stay infinite in the output.
    unfitted
        Evaluation without any statistics. ``"error"`` raises an error. ``"identity"`` uses a
        mean of 0 and a standard deviation of 1, so it returns the input; choose it for trainers
        that evaluate before they train, as Lightning's sanity check does.
    method, range, q
        How the input is normalized, as in `evenly.Moments.normalize`: ``"minmax"`` maps it to 0
        and 1, ``"quantile"`` the quantiles 0.01 and 0.99 to -1 and 1, for example. While it
        learns, a feature whose spread is 0 so far is treated as constant.
    clip
        None, or a number: the output is limited to the range from ``-clip`` to ``clip``. True: to
        the range of the method. NaN stays NaN. Choose it where inputs far outside of the training
        data occur, as in reinforcement learning.
    distribution
        Whether the layer also keeps the distribution of each feature, as in `evenly.fit`. None:
        only for the methods that need it. It adds up to 20 KB per feature to the ``state_dict``.
    device
        The device of the buffers.

    Attributes
    ----------
    hi, lo, scale
        Buffers in float64: the mean as a sum of two numbers, and 1 / std (0 for a constant
        feature). Moves of the model apply to them; ``.half()`` and other casts do not.
    moments
        A copy of the exact statistics. An error if ``hi``, ``lo`` and ``scale`` are not those
        of the exact statistics, because they were averaged or edited.
    exact
        Buffer of dtype uint8 with the encoded exact statistics. Its size depends on
        ``num_features`` and ``distribution`` only.
    frozen
        Whether learning has stopped.

    Raises
    ------
    DataError
        For an invalid shape, for an infinity during learning, and for evaluation without any
        statistics. ``fit``, ``from_moments`` and ``freeze()`` check more: every feature needs a
        value, and more values than ``correction``.

    Notes
    -----
    Floating-point input keeps its dtype; other input becomes torch's default dtype. Results are
    computed in float64 and rounded once (float32 results of other devices than CPUs twice): a
    float32 result is within a few ulp of the exact one, at any offset. Gradients flow to the
    input (times ``scale``), but not to the statistics.

    Learning needs no minimum number of rows: until a feature has more values than
    ``correction``, and two different ones, it is treated as constant. So a first batch of one
    row becomes 0 (with ``correction=0``, the default), not an error or NaN. A batch without rows
    changes nothing, nor does a forward pass that activation checkpointing recomputes.

    ``state_dict`` contains the buffers ``hi``, ``lo`` and ``scale`` and, under ``_extra_state``,
    the tensor ``exact`` (``docs/format.md``) with ``frozen``, but not the options. Loading it
    unpickles nothing and checks everything.

    Evaluation uses the buffers only. So a model whose buffers were copied or averaged (EMA, SWA)
    evaluates with the copied or averaged statistics. Averaged statistics are not exact: `moments`
    then raises an error, and a batch in training mode emits a warning and changes nothing.

    ``torch.compile(fullgraph=True)`` supports the layer, also while it learns; ``torch.export``
    and ONNX support it after ``.eval()`` or ``.freeze()``. Under DistributedDataParallel each
    process learns from its own rows, whether buffers are broadcast or not;
    ``evenly.torch.gather(model)`` merges the statistics of all ranks. No GPU was measured.

    Examples
    --------
    >>> import torch
    >>> from evenly.torch import Normalize
    >>> layer = Normalize(1)
    >>> for batch in torch.tensor([[[1.7e9]], [[1.7e9 + 128]], [[1.7e9 + 256]]]):
    ...     print(layer(batch).item())
    0.0
    1.0
    1.2247449159622192
    >>> layer.freeze()
    Normalize(1, frozen)
    >>> layer.moments
    Moments of 1 column, 3 rows
    column  count  missing        mean      std         min         max
    0           3        0  1700000128  104.512  1700000000  1700000256
    """

    _defaults: ClassVar[dict[str, Any]] = {
        **MomentsLayer._defaults,
        "infinite": "error",
        "unfitted": "error",
        "clip": None,
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
        infinite: Infinite = "error",
        unfitted: Unfitted = "error",
        method: NormalizeMethod = "standard",
        range: tuple[float, float] | None = None,
        q: tuple[float, float] | None = None,
        clip: float | bool | None = None,
        distribution: bool | int | None = None,
        device: Device = None,
    ) -> None:
        super().__init__(
            num_features,
            feature_axis=feature_axis,
            correction=correction,
            constant=constant,
            missing=missing,
            tolerance=tolerance,
            method=method,
            range=range,
            q=q,
            distribution=distribution,
            device=device,
        )
        check_choice("infinite", infinite, ("error", "missing"))
        check_choice("unfitted", unfitted, ("error", "identity"))
        self.infinite: Infinite = infinite
        self.unfitted: Unfitted = unfitted
        self.clip = clip
        self._limits = parse_method(method, range, q, clip).clip
        self._is_scale_checked = False

    @classmethod
    def fit(
        cls,
        source: object,
        *,
        columns: Columns | None = None,
        exclude: Columns = (),
        weights: object = None,
        select: object = None,
        infinite: Infinite = "error",
        threads: int | None = None,
        progress: Callable[[Progress], object] | None = None,
        csv: CsvOptions | None = None,
        storage_options: StorageOptions | None = None,
        feature_axis: int = 1,
        method: NormalizeMethod = "standard",
        distribution: bool | int | None = None,
        **options: Any,  # as in from_moments
    ) -> Self:
        """Create a frozen layer with the statistics of a source, which is read once.

        Parameters
        ----------
        source, columns, exclude, weights, select, infinite, threads, progress, csv, storage_options
            As in `evenly.fit`; sources include arrays, tensors, frames, files and a
            ``DataLoader``.
        feature_axis
            As in the constructor; also the axis of an array source.
        method, distribution
            As in the constructor.
        options
            Other options of the constructor, and ``scale`` of `from_moments`.

        Raises
        ------
        DataError, ColumnError, SourceError, UnsupportedTypeError
            As `evenly.fit` and `from_moments`.

        Examples
        --------
        >>> import torch
        >>> from torch.utils.data import DataLoader, TensorDataset
        >>> from evenly.torch import Normalize
        >>> data = TensorDataset(torch.tensor([[1.0], [3.0]]), torch.tensor([0, 1]))
        >>> layer = Normalize.fit(DataLoader(data, batch_size=1), select=0)
        >>> layer(torch.tensor([[5]]))
        tensor([[3.]])
        """
        from evenly.fit import fit  # the readers of all sources

        if distribution is None:
            distribution = parse_method(method).q is not None
        moments = fit(
            source,
            columns=columns,
            exclude=exclude,
            weights=weights,
            select=select,
            feature_axis=feature_axis,
            infinite=infinite,
            threads=threads,
            progress=progress,
            csv=csv,
            storage_options=storage_options,
            distribution=distribution,
        )
        options |= {"feature_axis": feature_axis, "infinite": infinite, "method": method}
        return cls.from_moments(moments, **options)

    def unfreeze(self) -> Self:
        """Continue learning in training mode, and return the layer.

        To discard the statistics, assign ``layer.moments = Moments.empty(num_features)``.

        Raises
        ------
        DataError
            If the layer converts its input, because of ``scale="0..1"``.
        """
        self._check_unit()
        self._set_frozen(False)
        return self

    def _check_unit(self) -> None:
        if self._white != 1:
            raise DataError(
                "A layer can only learn from an input in the unit of its statistics. Received: "
                'a layer that was created with scale="0..1" from pixels up to '
                f"{self._white}. Create Normalize({self.num_features}) to learn from batches."
            )

    def parts(self) -> tuple[Moments, Moments] | None:
        """Return the statistics that were given, and those learned since; None if unknown.

        `evenly.torch.gather` counts given statistics that several ranks have in common once.
        """
        if not self._synchronize():
            return None
        return self._statistics.given.copy(), self._statistics.learned.copy()

    def inverse(self) -> "Denormalize":
        """Return a frozen `Denormalize` with a copy of the current statistics and options."""
        layer = Denormalize(
            self.num_features,
            feature_axis=self.feature_axis,
            correction=self.correction,
            constant=self.constant,
            tolerance=self.tolerance,
            method=self.method,
            range=self.range,
            q=self.q,
            distribution=self.distribution,
            device=self.hi.device,
        )
        if self._synchronize():
            layer._white = self._white
            layer.moments = self._statistics.total
            return layer.freeze()
        hi, lo, scale = self._tensors.scaling
        layer._use_constants((hi, lo, torch.where(scale == 0, 0.0, 1 / scale)))
        return layer.freeze()

    @property
    def _learns(self) -> bool:
        return not self.frozen

    def _scale(self, input: Tensor) -> Tensor:
        """Normalize the input, after learning from it in training mode."""
        axis = self._resolve_axis(input)
        tensors = self._tensors
        if tensors.hi.dtype is not torch.float64 and is_plain(input):
            self._undo_casts()
            tensors = self._tensors
        hi, lo, scale = tensors.scaling
        if self.training and not self.frozen:
            self._update_statistics(input, tensors)
            if input.requires_grad:
                scale = scale.clone()  # backward needs it after the next batch changes it
        elif not self._is_ready:
            self._check_ready(input)
        elif not self._is_scale_checked:
            self._check_scale(input)
        y = apply_scaling(
            input,
            hi,
            lo,
            scale,
            axis,
            inverse=False,
            missing=self.missing,
            constants=self._constants,
        )
        return y if self._limits is None else y.clamp(*self._limits)

    def _check_scale(self, x: Tensor) -> None:
        """Warn if the first batch and the statistics are on the scales of 0 to 1 and 0 to 255."""
        if x.is_meta or not is_plain(x) or not self._synchronize() or not x.any():
            return  # zeros are on any scale
        self._is_scale_checked = True
        if remark := units.describe_mismatch(self._statistics.total, self._white, x.detach()):
            warnings.warn(remark, stacklevel=2)

    def _update_statistics(self, x: Tensor, into: StateTensors) -> None:
        if x.requires_grad:
            x = x.detach()
        if self._is_replica or is_plain_cpu(x):
            self.learn(x, into)
        else:
            custom_op.check_not_exporting()
            custom_op.update_statistics(x, *into, self._layer_id)

    def learn(self, x: Tensor, into: StateTensors) -> None:
        """Add a batch to the statistics, and write the buffers.

        The exact sums are computed on the CPU: a batch and buffers on an accelerator are copied
        there in one transfer.
        """
        if is_recomputing():
            return
        if not transfer.is_remote(into.hi):
            self._learn(x.cpu(), into)
            return
        rows, *state = transfer.to_host((x, *into))
        self._learn(rows, StateTensors(*state))
        transfer.to_device(state, into)

    def _learn(self, x: Tensor, into: StateTensors) -> None:
        """Add a batch that is on the CPU, as the buffers are."""
        with self._statistics.guard.lock:
            self._learn_alone(x, into)

    def _learn_alone(self, x: Tensor, into: StateTensors) -> None:
        if not self._synchronize(into):
            warnings.warn(_UNKNOWN, stacklevel=2)
            return
        self._statistics.enter_ddp()
        if self.frozen:  # a copy of the buffers of a frozen layer
            return
        self._check_unit()
        rows = x.unsqueeze(0) if x.ndim == 1 else x
        self._statistics.learn(rows, feature_axis=self.feature_axis, infinite=self.infinite)
        if self._is_scale_checked:
            self._is_scale_checked = False
        self._write(into)


_UNKNOWN = (
    "Normalize can only learn if the exact statistics of its buffers are known. Received: a batch "
    "in training mode, and buffers that were averaged, edited, or copied in part. The batch was "
    "normalized with the buffers, and not added to the statistics. Call .freeze() or .eval(), or "
    "assign layer.moments = ... to learn."
)


class Denormalize(MomentsLayer):
    """Undo `Normalize`: ``y = x * std + mean`` for each feature.

    Put it at the end of a model whose target was normalized; create it with
    ``Normalize.inverse()``. It never learns. Options, shapes, dtypes, ``state_dict`` and errors
    are those of `Normalize`; a constant feature is restored exactly.

    Examples
    --------
    >>> import torch
    >>> from evenly.torch import Normalize
    >>> layer = Normalize.fit(torch.tensor([[1.0, 7.0], [3.0, 7.0]]))
    >>> layer.inverse()(torch.tensor([[0.5, 0.0]]))
    tensor([[2.5000, 7.0000]])
    """

    _is_inverse = True

    @property
    def _learns(self) -> bool:
        return False

    def _scale(self, input: Tensor) -> Tensor:
        """Return the input times the standard deviation plus the mean."""
        axis = self._resolve_axis(input)
        if not self._is_ready:
            self._check_ready(input)
        return apply_scaling(
            input,
            *self._tensors.scaling,
            axis,
            inverse=True,
            missing="keep",
            constants=self._constants,
        )
