"""Statistics in the layouts of LeRobot and openpi, which train policies of robots.

``docs/guides/robotics.md`` describes the layouts.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.errors import (
    ColumnError,
    DataError,
    SourceError,
    format_names,
    system_message,
)
from evenly.moments import Moments, MomentsByKey
from evenly.sources.images.bands import COLORS, FULL_SCALE, GRAY
from evenly.system.paths import path_text
from evenly.typing import JsonObject, Path
from evenly.unit_scale import unit_scale

Floats = npt.NDArray[np.float64]

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}


@dataclass(frozen=True, slots=True)
class FeatureStats:
    """The statistics of a feature of LeRobot or openpi, as arrays of one dimension.

    They are rounded and have no sums, so they cannot be added. What a file lacks is None.

    Attributes
    ----------
    mean, std, min, max
        One number per column; for images on the scale from 0 to 1.
    count
        The number of rows.
    quantiles
        Those of ``"q01"`` to ``"q99"`` that the file has.
    """

    mean: Floats
    std: Floats
    min: Floats | None
    max: Floats | None
    count: int | None
    quantiles: dict[str, Floats]


def lerobot_stats(
    moments: MomentsByKey, *, images: Collection[str] | None = None
) -> dict[str, JsonObject]:
    """Return the content of LeRobot's ``meta/stats.json``, for data sets of versions 2.1 and 3.0.

    Each feature has ``min``, ``max``, ``mean``, ``std`` and ``count``, and with a distribution
    ``q01``, ``q10``, ``q50``, ``q90`` and ``q99``, which LeRobot has had since version 3.0. The
    name of a feature is the path of its key, joined by dots; LeRobot allows no ``/`` in it.

    Parameters
    ----------
    moments
        The statistics, from `evenly.fit` with a dict for ``select=``.
    images
        The keys of images, whose numbers have the shape (channels, 1, 1); integers are divided by
        the value of white. None: those with "image" in their feature, as LeRobot itself decides,
        and those with columns red, green and blue.

    Raises
    ------
    DataError
        If a column has no values, two keys have the same feature, or white is unknown.
    ColumnError
        If ``images`` has an unknown key.

    Notes
    -----
    ``count`` is the number of rows; for images, of pixels. LeRobot uses it as a weight when it
    merges data sets.

    Examples
    --------
    >>> import evenly
    >>> from evenly.robotics import lerobot_stats
    >>> moments = evenly.fit([{"action": [[1.0], [3.0]]}], select={"action": "action"})
    >>> lerobot_stats(moments)
    {'action': {'min': [1.0], 'max': [3.0], 'mean': [2.0], 'std': [1.0], 'count': [2]}}
    """
    _check_by_key(moments)
    if images is not None and (unknown := sorted(set(images) - moments.keys())):
        raise ColumnError(
            f"images= must be keys of the moments. Received: {format_names(unknown)}; the keys are "
            f"{format_names(moments)}."
        )
    result: dict[str, JsonObject] = {}
    for key, path in moments.paths.items():
        name = ".".join(map(str, path)).replace("/", ".") or key
        if name in result:
            raise DataError(
                f"Each feature needs one key. Received: two keys of the feature {name!r}. "
                "Choose keys with moments.select([...])."
            )
        is_image = _is_image(name, moments[key]) if images is None else key in images
        result[name] = _feature(key, moments[key], is_image)
    return result


def openpi_norm_stats(moments: MomentsByKey) -> dict[str, dict[str, JsonObject]]:
    """Return the content of openpi's ``norm_stats.json``: ``mean``, ``std``, ``q01`` and ``q99``.

    The names are the keys of the moments: openpi's are ``"state"`` and ``"actions"``. Without a
    distribution the quantiles are None, which openpi accepts for normalization by mean and std.

    Raises
    ------
    DataError
        If a column has no values.
    """
    _check_by_key(moments)
    result = {}
    for key, values in moments.items():
        stats = _statistics(key, values)
        names = ("mean", "std", "q01", "q99")
        result[key] = {name: stats[name].tolist() if name in stats else None for name in names}
    return {"norm_stats": result}


def read_stats(source: Path | Mapping[str, Any]) -> dict[str, FeatureStats]:
    """Read ``stats.json`` of LeRobot or ``norm_stats.json`` of openpi.

    The result is not an `evenly.Moments`: exact sums cannot be recovered from rounded statistics.
    Fit the data itself to add statistics.

    Parameters
    ----------
    source
        The path of a file, or its content as a dict.

    Raises
    ------
    SourceError
        If the file cannot be read.
    DataError
        If it has another layout.
    UnsupportedTypeError
        If it is neither a path nor a dict.

    Examples
    --------
    >>> from evenly.robotics import read_stats
    >>> stats = read_stats({"action": {"mean": [2.0], "std": [1.0], "count": [2]}})
    >>> stats["action"].mean, stats["action"].count
    (array([2.]), 2)
    """
    content = source if isinstance(source, Mapping) else _read_json(source)
    if not isinstance(content, Mapping):
        raise _layout_error("no object")
    features = content.get("norm_stats", content)
    if not isinstance(features, Mapping):
        raise _layout_error("no object of features")
    return {str(name): _read_feature(str(name), feature) for name, feature in features.items()}


def _feature(key: str, moments: Moments, is_image: bool) -> JsonObject:
    """Return the entries of a feature in LeRobot's layout."""
    stats = _statistics(key, moments)
    if is_image:
        stats = _on_unit_scale(moments, stats)
        stats = {name: values.reshape(-1, 1, 1) for name, values in stats.items()}
    entries: JsonObject = {name: values.tolist() for name, values in stats.items()}
    entries["count"] = [moments.rows]
    order = ("min", "max", "mean", "std", "count", *QUANTILES)
    return {name: entries[name] for name in order if name in entries}


def _statistics(key: str, moments: Moments) -> dict[str, Floats]:
    if not moments.count.all() or not moments.num_features:
        raise DataError(
            "Every column needs a value. Received: "
            f"{key!r}, with a column without values. Select other columns, or omit the key."
        )
    stats = {
        "min": moments.min.astype(np.float64),
        "max": moments.max.astype(np.float64),
        "mean": moments.mean,
        "std": moments.std(),
    }
    if moments.distribution:
        stats |= dict(zip(QUANTILES, moments.quantile(list(QUANTILES.values())), strict=True))
    return stats


def _is_image(feature: str, moments: Moments) -> bool:
    return "image" in feature or moments.columns in (COLORS, GRAY)


def _on_unit_scale(moments: Moments, stats: dict[str, Floats]) -> dict[str, Floats]:
    """Return the statistics of pixels with white as 1; those of floats are unchanged."""
    if all(dtype.startswith("float") for dtype in moments.dtypes):
        return stats
    mean, std = unit_scale(moments)
    white = FULL_SCALE[moments.dtypes[0]]
    scaled = {name: values / white for name, values in stats.items()}
    return scaled | {"mean": np.array(mean), "std": np.array(std)}


def _check_by_key(moments: object) -> None:
    if not isinstance(moments, MomentsByKey):
        raise DataError(
            "The layouts of LeRobot and openpi need statistics by key. "
            f"Received: {type(moments).__name__}. Fit with a dict for select=, for example "
            'select={"action": "action"}.'
        )


def _read_json(path: Path) -> Any:
    text = path_text(path, "Pass its path, or json.load(file).")
    try:
        with open(text, encoding="utf-8") as file:
            return json.load(file)
    except OSError as error:
        message = f"Cannot read {text!r}: {system_message(error)}. Check the path."
        raise SourceError(message) from None
    except (ValueError, RecursionError) as error:
        raise _layout_error(f"{text!r}, which is not JSON ({error})") from None


def _read_feature(name: str, feature: object) -> FeatureStats:
    if not isinstance(feature, Mapping) or not {"mean", "std"} <= feature.keys():
        raise _layout_error(f"{name!r} without mean and std")
    arrays = {
        key: _array(name, feature[key])
        for key in ("mean", "std", "min", "max", "count", *QUANTILES)
        if feature.get(key) is not None
    }
    count = arrays.pop("count", None)
    counts = 1 if count is None else count.size
    if counts != 1 or len({array.shape for array in arrays.values()}) != 1:
        raise _layout_error(f"{name!r}, whose statistics have different lengths")
    return FeatureStats(
        arrays["mean"],
        arrays["std"],
        arrays.get("min"),
        arrays.get("max"),
        None if count is None else int(count[0]),
        {key: arrays[key] for key in QUANTILES if key in arrays},
    )


def _array(name: str, values: object) -> Floats:
    try:
        array = np.asarray(values, np.float64).ravel()
    except (TypeError, ValueError, OverflowError):
        raise _layout_error(f"{name!r}, whose statistics are not numbers") from None
    if not np.isfinite(array).all():
        raise _layout_error(f"{name!r}, whose statistics are not finite")
    return array


def _layout_error(received: str) -> DataError:
    return DataError(
        "stats.json of LeRobot and norm_stats.json of openpi have the arrays mean and std of each "
        f"feature. Received: {received}. Check that it is such a file."
    )
