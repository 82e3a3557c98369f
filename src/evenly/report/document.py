"""Moments as a plain document: what ``evenly show --json`` prints for other programs."""

import math
from typing import Any

from evenly.moments import Moments
from evenly.report.table import remarks


def document(moments: Moments) -> dict[str, Any]:
    """Return the read-outs of moments as values that JSON has.

    What is no finite number becomes None. The mean, the std and the variance (with
    ``correction=0``) are correctly rounded, and printed so that reading them gives the
    same float64 again.

    >>> import numpy as np
    >>> moments = Moments.empty(["x"]).update(np.array([[1.0], [3.0]]))
    >>> document(moments)["columns"][0]["mean"]
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


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
