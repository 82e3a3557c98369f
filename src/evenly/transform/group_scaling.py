"""Each row by the moments of its own group: ``(x - mean[group]) / std[group]``, and back.

The three numbers a column of `Scaling` become three rows of numbers a group. The arithmetic is the
kernel's, in float64, with the numbers looked up row by row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from evenly import _core, exact_stats
from evenly.block import GroupKeys
from evenly.errors import DataError, check_choice, suggest
from evenly.group_keys import Key, format_key, key_type
from evenly.transform.scaling import (
    CONSTANT_POLICIES,
    Floats,
    Scaling,
    fast_scaling,
    scaling,
)

UNKNOWN_POLICIES = ("error", "missing", "total")
RowIndices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class GroupScaling:
    """What normalising by group needs.

    Attributes
    ----------
    by
        The names of the columns of keys; None for keys without a name.
    indices
        Of each key its row in the tables below. After all groups come those of all rows
        together, and of nothing.
    columns, dtypes, inverse, constant
        As of `Scaling`.
    hi, lo, factor, power
        Tables of a row a group and a column a feature, as of `Scaling`; hi is NaN where there is
        no value, and factor NaN where the variance is undefined.
    """

    by: str | tuple[str, ...] | None
    indices: Mapping[Key, int]
    columns: tuple[str, ...] | None
    dtypes: tuple[str, ...]
    inverse: bool
    constant: str
    correction: Any
    hi: Floats
    lo: Floats
    factor: Floats
    power: RowIndices | None

    @cached_property
    def keys(self) -> list[Key]:
        """The keys in the order of the tables."""
        return list(self.indices)

    @property
    def num_features(self) -> int:
        """The number of columns of the tables."""
        return int(self.hi.shape[1])

    def row_indices(self, keys: GroupKeys, unknown: str) -> RowIndices:
        """Return for each row of data its row in the tables.

        Raises
        ------
        DataError
            When a group is unknown, and ``unknown="error"``.
        """
        check_choice("unknown", unknown, UNKNOWN_POLICIES)
        other = len(self.indices) + (unknown == "missing")
        found = np.array([self.indices.get(key, other) for key in keys.uniques], np.int64)
        if unknown == "error":
            self._check_known(keys, found)
        return found[keys.codes]

    def _check_known(self, keys: GroupKeys, found: RowIndices) -> None:
        there = np.bincount(keys.codes, minlength=len(found)) > 0
        strange = [keys.uniques[i] for i in np.flatnonzero(there & (found == len(self.indices)))]
        if not strange:
            return
        texts = [repr(format_key(key)) for key in strange[:5]]
        more = f" and {len(strange) - 5} more" if len(strange) > 5 else ""
        kinds = [key_type(part) for part in self.keys[0]] if self.indices else []
        other = [key_type(part) for part in strange[0]] != kinds and "None" not in kinds
        near = suggest(format_key(strange[0]), map(format_key, self.keys[:1000]))
        why = f" (a {key_type(strange[0][0])}; those known are of kind {kinds[0]})" * bool(
            other and kinds and kinds[0] and key_type(strange[0][0])
        )
        raise DataError(
            f"Every row must be of a group that was fitted. Received: group {', '.join(texts)}"
            f'{more}{why}.{near} Fit rows of it, or pass unknown="missing" for NaN, or '
            'unknown="total" for the statistics of all rows together.'
        )

    def lookup(self, column: int, rows: RowIndices) -> "tuple[Floats, Floats, Floats, Any]":
        """Return hi, lo, factor and power of a column for rows of data."""
        power = None if self.power is None else self.power[rows, column]
        return self.hi[rows, column], self.lo[rows, column], self.factor[rows, column], power

    def check_defined(self, column: int, rows: RowIndices, present: npt.NDArray[np.bool_]) -> None:
        """Check that each value that is there can be scaled.

        Raises
        ------
        DataError
            When its group has no value in this column, or not more than ``correction``, or a
            constant one with ``constant="error"``.
        """
        known = rows <= len(self.indices)  # of the last row of the tables nothing is expected
        undefined = np.isnan(self.factor[:, column])
        if undefined[:-1].any() and (bad := undefined[rows] & present & known).any():
            raise self._refusal(column, rows[bad][0])
        if self.constant != "error":
            return
        if (bad := (self.factor[:, column] == 0)[rows] & present).any():
            raise DataError(
                'With constant="error" no column may be constant in a group. '
                f"{self._named(column, rows[bad][0])} of variance exactly 0. "
                'Leave it out with moments.select(...), or pass constant="zero".'
            )

    def _refusal(self, column: int, row: int) -> DataError:
        if np.isnan(self.hi[row, column]):
            rule, what = "at least one value a column in a group", "every row was missing"
        else:
            rule = f"more values a column in a group than correction={self.correction}"
            what = "the variance is undefined"
        return DataError(
            f"Normalising needs {rule}. {self._named(column, row)} without: {what}. Fit more rows, "
            "leave it out with moments.select(...), or make its values missing."
        )

    def _named(self, column: int, row: int) -> str:
        name = repr(self.columns[column]) if self.columns else str(column)
        group = format_key(self.keys[row]) if row < len(self.indices) else "all rows together"
        return f"Column {name} of group {group!r}"


def group_scaling(
    state: _core.State,
    total: _core.State,
    *,
    indices: Mapping[Key, int],
    constant: str,
    correction: Any,
    inverse: bool,
    **more: Any,
) -> GroupScaling:
    """Return the tables of a state in which each group has as many columns as ``total``."""
    check_choice("constant", constant, CONSTANT_POLICIES)
    exact_stats.as_correction(correction)
    if not total.columns:
        raise DataError("Normalising needs rows to have been fitted. Received: none yet.")
    parts = [
        *(_slice(state, start, inverse, correction) for start in range(0, state.columns, _PIECE)),
        _slice(total, 0, inverse, correction),
    ]
    shape = len(indices) + 1, total.columns
    none = np.full((1, total.columns), np.nan)
    hi, lo, factor = (
        np.vstack([np.concatenate([getattr(part, name) for part in parts]).reshape(shape), none])
        for name in ("hi", "lo", "factor")
    )
    if constant == "center":
        factor[factor == 0] = 1.0
    power = None
    if any(part.power is not None for part in parts):
        zeros = [np.zeros(len(p), np.int64) if p.power is None else p.power for p in parts]
        power = np.concatenate([*zeros, np.zeros(total.columns, np.int64)]).reshape(hi.shape)
    return GroupScaling(
        indices=indices,
        inverse=inverse,
        constant=constant,
        correction=correction,
        hi=hi,
        lo=lo,
        factor=factor,
        power=power,
        **more,
    )


_PIECE = 4096
"""Columns read out together: where one needs Python's integers, its piece is halved again."""
_SMALLEST = 8


def _slice(state: _core.State, start: int, inverse: bool, correction: Any) -> Scaling:
    stop = min(start + _PIECE, state.columns)
    part = state if stop - start == state.columns else state.take(list(range(start, stop)))
    return _fast_or_exact(part, inverse, correction)


def _fast_or_exact(state: _core.State, inverse: bool, correction: Any) -> Scaling:
    """Return a scaling whose undefined numbers are NaN: the quick way, for as much as it can."""
    options: dict[str, Any] = {"inverse": inverse, "correction": correction, "constant": "zero"}
    options |= {"too_few": "constant", "dtypes": ()}
    found = fast_scaling(state, None, **options)
    if found is None and state.columns > _SMALLEST:
        half = state.columns // 2
        return _concat(
            _fast_or_exact(state.take(list(range(half))), inverse, correction),
            _fast_or_exact(state.take(list(range(half, state.columns))), inverse, correction),
        )
    sums = list(zip(state.counts(), state.sums(), state.squares(), strict=True))
    found = found or scaling(None, sums, **options)
    exact = exact_stats.as_correction(correction)
    for index in np.flatnonzero(found.factor == 0):
        count = exact_stats.fraction(sums[index][0])
        if count <= exact or not count:
            found.factor[index] = np.nan
        if not count:
            found.hi[index] = np.nan
    return found


def _concat(a: Scaling, b: Scaling) -> Scaling:
    hi, lo, factor = (
        np.concatenate([getattr(part, name) for part in (a, b)]) for name in ("hi", "lo", "factor")
    )
    power = None
    if a.power is not None or b.power is not None:
        power = np.concatenate(
            [np.zeros(len(p), np.int64) if p.power is None else p.power for p in (a, b)]
        )
    return Scaling(None, hi, lo, factor, a.inverse, power)
