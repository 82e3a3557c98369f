"""Moments as a JSON-compatible dict, printed by ``evenly show --json``."""

import math
from datetime import date
from typing import Any

from evenly.moments import GroupedMoments, Moments, MomentsByKey
from evenly.report.table import remarks
from evenly.typing import JsonObject


def as_document(moments: Moments | GroupedMoments | MomentsByKey) -> JsonObject:
    """Return any moments as JSON-compatible values."""
    if isinstance(moments, MomentsByKey):
        paths = moments.paths
        return {
            "keys": {key: {"path": list(paths[key]), **to_dict(m)} for key, m in moments.items()}
        }
    return to_dict(moments) if isinstance(moments, Moments) else group_to_dict(moments)


def to_dict(moments: Moments) -> JsonObject:
    """Return the statistics of moments as JSON-compatible values.

    Values that are not finite become None. The mean, the standard deviation and the variance
    (with ``correction=0``) are correctly rounded, and their decimals read back as the same
    float64.

    >>> import numpy as np
    >>> moments = Moments.empty(["x"]).update(np.array([[1.0], [3.0]]))
    >>> to_dict(moments)["columns"][0]["mean"]
    2.0
    """
    names = moments.columns or range(moments.num_features)
    statistics = {
        "count": moments.count,
        "missing": moments.missing,
        "mean": moments.mean,
        "std": moments.std(),
        "variance": moments.variance(),
        "min": moments.min,
        "max": moments.max,
    }
    lists = {key: list(map(_finite_or_none, values.tolist())) for key, values in statistics.items()}
    return {
        "rows": moments.rows,
        "sources": list(moments.sources),
        "extremes_are_bounds": moments.extremes_are_bounds,
        "left_out": moments.left_out,
        "columns": [
            {
                "name": name,
                "dtype": dtype,
                **dict(zip(lists, values, strict=True)),
                "remark": remark,
            }
            for name, dtype, remark, *values in zip(
                names, moments.dtypes, remarks(moments), *lists.values(), strict=True
            )
        ],
    }


def group_to_dict(moments: GroupedMoments) -> JsonObject:
    """Return the statistics of each group, with dates and timestamps as ISO 8601.

    >>> import evenly
    >>> import numpy as np
    >>> moments = evenly.fit([[1.0], [3.0]], by=np.array(["a", "b"]))
    >>> [group["key"] for group in group_to_dict(moments)["groups"]]
    ['a', 'b']
    """
    groups = []
    for key, group in moments.items():
        entry = {"key": _json_key(key), **to_dict(group)}
        del entry["sources"], entry["extremes_are_bounds"], entry["left_out"]
        groups.append(entry)
    return {
        "by": moments.by,
        "rows": moments.rows,
        "sources": list(moments.sources),
        "extremes_are_bounds": moments.extremes_are_bounds,
        "left_out": moments.left_out,
        "groups": groups,
    }


def _json_key(key: object) -> Any:
    if isinstance(key, tuple):
        return list(map(_json_key, key))
    return key.isoformat() if isinstance(key, date) else key


def _finite_or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
