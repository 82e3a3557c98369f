"""A comparison as a JSON-compatible dict, printed by ``evenly diff --json``."""

import math
from fractions import Fraction

from evenly.drift.column import ColumnDrift
from evenly.drift.facts import ColumnFacts
from evenly.drift.intervals import Interval
from evenly.drift.shape import Shape
from evenly.drift.text import Compared


def comparison_to_dict(comparison: Compared) -> dict[str, object]:
    """Return a comparison as JSON-compatible values, with all digits.

    Infinite and undefined values become None.
    """
    return {
        "limit": comparison.limit,
        "confidence": comparison.confidence,
        "rows": {"before": comparison.rows[0], "after": comparison.rows[1]},
        "earlier": comparison.earlier,
        "over": len(comparison.over),
        "columns": [_column(column) for column in comparison.columns],
    }


def _column(column: ColumnDrift) -> dict[str, object]:
    group = {} if column.group is None else {"group": column.group}
    return {
        **group,
        "name": column.name,
        "change": column.change or None,
        "over": list(column.over),
        "limits": {name: _finite(value) for name, value in column.limits},
        "ranks": dict(column.ranks),
        "shift": _interval(column.shift),
        "std_ratio": _interval(column.std_ratio),
        "missing_difference": _interval(column.missing),
        **_shape(column.shape),
        "before": _facts(column.before),
        "after": _facts(column.after),
    }


def _shape(shape: Shape | None) -> dict[str, object]:
    if shape is None:
        return {"ks": None, "wasserstein": None, "psi": None}
    bounds = dict(zip(("sample_low", "sample_high"), shape.ks_bounds, strict=True))
    return {
        "ks": {**(_interval(shape.ks) or {}), **bounds},
        "wasserstein": _interval(shape.wasserstein),
        "psi": _finite(shape.psi),
    }


def _facts(facts: ColumnFacts | None) -> dict[str, object] | None:
    if facts is None:
        return None
    return {
        "dtype": facts.dtype,
        "count": _number(facts.count),
        "missing": _number(facts.missing),
        "missing_share": facts.missing_share,
        "mean": None if facts.mean is None else _finite(float(facts.mean)),
        "std": None if facts.std is None else _finite(facts.std),
        "min": facts.min,
        "max": facts.max,
    }


def _number(value: Fraction) -> int | float:
    return int(value) if value == int(value) else float(value)


def _interval(interval: Interval | None) -> dict[str, float | None] | None:
    if interval is None:
        return None
    return {name: _finite(value) for name, value in interval._asdict().items()}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
