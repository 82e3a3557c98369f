"""Remarks in plain words on what needs attention in a column."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

from evenly.html_report.numbers import count_text, number, share_text
from evenly.html_report.summary import ColumnSummary, Distribution

Level = Literal["problem", "warning", "note"]
LEVELS: dict[Level, int] = {"problem": 3, "warning": 2, "note": 1}
"""How much attention a remark asks for."""

MANY_MISSING = 0.2
"""The share of missing values above which there is a remark."""
ONE_VALUE = 0.99
"""The share of one value above which there is a remark."""
FEW_VALUES = 12
"""Integers with at most this many distinct values may be codes."""
HEAVY_TAILS = 10.0
"""Ratio of the range of 99.8 % to that of 50 % above which tails are heavy; 4.6 if normal, 18 for
Student's t with two degrees of freedom."""
FAR_VALUE = 30.0
"""The distance of an extreme from the mean above which there is a remark, in std."""
COARSE_FLOAT32 = 1e-3
"""The spacing of float32 numbers above which there is a remark, in standard deviations."""
_EXACT_INTEGERS = 2.0**53
_LARGEST_FLOAT32, _SMALLEST_FLOAT32 = (2 - 2.0**-23) * 2.0**127, 2.0**-149
_SHOWN_VALUES = 3


class Remark(NamedTuple):
    """A remark, and how much attention it asks for."""

    level: Level
    text: str


def remarks(column: ColumnSummary) -> list[Remark]:
    """Return the remarks on a column, those that ask for most attention first."""
    if not column.count:
        rows = column.missing > 0
        return [Remark("problem", "all values are missing" if rows else "no rows")]
    found = [remark for check in _CHECKS for remark in check(column)]
    return sorted(found, key=lambda remark: -LEVELS[remark.level])


def attention(found: Sequence[Remark]) -> int:
    """Return how much attention a column with these remarks needs, from 0 to 3."""
    return max((LEVELS[remark.level] for remark in found), default=0)


def _constants(column: ColumnSummary) -> Iterator[Remark]:
    if column.count == 1:
        yield Remark("warning", "one value only")
    elif column.constant:
        yield Remark("warning", f"constant: every value is {number(column.min, column.dtype)}")
    elif column.nearly_constant:
        yield Remark("problem", "nearly constant: values differ in their last digits only")


def _frequent_value(column: ColumnSummary) -> Iterator[Remark]:
    values = column.distribution.values if column.distribution else None
    if not values or column.constant:
        return
    value, count = max(values, key=lambda pair: pair[1])
    if len(values) > 2 and count / column.count >= ONE_VALUE:
        text = f"nearly constant: {share_text(count / column.count)} of the values are "
        yield Remark("warning", text + number(value, column.dtype))


def _few_values(column: ColumnSummary) -> Iterator[Remark]:
    values = column.distribution.values if column.distribution else None
    if not values or column.constant or len(values) > FEW_VALUES:
        return
    text = f"{len(values)} distinct values"
    if len(values) <= _SHOWN_VALUES:
        parts = (
            f"{number(value, column.dtype)} ({share_text(count / column.count)})"
            for value, count in values
        )
        text += f": {', '.join(parts)}"
    if len(values) == 2:
        yield Remark("note", text)
    else:
        yield Remark("warning", f"{text}; if they are codes, do not normalize them")


def _missing(column: ColumnSummary) -> Iterator[Remark]:
    share = column.missing_share
    if share > MANY_MISSING:
        level: Level = "problem" if share > 0.5 else "warning"
        yield Remark(level, f"{share_text(share)} of the values are missing")


def _tails(column: ColumnSummary) -> Iterator[Remark]:
    distribution = column.distribution
    ratio = _tail_ratio(distribution) if distribution else 0.0
    is_discrete = distribution is not None and distribution.values is not None
    if ratio > HEAVY_TAILS and not (is_discrete and _is_short(distribution)):
        yield Remark(
            "warning",
            'heavy tails: mean and std say little about most values; consider method="robust"',
        )
    far = max(column.max - column.mean, column.mean - column.min) / (column.std or math.inf)
    if FAR_VALUE < far < math.inf:
        extreme = max((column.min, column.max), key=lambda x: abs(x - column.mean))
        where = f"{number(extreme, column.dtype)} is {count_text(round(far))} std from the mean"
        yield Remark("warning", f"extreme value: {where}")


def _tail_ratio(distribution: Distribution) -> float:
    """Return the range of 99.8 % of the values, over that of the middle half.

    It is a measure of the tails, like the kurtosis, but does not depend on single values.
    """
    low, high = distribution.tails
    _, first, _, third, _ = distribution.quantiles
    return (high - low) / (third - first) if third > first else 0.0


def _is_short(distribution: Distribution | None) -> bool:
    values = distribution.values if distribution else None
    return values is not None and len(values) <= FEW_VALUES


def _offset(column: ColumnSummary) -> Iterator[Remark]:
    largest = max(abs(column.min), abs(column.max))
    if not column.std or not math.isfinite(largest) or not largest:
        return
    if largest > _LARGEST_FLOAT32:
        yield Remark("warning", "values beyond the range of float32")
        return
    spacing = max(2.0 ** (math.floor(math.log2(largest)) - 23), _SMALLEST_FLOAT32)
    kind = "large offset" if largest >= 2.0**-126 else "tiny values"
    steps = column.std / spacing
    if steps < 1 / COARSE_FLOAT32 and not _is_small_integer(column, largest):
        yield Remark(
            "problem" if steps < 10 else "warning",
            f"{kind}: float32 has {_steps_text(steps)} per std here; normalize before converting "
            "to float32",
        )


def _steps_text(steps: float) -> str:
    return "less than 1 step" if steps < 1 else f"only {number(float(f'{steps:.2g}'))} steps"


def _is_small_integer(column: ColumnSummary, largest: float) -> bool:
    """Return whether all values are integers that float32 can hold."""
    return column.is_integer and largest <= 2.0**24


def _large_integers(column: ColumnSummary) -> Iterator[Remark]:
    if column.is_integer and max(abs(column.min), abs(column.max)) > _EXACT_INTEGERS:
        yield Remark("warning", "integers beyond 2^53, which float64 cannot hold: identifiers?")


def _duplicate(column: ColumnSummary) -> Iterator[Remark]:
    if column.duplicate_of and not column.constant:
        yield Remark("warning", f"the same distribution as {column.duplicate_of}")


_CHECKS: tuple[Callable[[ColumnSummary], Iterator[Remark]], ...] = (
    _constants,
    _frequent_value,
    _missing,
    _offset,
    _large_integers,
    _tails,
    _few_values,
    _duplicate,
)
