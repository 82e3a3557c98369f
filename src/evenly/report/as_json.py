"""Moments as a plain document: what ``evenly show --json`` prints for other programs."""

import math
from datetime import date
from typing import Any

from evenly.moments import GroupedMoments, Moments
from evenly.report.table import remarks


def to_dict(moments: Moments) -> dict[str, Any]:
    """Return the read-outs of moments as values that JSON has.

    What is no finite number becomes None. The mean, the std and the variance (with
    ``correction=0``) are correctly rounded, and printed so that reading them gives the
    same float64 again.

    >>> import numpy as np
    >>> moments = Moments.empty(["x"]).update(np.array([[1.0], [3.0]]))
    >>> to_dict(moments)["columns"][0]["mean"]
    2.0
    """
    names = moments.columns or range(moments.num_features)
    readings = {
        "count": moments.count,
        "missing": moments.missing,
        "mean": moments.mean,
        "std": moments.std(),
        "variance": moments.variance(),
        "min": moments.min,
        "max": moments.max,
    }
    lists = {key: list(map(_plain, values.tolist())) for key, values in readings.items()}
    return {
        "rows": moments.rows,
        "sources": list(moments.sources),
        "extremes_are_bounds": moments.extremes_are_bounds,
        "columns": [
            {"name": name, "dtype": dtype, **dict(zip(lists, values, strict=True)), "remark": said}
            for name, dtype, said, *values in zip(
                names, moments.dtypes, remarks(moments), *lists.values(), strict=True
            )
        ],
    }


def group_to_dict(moments: GroupedMoments) -> dict[str, Any]:
    """Return the read-outs of each group; dates and timestamps of keys as ISO 8601.

    >>> import evenly
    >>> import numpy as np
    >>> moments = evenly.fit([[1.0], [3.0]], by=np.array(["a", "b"]))
    >>> [group["key"] for group in group_to_dict(moments)["groups"]]
    ['a', 'b']
    """
    groups = []
    for key, own in moments.items():
        entry = {"key": _key(key), **to_dict(own)}
        del entry["sources"], entry["extremes_are_bounds"]
        groups.append(entry)
    return {
        "by": moments.by,
        "rows": moments.rows,
        "sources": list(moments.sources),
        "extremes_are_bounds": moments.extremes_are_bounds,
        "groups": groups,
    }


def _key(key: Any) -> Any:
    if isinstance(key, tuple):
        return list(map(_key, key))
    return key.isoformat() if isinstance(key, date) else key


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
