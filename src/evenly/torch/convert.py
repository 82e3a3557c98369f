"""Convert a model's batch norms between torch's and evenly's classes."""

import logging
import warnings
from typing import Literal, Unpack, overload

from torch import nn

from evenly.errors import DataError, check_choice
from evenly.torch import fusion, module_class, running_stats
from evenly.torch.batch_norm import EXTRAS, BatchNorm, BatchNorm1d
from evenly.torch.conversion_report import ConversionReport
from evenly.torch.sync import SyncBatchNorm, virtual_batch_error
from evenly.typing import BatchNormOptions, Package

_log = logging.getLogger("evenly")

TO_EVENLY: module_class.Pairs = {
    **module_class.PAIRS,
    **module_class.LAZY_PAIRS,
    nn.SyncBatchNorm: SyncBatchNorm,
}
TO_TORCH: module_class.Pairs = {new: old for old, new in TO_EVENLY.items()}


@overload
def convert(
    model: nn.Module,
    to: Package = "evenly",
    *,
    report: Literal[False] = False,
    **extras: Unpack[BatchNormOptions],
) -> nn.Module: ...
@overload
def convert(
    model: nn.Module,
    to: Package = "evenly",
    *,
    report: Literal[True],
    **extras: Unpack[BatchNormOptions],
) -> tuple[nn.Module, ConversionReport]: ...
def convert(
    model: nn.Module,
    to: Package = "evenly",
    *,
    report: bool = False,
    **extras: Unpack[BatchNormOptions],
) -> nn.Module | tuple[nn.Module, ConversionReport]:
    """Convert a model's batch norms to evenly's classes, or back, in place.

    Only the class of a layer changes: parameters, buffers, hooks, mode, device, dtype and
    parametrizations stay the same objects, so existing optimizers keep working.

    Parameters
    ----------
    model
        Any module, including a single batch norm.
    to
        ``"evenly"`` or ``"torch"``. Choose ``"torch"`` to use the model without evenly, and
        before tools that recognize torch's classes: quantization and fusion by `torch.fx`.
    report
        Whether to return an `evenly.torch.ConversionReport` too: how many layers were changed, and
        which. Its text is also logged (``logging.getLogger("evenly")``, level INFO).
    extras
        Options of `BatchNorm1d` that torch's layers do not have, such as
        ``non_finite="skip"``, for all layers converted to evenly's classes.

    Returns
    -------
    nn.Module
        The same model; with ``report=True`` a tuple of the model and the report.

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
    evenly.torch.BatchNorm1d(2, eps=1e-05, momentum=0.1, affine=True, bias=True,
      track_running_stats=True, non_finite='skip')
    """
    _check_arguments(to, extras)
    pairs = TO_EVENLY if to == "evenly" else TO_TORCH
    layers, others = module_class.find_batch_norms(model, pairs, allowed=pairs.values())
    module_class.warn_about_others(others)
    lost = {}
    if to == "evenly":
        _to_evenly(layers, extras)
    else:
        lost = {name: options for name, layer in layers if (options := _to_torch(layer))}
        _warn_about_lost_options(lost)
    done = ConversionReport(to, _class_names(layers), _class_names(others), lost)
    _log.info("%s", done)
    return (model, done) if report else model


def _class_names(layers: module_class.NamedLayers) -> dict[str, str]:
    return {name: module_class.original_class(layer).__name__ for name, layer in layers}


def _check_arguments(to: str, extras: BatchNormOptions) -> None:
    check_choice("to", to, ("evenly", "torch"))
    if to == "torch" and extras:
        raise DataError(
            "torch's layers do not have evenly's options. "
            f"Received: {', '.join(extras)}. Omit them."
        )
    BatchNorm1d(1, **extras)  # raises for invalid options


def _to_evenly(layers: module_class.NamedLayers, extras: BatchNormOptions) -> None:
    synchronized = any(isinstance(layer, nn.SyncBatchNorm) for _, layer in layers)
    if synchronized and "virtual_batch_size" in extras:
        raise virtual_batch_error(
            "virtual_batch_size for a model with SyncBatchNorm", advice="Omit it."
        )
    options = {"virtual_batch_size": None, **extras}
    for _, layer in layers:
        module_class.set_class(layer, TO_EVENLY[module_class.original_class(layer)])
        layer._set_options(**options)


def _to_torch(layer: BatchNorm) -> list[str]:
    """Convert a layer; return the names of evenly's options that it had."""
    lost = _remove_extras(layer)
    module_class.set_class(layer, TO_TORCH[module_class.original_class(layer)])
    return lost


def _warn_about_lost_options(lost: dict[str, list[str]]) -> None:
    layers = [f"{name or 'the model'} ({', '.join(options)})" for name, options in lost.items()]
    if layers:
        warnings.warn(
            "torch's layers do not have evenly's options; these layers lose theirs in training: "
            f"{', '.join(layers)}.",
            stacklevel=3,
        )


def _remove_extras(layer: BatchNorm) -> list[str]:
    """Remove evenly's attributes; return the names of those with changed values."""
    layer.after_step()
    running_stats.unregister_step_hook(layer)
    changed = list(layer._changed_options())
    for name in (*EXTRAS, "_pending"):
        layer.__dict__.pop(name, None)
    if "skipped" in layer._buffers:
        del layer.skipped
    return changed


def _convert_before_fusing(is_trained: bool, layer: nn.Module) -> nn.Module:
    """Convert one of evenly's layers before it is fused with others."""
    if isinstance(layer, BatchNorm):
        lost = _to_torch(layer)
        if is_trained and lost:
            _warn_about_lost_options({type(layer).__name__: lost})
    return layer


fusion.allow_fusing(TO_TORCH, _convert_before_fusing)
