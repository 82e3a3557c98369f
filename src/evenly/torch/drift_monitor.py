"""Compare the input of a deployed `Normalize` with the data that it was fitted on."""

import logging
import operator
import os
from collections.abc import Callable
from typing import Any, Literal, Self, SupportsIndex, TypeAlias

import torch
from torch import Tensor

from evenly.columns import match_columns
from evenly.drift import Comparison, compare
from evenly.drift.comparison import check_options
from evenly.drift.text import summary
from evenly.errors import DataError, UnsupportedTypeError, check_choice
from evenly.moments import Moments, load
from evenly.moments.internal import without_dtypes
from evenly.torch.fx_tracing import is_proxy
from evenly.torch.monitor_op import observe, register_monitor
from evenly.torch.normalize import Normalize
from evenly.torch.num_features import describe
from evenly.torch.running_stats import is_recomputing
from evenly.torch.scaling import is_plain, is_plain_cpu
from evenly.transform.compiler import is_exporting

_LOG = logging.getLogger("evenly")

OnDrift: TypeAlias = Literal["log", "error"] | Callable[[Comparison], object]
"""The action when a column is over the limit."""


class DriftMonitor:
    """Compare the input of a deployed `Normalize` with what it was fitted on.

    The monitor is a forward hook: each batch that the layer evaluates is added to exact moments,
    as in `evenly.Moments.update`. After every ``every`` rows these are compared with those of the
    layer (`evenly.compare`). What the layer returns does not change. Batches from which the layer
    itself learns are not counted.

    Parameters
    ----------
    normalize
        The layer, with statistics.
    limit, confidence
        As in `evenly.compare`.
    every
        The number of rows between two comparisons. None: only when `compare` is called.
    on_drift
        The action when a column is over the limit. ``"log"``: log a warning
        (``logging.getLogger("evenly")``), and again only when other columns are over it.
        ``"error"``: raise `evenly.DataError`; choose it where a wrong prediction is worse than
        none. Or a function, which is called with the `evenly.Comparison` when a warning would be
        logged. If it raises an error, so does the layer, and it is called again after the next
        ``every`` rows.

    Attributes
    ----------
    comparison
        The last comparison, or None.

    Raises
    ------
    DataError
        If the layer has no statistics, or for invalid options.

    Notes
    -----
    A distribution is kept if the statistics of the layer have one. NaN and infinities count as
    missing. Each worker has its own monitor: `state_dict` and `save` store its moments, and `merge`
    adds those of others, with the same bits in any order. ``evenly.torch.gather(monitor.moments)``
    adds up those of all ranks. In a compiled model the monitor is one operation of the graph;
    exported models have none. Values on another device are copied to the CPU.

    Examples
    --------
    >>> import torch
    >>> from evenly.torch import DriftMonitor, Normalize
    >>> torch.manual_seed(0)  # doctest: +ELLIPSIS
    <torch._C.Generator ...>
    >>> layer = Normalize.fit(torch.randn(1000, 2)).eval()
    >>> monitor = DriftMonitor(layer, every=None)
    >>> for batch in (torch.randn(1000, 2) + torch.tensor([0.0, 0.5])).split(100):
    ...     y = layer(batch)
    >>> [(column.name, column.over) for column in monitor.compare().over]
    [(1, ('mean',))]
    """

    def __init__(
        self,
        normalize: Normalize,
        *,
        limit: float = 0.1,
        confidence: float = 0.99,
        every: int | None = 10_000,
        on_drift: OnDrift = "log",
    ) -> None:
        if not isinstance(normalize, Normalize):
            raise UnsupportedTypeError(
                "A DriftMonitor observes one Normalize layer. Received: "
                f"{describe(normalize)}. Pass the layer of the model, such as model[0]."
            )
        check_options(limit, confidence)
        if not callable(on_drift):
            check_choice("on_drift", on_drift, ("log", "error"))
        self.normalize = normalize
        self.limit = limit
        self.confidence = confidence
        self.every = None if every is None else _as_rows(every)
        self.on_drift = on_drift
        self.comparison: Comparison | None = None
        self._reported: frozenset[tuple[str, tuple[str, ...]]] = frozenset()
        self._moments = self._empty()
        self._compared_rows = 0
        self._observed = torch.zeros((), dtype=torch.int64)
        self._id = register_monitor(self)
        self._handle = normalize.register_forward_hook(self._hook, with_kwargs=True)

    # The input of the layer

    @property
    def moments(self) -> Moments:
        """A copy of the moments of the input."""
        return self._moments.copy()

    def compare(self) -> Comparison:
        """Compare the input with the data that the layer was fitted on.

        Returns
        -------
        Comparison
            As `evenly.compare` returns it; also stored as ``comparison``.
        """
        fitted, observed = (without_dtypes(m) for m in (self.normalize.moments, self._moments))
        self.comparison = compare(fitted, observed, limit=self.limit, confidence=self.confidence)
        return self.comparison

    def reset(self) -> None:
        """Discard the moments of the input, for example once a day."""
        self._moments = self._empty()
        self._compared_rows = 0
        self._reported = frozenset()
        self.comparison = None

    def remove(self) -> None:
        """Remove the hook from the layer; the moments are kept."""
        self._handle.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def observe(self, x: Tensor) -> None:
        """Add a batch to the moments, and compare them every ``every`` rows.

        Raises
        ------
        DataError
            With ``on_drift="error"``, if a column is over the limit.
        """
        layer = self.normalize
        x = x.detach()
        rows = (x.unsqueeze(0) if x.ndim == 1 else x).cpu()
        if layer._white != 1:  # the statistics are of pixels that are not yet divided
            rows = rows.double() * layer._white
        self._moments.update(rows, feature_axis=layer.feature_axis, infinite="missing")
        if self.every is not None and self._moments.rows - self._compared_rows >= self.every:
            self._compared_rows = self._moments.rows
            self._report(self.compare())

    def _hook(
        self, layer: Normalize, args: tuple[Tensor, ...], keywords: dict[str, Tensor], _: Tensor
    ) -> None:
        x = args[0] if args else keywords["input"]
        if is_proxy(x) or (layer.training and not layer.frozen) or is_recomputing():
            return
        if is_plain_cpu(x) or layer._is_replica:
            self.observe(x)
        elif is_plain(x) or not (is_exporting() or torch.jit.is_tracing()):
            observe(x.detach(), self._observed, self._id)

    def _report(self, comparison: Comparison) -> None:
        over = frozenset((column.label, column.over) for column in comparison.over)
        if not over:
            self._reported = over
        elif self.on_drift == "error":
            raise DataError(
                "The input of Normalize must be like the data that it was fitted on. Received: "
                f"{summary(comparison)}. Find out what changed, or fit the layer again."
            )
        elif over != self._reported:
            if self.on_drift == "log":
                text = "The input of Normalize differs from the data that it was fitted on: %s"
                _LOG.warning(text, summary(comparison))
            elif callable(self.on_drift):
                self.on_drift(comparison)
            self._reported = over  # not if the function failed

    def _empty(self) -> Moments:
        fitted = self.normalize.moments
        if not fitted.rows:
            raise DataError(
                "A DriftMonitor compares with the statistics of its layer. Received: a Normalize "
                "without any. Fit it first, or load its state_dict."
            )
        columns = fitted.columns or fitted.num_features
        return Moments.empty(columns, distribution=fitted.distribution)

    # Workers

    def merge(self, *others: "DriftMonitor | Moments | str | os.PathLike[str]") -> Self:
        """Add the moments of other workers, and return self.

        Parameters
        ----------
        others
            Monitors, their moments, or the files that they saved.

        Raises
        ------
        ColumnError
            If the columns differ.
        UnsupportedTypeError
            For anything else.
        """
        total = self._moments.copy()
        for other in others:
            total += self._check_columns(_moments_of(other))
        self._moments = total
        return self

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the moments of the input to a statistics file, for `merge` or ``evenly diff``.

        Parameters
        ----------
        path
            The path of the file, which is replaced atomically.
        """
        self._moments.save(path)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the moments of the input as a uint8 tensor, which is loaded without unpickling."""
        content = bytearray(self._moments.to_bytes())
        return {"moments": torch.frombuffer(content, dtype=torch.uint8)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore the result of `state_dict`, after checking it.

        Raises
        ------
        DataError
            If it is the state of something else.
        StatisticsFileError
            If it is damaged; the monitor is then unchanged.
        ColumnError
            If it has other columns than the layer.
        """
        if not isinstance(packed := state.get("moments"), Tensor):
            raise DataError(
                "The state of a DriftMonitor must have the moments of the input as a tensor under "
                f"the key 'moments'. Received: the keys {sorted(state)}. Pass the result of "
                "monitor.state_dict()."
            )
        content = packed.cpu().numpy().tobytes()
        moments = self._empty() + self._check_columns(Moments.from_bytes(content))
        self._moments, self._compared_rows = moments, moments.rows

    def _check_columns(self, moments: Moments) -> Moments:
        """Return moments after checking that they have the columns of the layer."""
        own = self._moments
        match_columns(own.columns, own.num_features, moments.columns, moments.num_features)
        return moments

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__.copy()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._id = register_monitor(self)


def _as_rows(every: object) -> int:
    """Return ``every`` as an int, after checking it."""
    rows = operator.index(every) if isinstance(every, SupportsIndex) else 0
    if rows <= 0 or isinstance(every, bool):
        raise DataError(f"every must be a positive number of rows, or None. Received: {every!r}.")
    return rows


def _moments_of(other: object) -> Moments:
    if isinstance(other, DriftMonitor):
        return other.moments
    loaded = load(other) if isinstance(other, str | os.PathLike) else other
    if isinstance(loaded, Moments):
        return loaded
    raise UnsupportedTypeError(
        "merge adds monitors, moments and paths of statistics files. "
        f"Received: {type(loaded).__name__}. Pass monitor.moments of each worker."
    )
