"""Convert a model's batch norms between torch's and evenly's classes."""

import warnings
from typing import Any

from torch import nn

from evenly.errors import DataError, check_choice
from evenly.torch import module_class, running_stats
from evenly.torch.batch_norm import EXTRAS, BatchNorm, BatchNorm1d
from evenly.torch.sync import SyncBatchNorm, virtual_batch_error

TO_EVENLY: module_class.Pairs = {
    **module_class.PAIRS,
    **module_class.LAZY_PAIRS,
    nn.SyncBatchNorm: SyncBatchNorm,
}
TO_TORCH: module_class.Pairs = {new: old for old, new in TO_EVENLY.items()}


def convert(model: nn.Module, to: str = "evenly", **extras: Any) -> nn.Module:
    """Convert a model's batch norms to evenly's classes, or back, in place.

    Only the class of a layer changes: parameters, buffers, hooks, mode, device, dtype and
    parametrizations stay the same objects, so existing optimizers keep working.

    Parameters
    ----------
    model
        Any module, including a single batch norm.
    to
        ``"evenly"`` or ``"torch"``. Choose ``"torch"`` to use the model without evenly.
    extras
        Options of `BatchNorm1d` that torch's layers do not have, such as
        ``non_finite="skip"``, for all layers converted to evenly's classes.

    Returns
    -------
    nn.Module
        The same model.

    Raises
    ------
    DataError
        (a ValueError) For an invalid option, before anything is changed.

    Warns
    -----
    UserWarning
        For batch norms of other classes, which are not converted. With ``to="torch"``, also
        for layers that lose options: they train without them; evaluation does not change.

    Examples
    --------
    >>> from torch import nn
    >>> from evenly.torch import convert
    >>> convert(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)), non_finite="skip")[1]
    BatchNorm1d(2, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True,
      non_finite='skip')
    """
    _check_arguments(to, extras)
    pairs = TO_EVENLY if to == "evenly" else TO_TORCH
    layers = module_class.find_batch_norms(model, pairs, allowed=pairs.values())
    if to == "evenly":
        _to_evenly(layers, extras)
    else:
        _to_torch(layers)
    return model


def _check_arguments(to: str, extras: dict[str, Any]) -> None:
    check_choice("to", to, ("evenly", "torch"))
    if to == "torch" and extras:
        raise DataError(
            "torch's layers do not have evenly's options. "
            f"Received: {', '.join(extras)}. Omit them."
        )
    BatchNorm1d(1, **extras)  # raises for invalid options


def _to_evenly(layers: module_class.NamedLayers, extras: dict[str, Any]) -> None:
    synchronized = any(isinstance(layer, nn.SyncBatchNorm) for _, layer in layers)
    if synchronized and "virtual_batch_size" in extras:
        raise virtual_batch_error(
            "virtual_batch_size for a model with SyncBatchNorm", advice="Omit it."
        )
    options = {"virtual_batch_size": None, **extras}
    for _, layer in layers:
        module_class.set_class(layer, TO_EVENLY[module_class.original_class(layer)])
        layer._set_options(**options)


def _to_torch(layers: module_class.NamedLayers) -> None:
    removed = []
    for name, layer in layers:
        if options := _remove_extras(layer):
            removed.append(f"{name or 'the model'} ({', '.join(options)})")
        module_class.set_class(layer, TO_TORCH[module_class.original_class(layer)])
    if removed:
        warnings.warn(
            "torch's layers do not have evenly's options; these layers lose theirs in training: "
            f"{', '.join(removed)}.",
            stacklevel=3,
        )


def _remove_extras(layer: BatchNorm) -> list[str]:
    """Remove evenly's attributes; return the names of those with changed values."""
    layer.after_step()
    running_stats.unregister_step_hook(layer)
    changed = [name for name in EXTRAS if getattr(layer, name) != getattr(BatchNorm, name)]
    for name in (*EXTRAS, "_pending"):
        layer.__dict__.pop(name, None)
    if "skipped" in layer._buffers:
        del layer.skipped
    return changed
