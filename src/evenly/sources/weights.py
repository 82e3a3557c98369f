"""Weights given as an array: one a row, handed out as the blocks go by."""

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.block import Block
from evenly.errors import DataError, UnsupportedTypeError
from evenly.sources.source import Source

Weights = npt.NDArray[np.float64]


class WeightedSource:
    """A source whose rows get weights from an array.

    Raises
    ------
    DataError
        When there are more or fewer weights than rows, which may show only at the end;
        or when one is negative or not finite.
    """

    def __init__(self, source: Source, weights: Any) -> None:
        self._source = source
        self._weights = as_weights(weights)
        if source.rows is not None:
            self._check_number(source.rows)

    @property
    def names(self) -> tuple[str, ...] | None:
        """The columns' names."""
        return self._source.names

    @property
    def rows(self) -> int | None:
        """One weight, one row."""
        return len(self._weights)

    @property
    def nbytes(self) -> int | None:
        """The bytes in all."""
        return self._source.nbytes

    @property
    def description(self) -> str:
        """What it is, in words."""
        return self._source.description

    @property
    def left_out(self) -> dict[str, str]:
        """The columns that are not fitted, and why."""
        return self._source.left_out

    def blocks(self) -> Generator[Block]:
        """Yield the blocks with their weights."""
        start = 0
        for block in self._source.blocks():
            part = self._weights[start : start + block.rows]
            start += block.rows
            if len(part) < block.rows:
                self._check_number(start, at_least=True)
            yield replace(block, weights=part)
        self._check_number(start)

    def _check_number(self, rows: int, at_least: bool = False) -> None:
        if rows != len(self._weights):
            raise DataError(
                "weights must have one number a row. "
                f"Received: {len(self._weights)} weights for {'at least ' * at_least}{rows} rows "
                f"of {self.description}."
            )


def as_weights(weights: Any) -> Weights:
    """Return weights as a float64 array, checked."""
    if hasattr(weights, "detach"):  # a tensor that requires grad turns into no array
        weights = weights.detach().cpu()
    array = np.asarray(weights)
    if array.dtype.kind not in "fiub" or array.ndim != 1:
        raise UnsupportedTypeError(
            "weights must be numbers in one dimension, or the name of a column. "
            f"Received: {type(weights).__name__} of dtype {array.dtype}, shape {array.shape}."
        )
    result = np.ascontiguousarray(array, np.float64)
    check_weights(result, 0, "weights=")
    return result


def check_weights(weights: Weights, first_row: int, place: str) -> None:
    """Check that all weights are finite, and 0 or more.

    Raises
    ------
    DataError
        It names the row, counted from ``first_row``, and the place.
    """
    good = np.isfinite(weights) & (weights >= 0)
    if not good.all():
        row = int(np.argmin(good))
        raise DataError(
            "Weights must be finite, and 0 or more. "
            f"Received: {weights[row]} in row {first_row + row} of {place}. "
            "A weight of 0 leaves a row out."
        )
