"""Tables to normalize each row by the moments of its group.

The result is ``(x - mean[group]) / std[group]``. The three numbers per column of a `Scaling`
become three tables with one row per group. The arithmetic is that of the kernel, in float64, with
the numbers looked up for each row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from evenly.block import GroupKeys
from evenly.errors import DataError, check_choice, suggest
from evenly.group_keys import By, Key, format_key, key_type
from evenly.transform.affine_scaling import equal_quantiles_error
from evenly.transform.methods import Method
from evenly.transform.scaling import Floats, Scaling
from evenly.typing import Real

UNKNOWN_POLICIES = ("error", "missing", "total")
RowIndices = npt.NDArray[np.int64]
"""For each row of data, the row of its group in the tables of a `GroupScaling`."""


@dataclass(frozen=True)
class GroupScaling:
    """The numbers to normalize rows by group, or to denormalize them.

    Attributes
    ----------
    by
        The names of the columns of keys; None for keys without a name.
    indices
        Maps each key to its row in the tables below. Two more rows follow those of the groups:
        the numbers of all groups together, and NaN.
    columns, dtypes, inverse
        As in `Scaling`.
    constant, correction
        As in `evenly.Moments.normalize`.
    method
        The method of normalization, whose limits are those of the result.
    hi, lo, factor, power
        Tables with one row per group and one column per feature, as in `Scaling`; hi is NaN for
        a column without values, and factor is NaN if the spread is undefined.
    """

    by: By
    indices: Mapping[Key, int]
    columns: tuple[str, ...] | None
    dtypes: tuple[str, ...]
    inverse: bool
    constant: str
    correction: Real
    method: Method
    hi: Floats
    lo: Floats
    factor: Floats
    power: RowIndices | None

    @cached_property
    def keys(self) -> list[Key]:
        """The keys in the order of the tables."""
        return list(self.indices)

    @property
    def clip(self) -> tuple[float, float] | None:
        """The smallest and the largest result, as in `Scaling`."""
        return None if self.inverse else self.method.clip

    @property
    def num_features(self) -> int:
        """The number of columns of the tables."""
        return int(self.hi.shape[1])

    def __getitem__(self, columns: slice) -> "GroupScaling":
        """Return the scaling of a slice of the columns."""
        return replace(
            self,
            columns=self.columns and self.columns[columns],
            dtypes=self.dtypes[columns],
            hi=self.hi[:, columns],
            lo=self.lo[:, columns],
            factor=self.factor[:, columns],
            power=None if self.power is None else self.power[:, columns],
        )

    def take(self, indices: Sequence[int]) -> "GroupScaling":
        """Return the scaling of the columns at some indices, in this order."""
        if list(indices) == list(range(self.num_features)):
            return self
        order = np.asarray(indices, np.intp)
        return replace(
            self,
            columns=self.columns and tuple(self.columns[i] for i in indices),
            dtypes=tuple(self.dtypes[i] for i in indices) if self.dtypes else (),
            hi=self.hi[:, order],
            lo=self.lo[:, order],
            factor=self.factor[:, order],
            power=None if self.power is None else self.power[:, order],
        )

    def row_indices(self, keys: GroupKeys, unknown: str) -> RowIndices:
        """Return the row in the tables for each row of data.

        Parameters
        ----------
        keys
            The group keys of the rows of data.
        unknown
            The row for unknown groups: ``"missing"`` is NaN, ``"total"`` is all groups together.

        Raises
        ------
        DataError
            When a group is unknown, and ``unknown="error"``.
        """
        check_choice("unknown", unknown, UNKNOWN_POLICIES)
        default = len(self.indices) + (unknown == "missing")
        indices = np.array([self.indices.get(key, default) for key in keys.uniques], np.int64)
        if unknown == "error":
            self._check_known(keys, indices)
        return indices[keys.codes]

    def _check_known(self, keys: GroupKeys, indices: RowIndices) -> None:
        is_used = np.bincount(keys.codes, minlength=len(indices)) > 0
        is_unknown = is_used & (indices == len(self.indices))
        unknown = [keys.uniques[i] for i in np.flatnonzero(is_unknown)]
        if not unknown:
            return
        texts = [repr(format_key(key)) for key in unknown[:5]]
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        types = [key_type(part) for part in self.keys[0]] if self.indices else []
        differ = [key_type(part) for part in unknown[0]] != types and "None" not in types
        hint = suggest(format_key(unknown[0]), map(format_key, self.keys[:1000]))
        reason = f" (a {key_type(unknown[0][0])}; the fitted keys have type {types[0]})" * bool(
            differ and types and types[0] and key_type(unknown[0][0])
        )
        raise DataError(
            f"The group of every row must have been fitted. Received: group {', '.join(texts)}"
            f'{more}{reason}.{hint} Fit rows of it, or pass unknown="missing" for NaN, or '
            'unknown="total" for the statistics of all rows together.'
        )

    def lookup(
        self, column: int, rows: RowIndices
    ) -> tuple[Floats, Floats, Floats, RowIndices | None]:
        """Return hi, lo, factor and power of a column for rows of data."""
        power = None if self.power is None else self.power[rows, column]
        return self.hi[rows, column], self.lo[rows, column], self.factor[rows, column], power

    @cached_property
    def may_be_undefined(self) -> bool:
        """Whether `check_defined` could raise an error for some rows."""
        return self.constant == "error" or bool(np.isnan(self.factor[:-1]).any())

    def check_defined(self, column: int, rows: RowIndices, present: npt.NDArray[np.bool_]) -> None:
        """Check that all present values of a column can be scaled.

        Raises
        ------
        DataError
            When the group of a value has no more than ``correction`` values in this column, or
            equal values and ``constant="error"``, or equal quantiles that the method divides by.
        """
        known = rows <= len(self.indices)  # the last row of the tables is NaN by design
        undefined = np.isnan(self.factor[:, column])
        if undefined[:-1].any() and (bad := undefined[rows] & present & known).any():
            raise self._undefined_error(column, rows[bad][0])
        if self.constant != "error":
            return
        if (bad := (self.factor[:, column] == 0)[rows] & present).any():
            raise DataError(
                'With constant="error" no column may be constant in a group. Received: a variance '
                f"of exactly 0 in {self._format_cell(column, rows[bad][0])}. "
                'Leave it out with moments.select(...), or pass constant="zero".'
            )

    def _undefined_error(self, column: int, row: int) -> DataError:
        if not np.isnan(self.hi[row, column]) and self.method.name != "standard":
            return equal_quantiles_error(self.method, self._format_cell(column, row))
        if np.isnan(self.hi[row, column]):
            rule, received = "at least one value per column in each group", "no value"
        else:
            rule = f"more values per column in each group than correction={self.correction}"
            received = "too few"
        return DataError(
            f"Normalizing needs {rule}. Received: {received} in {self._format_cell(column, row)}. "
            "Fit more rows, leave the column out with moments.select(...), or make its values "
            "missing."
        )

    def _format_cell(self, column: int, row: int) -> str:
        name = repr(self.columns[column]) if self.columns else str(column)
        group = format_key(self.keys[row]) if row < len(self.indices) else "all rows together"
        return f"column {name} of group {group!r}"


AnyScaling = TypeVar("AnyScaling", Scaling, GroupScaling)
"""A scaling, of all rows or by group, which is passed on as it is."""
