"""Weights with one value per row."""

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.block import Block, Column, validity_to_mask
from evenly.dispatch import stored_library
from evenly.errors import DataError, UnsupportedTypeError
from evenly.sources.native_arrays import as_array
from evenly.sources.source import Source
from evenly.sources.wrapped import AlignedSource
from evenly.typing import AnyArray

Weights = npt.NDArray[np.float64]


class WeightedSource(AlignedSource):
    """A source whose rows have weights.

    Parameters
    ----------
    weights
        A sequence of valid weights that can be sliced; see `weights_of_rows`.

    Raises
    ------
    DataError
        If the numbers of weights and rows differ, which may be known only at the end.
    """

    def __init__(self, source: Source, weights: Any) -> None:
        super().__init__(source, weights, rule="weights must have one number", noun="weights")
        if source.rows is not None:
            self.check_number(source.rows)
        self.rows = len(weights)

    def blocks(self) -> Generator[Block]:
        """Yield the blocks with their weights."""
        for block, weights in self.zip_blocks(lambda block: block.rows):
            yield replace(block, weights=weights)


def as_weights(weights: object) -> Weights:
    """Return validated weights of rows as a one-dimensional float64 array."""
    result = as_floats(weights)
    if result.ndim != 1:
        raise _not_numeric_error(weights, result)
    check_weights(result, 0, "weights=")
    return result


def as_floats(weights: object) -> Weights:
    """Return weights as a float64 array of any number of dimensions.

    Raises
    ------
    UnsupportedTypeError
        If they are not numbers.
    """
    if hasattr(weights, "detach"):  # NumPy cannot convert a tensor that requires grad
        weights = weights.detach().cpu()
    array = np.asanyarray(as_array(weights) if stored_library(weights) else weights)
    if array.dtype.kind not in "fiub":
        raise _not_numeric_error(weights, array)
    if isinstance(array, np.ma.MaskedArray):
        array = np.ma.filled(array.astype(np.float64), np.nan)
    return np.ascontiguousarray(array, np.float64).reshape(array.shape)


def _not_numeric_error(weights: object, array: AnyArray) -> UnsupportedTypeError:
    return UnsupportedTypeError(
        "weights must be a one-dimensional numeric array or a column name. "
        f"Received: {type(weights).__name__} of dtype {array.dtype}, shape {array.shape}."
    )


def check_weights(weights: Weights, first_row: int, label: str) -> None:
    """Check that all weights are finite and not negative.

    Raises
    ------
    DataError
        If a weight is invalid. The message names its row, counted from ``first_row``.
    """
    is_valid = np.isfinite(weights) & (weights >= 0)
    if not is_valid.all():
        row = int(np.argmin(is_valid))
        raise DataError(
            "Weights must be finite and not negative. "
            f"Received: {weights[row]} in row {first_row + row} of {label}. "
            "A weight of 0 omits a row."
        )


def weights_from_column(column: Column, name: str, first_row: int, label: str) -> Weights:
    """Return the validated weights in a column as float64.

    Raises
    ------
    DataError
        If a weight is missing, negative or not finite.
    """
    weights = column.values.astype(np.float64)
    if column.validity is not None:
        weights[~validity_to_mask(column)] = np.nan
    check_weights(weights, first_row, f"column {name!r} of {label}")
    return weights
