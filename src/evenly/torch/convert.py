"""A model's batch norms: torch's become ours in place, and ours torch's."""

import warnings
from typing import Any

from torch import nn

from evenly.errors import DataError
from evenly.torch import module_class, running_stats
from evenly.torch.batch_norm import EXTRAS, BatchNorm, BatchNorm1d
from evenly.torch.sync import SyncBatchNorm

TO_EVENLY: module_class.Pairs = {
    **module_class.PAIRS,
    **module_class.LAZY_PAIRS,
    nn.SyncBatchNorm: SyncBatchNorm,
}
TO_TORCH: module_class.Pairs = {new: old for old, new in TO_EVENLY.items()}


def convert(model: nn.Module, to: str = "evenly", **extras: Any) -> nn.Module:
    """Make all batch norms of a model evenly's, or torch's again, in place.

    A layer changes its class and nothing else: parameters, buffers, hooks, mode, device,
    dtype, parametrizations stay the same objects, so that an optimiser goes on working.

    Parameters
    ----------
    model
        Any module; it may be a batch norm itself.
    to
        ``"evenly"``, or ``"torch"``: choose that to hand the model to someone without evenly.
    extras
        What `BatchNorm1d` has and torch's has not, for all layers converted to evenly's:
        ``non_finite="skip"``, for example.

    Returns
    -------
    nn.Module
        The model that was given.

    Raises
    ------
    DataError
        (a ValueError) For a wrong option, before anything is changed.

    Warns
    -----
    UserWarning
        That names batch norms of other people's classes: they are left alone. On the way to
        torch's also those layers that lose extras: they train without them; evaluation is
        the same.

    Examples
    --------
    >>> from torch import nn
    >>> from evenly.torch import convert
    >>> convert(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)), non_finite="skip")[1]
    BatchNorm1d(2, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True,
      non_finite='skip')
    """
    _check(to, extras)
    pairs = TO_EVENLY if to == "evenly" else TO_TORCH
    found = module_class.find_batch_norms(model, pairs, fine=pairs.values())
    if to == "evenly":
        _to_evenly(found, extras)
    else:
        _to_torch(found)
    return model


def _check(to: str, extras: dict[str, Any]) -> None:
    if to not in ("evenly", "torch"):
        raise DataError(f"to must be 'evenly' or 'torch'. Received: {to!r}.")
    if to == "torch" and extras:
        raise DataError(
            f"torch's layers have no extras. Received: {', '.join(extras)}. Leave them out."
        )
    BatchNorm1d(1, **extras)  # says what is wrong with them


def _to_evenly(found: module_class.Named, extras: dict[str, Any]) -> None:
    synchronised = any(isinstance(layer, nn.SyncBatchNorm) for _, layer in found)
    if synchronised and "virtual_batch_size" in extras:
        raise DataError(
            "A synchronised layer takes the statistics of all ranks, not of virtual batches. "
            "Received: virtual_batch_size for a model with SyncBatchNorm. Leave it out."
        )
    choices = {"virtual_batch_size": None, **extras}
    for _, layer in found:
        module_class.set_class(layer, TO_EVENLY[module_class.class_of(layer)])
        layer._set_options(**choices)


def _to_torch(found: module_class.Named) -> None:
    losses = []
    for name, layer in found:
        if lost := _remove_extras(layer):
            losses.append(f"{name or 'the model'} ({', '.join(lost)})")
        module_class.set_class(layer, TO_TORCH[module_class.class_of(layer)])
    if losses:
        warnings.warn(
            f"torch's layers have no extras; in training, these go without: {', '.join(losses)}.",
            stacklevel=3,
        )


def _remove_extras(layer: BatchNorm) -> list[str]:
    """Take from a layer what torch's has not, and return the names of what was in use."""
    layer.after_step()
    running_stats.unregister_step_hook(layer)
    used = [name for name in EXTRAS if getattr(layer, name) != getattr(BatchNorm, name)]
    for name in (*EXTRAS, "_pending"):
        layer.__dict__.pop(name, None)
    if "skipped" in layer._buffers:
        del layer.skipped
    return used
