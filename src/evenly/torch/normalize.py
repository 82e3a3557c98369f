"""The input layer: mean 0 and variance 1 from exact statistics, fitted or learned on the way."""

from typing import Any, Self

from torch import Tensor

from evenly.errors import DataError
from evenly.fit import fit
from evenly.moments.statistics import Correction
from evenly.torch import custom_op
from evenly.torch.buffers import ScalingTensors
from evenly.torch.denormalize import Denormalize
from evenly.torch.moments_layer import MomentsLayer
from evenly.torch.running_stats import is_recomputing
from evenly.torch.scaling import apply_scaling, is_plain_cpu
from evenly.typing import Constant, Infinite, Missing


class Normalize(MomentsLayer):
    """Gives every feature mean 0 and variance 1; stands right after the input.

    ::

        y = (x - mean) / std = ((x - hi) - lo) * scale

    with mean and standard deviation of *all rows so far*, exactly (`evenly.Moments`), not of a
    batch as in batch normalisation. There is no epsilon.

    - ``Normalize.fit(source)`` reads them beforehand from anything that `evenly.fit` takes.
    - ``Normalize(num_features)`` learns them on the way: in training mode every batch is added
      to the statistics, then normalised with them. However the data were cut into batches, an
      epoch ends with the statistics, to the bit, that `evenly.fit` has of the whole. ``freeze()``
      ends the learning, or else a second epoch counts the same rows again.

    Parameters
    ----------
    num_features
        The length of the axis of features.
    feature_axis
        That axis. 1 is right for N×F, N×C×L and N×C×H×W; choose -1 for features last.
        One dimension is a single row, and needs -1.
    correction
        What the variance subtracts from the count: see `Moments.variance`.
    constant
        For features of variance exactly 0. ``"zero"``: they become 0. ``"center"``: only the
        mean is subtracted; choose it when later data may vary. ``"error"``: evaluation and
        ``freeze()`` refuse them; choose it when a constant feature means something is broken.
    missing
        ``"keep"``: NaN stays NaN. ``"zero"`` puts 0, the mean; choose it before layers that
        cannot take NaN, which are nearly all. In the statistics, NaN is never a value.
    infinite
        ``"error"``: a batch with an infinity is refused in learning, and leaves the statistics
        as they were. ``"missing"``: infinities are no values in the statistics, and stay what
        they are in the output.
    device
        Of the buffers.

    Attributes
    ----------
    hi, lo, scale
        Buffers in float64: the mean as a sum of two, and 1 / std (0 for a constant feature).
        ``.half()`` and other casts of the model leave them alone, moves take them along.
    moments
        The exact statistics: a copy.
    frozen
        Whether learning has ended for good.

    Raises
    ------
    DataError
        For another shape, for an infinity in learning, and in evaluation when no row has been
        seen. ``fit``, ``from_moments`` and ``freeze()`` check more: every feature needs a value,
        and more values than ``correction``.

    Notes
    -----
    Floating input keeps its type, others come out in torch's default dtype. The arithmetic is in
    float64, rounded once: a float32 result is within a few ulp of the exact one, at any offset.
    Gradients flow to the input (times ``scale``), none to the statistics.

    While it learns nothing is refused for want of rows: until a feature has more values than
    ``correction``, and two different ones, it counts as constant. So a first batch of one row
    gives 0 (with ``correction=0``, the default), not an error and not NaN. A batch of no rows
    teaches nothing. Activation checkpointing's second forward pass counts nothing.

    The statistics and ``frozen`` travel in ``state_dict``: the buffers, and under
    ``_extra_state`` the bytes of a statistics file (``docs/format.md``) in a tensor. Options
    do not. Nothing is unpickled; what is loaded is checked.

    ``torch.compile(fullgraph=True)`` takes it learning or not; ``torch.export`` and ONNX after
    ``.eval()`` or ``.freeze()``. Under DistributedDataParallel each process learns its own
    rows, and `moments` shows how to add them up. No GPU was measured.

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

    def __init__(
        self,
        num_features: int,
        *,
        feature_axis: int = 1,
        correction: Correction = 0,
        constant: Constant = "zero",
        missing: Missing = "keep",
        infinite: Infinite = "error",
        device: Any = None,
    ) -> None:
        super().__init__(
            num_features,
            feature_axis=feature_axis,
            correction=correction,
            constant=constant,
            missing=missing,
            device=device,
        )
        if infinite not in ("error", "missing"):
            raise DataError(f"infinite must be 'error' or 'missing'. Received: {infinite!r}.")
        self.infinite: Infinite = infinite

    @classmethod
    def fit(
        cls,
        source: Any,
        *,
        columns: Any = None,
        exclude: Any = (),
        weights: Any = None,
        select: Any = None,
        infinite: Infinite = "error",
        threads: int | None = None,
        progress: Any = None,
        feature_axis: int = 1,
        **options: Any,
    ) -> Self:
        """Return a frozen layer with the statistics of a source, read once.

        Parameters
        ----------
        source, columns, exclude, weights, select, infinite, threads, progress
            As for `evenly.fit`: arrays, tensors, frames, files, a ``DataLoader``.
        feature_axis
            As for the constructor; for arrays, the source's too.
        options
            The constructor's.

        Raises
        ------
        DataError, ColumnError, SourceError, UnsupportedTypeError
            As `evenly.fit` does, and `from_moments`.

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
        )
        return cls.from_moments(moments, feature_axis=feature_axis, infinite=infinite, **options)

    def unfreeze(self) -> Self:
        """Go on learning in training mode, on top of what is known, and return the layer.

        To forget what is known, ``layer.moments = Moments.empty(num_features)``.
        """
        self.frozen = False
        return self

    def inverse(self) -> Denormalize:
        """Return the layer that undoes this one, with a copy of the statistics as they are now."""
        return Denormalize.from_moments(
            self._moments,
            feature_axis=self.feature_axis,
            correction=self.correction,
            constant=self.constant,
            device=self.hi.device,
        )

    def forward(self, input: Tensor) -> Tensor:
        """Return the input normalised, after learning from it when that is on."""
        axis = self._resolve_axis(input)
        hi, lo, scale = self._numbers
        if self.training and not self.frozen:
            self._take_in(input)
            if input.requires_grad:
                scale = scale.clone()  # the next batch changes it, and backward needs this one
        elif not self._ready:
            self._check_ready()
        return apply_scaling(input, hi, lo, scale, axis, inverse=False, missing=self.missing)

    def _take_in(self, x: Tensor) -> None:
        if x.requires_grad:
            x = x.detach()
        if is_plain_cpu(x):
            self.learn(x, self._numbers)
        else:
            custom_op.check_not_exporting()
            custom_op.update_statistics(x, *self._numbers, self._number)

    def learn(self, x: Tensor, into: ScalingTensors) -> None:
        """Add a batch to the statistics, and write those."""
        if is_recomputing():
            return
        rows = x.unsqueeze(0) if x.ndim == 1 else x
        self._moments.update(rows.cpu(), feature_axis=self.feature_axis, infinite=self.infinite)
        self._write(into)
