"""Weights given as an array: one a row, handed out as the blocks go by."""

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.block import Block
from evenly.errors import DataError, UnsupportedTypeError
from evenly.sources.source import Source
from evenly.sources.wrapped import AlignedSource

Weights = npt.NDArray[np.float64]


class WeightedSource(AlignedSource):
    """A source whose rows get weights from an array.

    Raises
    ------
    DataError
        When there are more or fewer weights than rows, which may show only at the end;
        or when one is negative or not finite.
    """

    def __init__(self, source: Source, weights: Any) -> None:
        checked = as_weights(weights)
        super().__init__(source, checked, rule="weights must have one number", noun="weights")
        if source.rows is not None:
            self.check_number(source.rows)
        self.rows = len(checked)

    def blocks(self) -> Generator[Block]:
        """Yield the blocks with their weights."""
        for block, weights in self.zip_blocks(lambda block: block.rows):
            yield replace(block, weights=weights)


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


def check_weights(weights: Weights, first_row: int, label: str) -> None:
    """Check that all weights are finite, and 0 or more.

    Raises
    ------
    DataError
        It names the row, counted from ``first_row``, and the label.
    """
    good = np.isfinite(weights) & (weights >= 0)
    if not good.all():
        row = int(np.argmin(good))
        raise DataError(
            "Weights must be finite, and 0 or more. "
            f"Received: {weights[row]} in row {first_row + row} of {label}. "
            "A weight of 0 leaves a row out."
        )
