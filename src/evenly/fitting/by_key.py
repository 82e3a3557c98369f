"""Fit several parts of the same data in one pass."""

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from evenly.dispatch import engine_of
from evenly.errors import DataError
from evenly.fitting.run import ProgressCallback, finalize, fit_and_warn
from evenly.moments import Moments, MomentsByKey
from evenly.progress import make_reporter
from evenly.sources import FitOptions
from evenly.sources.batches import BatchSource
from evenly.sources.by_key import are_shared, open_by_key, options_of
from evenly.sources.parts_by_key import key_errors, parse_parts

_SELECT_COLUMNS = "Select columns of the result, moments[key].select(...), which is as exact."
_FIT_EACH = "Fit each key by itself, with select=path."
_ADD_PARTS = "Fit parts of the data, and add their moments with +."
_ADVICE = {
    "columns": _SELECT_COLUMNS,
    "exclude": _SELECT_COLUMNS,
    "by": _FIT_EACH,
    "weights": _FIT_EACH,
    "checkpoint": _ADD_PARTS,
    "update": _ADD_PARTS,
}


def fit_by_key(
    source: object,  # see evenly.fit
    options: FitOptions,
    select: Mapping[Any, Any],
    feature_axis: object,
    *,
    progress: ProgressCallback | None,
    refused: Mapping[str, object],
) -> MomentsByKey:
    """Return the moments of each key.

    Parameters
    ----------
    refused
        The options that cannot be combined with a dict for ``select=``: all must be None.

    Raises
    ------
    DataError
        For an option or a source that cannot be fitted by key, and as `evenly.fit`.
    """
    _check_possible(source, refused)
    parts = parse_parts(select, feature_axis)
    moments: dict[str, Any]  # Moments: there are no groups
    sources: Mapping[str, Any] = open_by_key(source, options, parts)
    if are_shared(sources):
        moments = _fit_shared(sources, options, progress)
    else:
        moments = {}
        for key, part in parts.items():
            with key_errors(key):
                own = options_of(options, part)
                moments[key] = fit_and_warn(sources[key], own, progress=progress)
    axes = {key: part.feature_axis for key, part in parts.items()}
    return MomentsByKey(moments, select=select, feature_axis=axes)


def _check_possible(source: object, refused: Mapping[str, object]) -> None:
    """Check that a source is not distributed, and that no option is given that is refused."""
    for name, value in refused.items():
        if value is not None:
            raise DataError(
                f"A dict for select= cannot be combined with {name}=. "
                f"Received: both. {_ADVICE[name]}"
            )
    if engine_of(source) is not None:
        raise DataError(
            "A dict for select= needs data that this process reads. Received: a distributed "
            f"{type(source).__name__}. Fit each key by itself, and pass the "
            "results to MomentsByKey."
        )


def _fit_shared(
    sources: Mapping[str, BatchSource], options: FitOptions, progress: ProgressCallback | None
) -> dict[str, Moments]:
    """Return the moments of sources with the same items, each of which is read once."""
    moments = {key: Moments.empty(distribution=options.distribution) for key in sources}
    reports = {
        key: (lambda _: None) if progress is None else make_reporter(progress, x.rows, x.nbytes)
        for key, x in sources.items()
    }
    for number, item in enumerate(next(iter(sources.values())).items()):
        for key, source in sources.items():
            with key_errors(key), closing(source.blocks_of(item, number)) as blocks:
                for block in blocks:
                    moments[key].update(block, infinite=options.infinite, threads=options.threads)
                    reports[key](block)
    for key, source in sources.items():
        with key_errors(key):
            source.finish()
            moments[key] = finalize(moments[key], source.left_out, source.description)
    return moments
