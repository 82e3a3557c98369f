"""Types for annotations: named options, and protocols for what a function takes and returns."""

import os
from collections.abc import Iterable, Sized
from typing import Any, Literal, Protocol, TypeAlias, TypedDict, TypeVar

import numpy as np
import numpy.typing as npt

Infinite: TypeAlias = Literal["error", "missing"]
"""What becomes of infinities: an error, or they count as missing."""
Missing: TypeAlias = Literal["keep", "zero"]
"""What becomes of NaN and null: they stay, or become 0."""
Constant: TypeAlias = Literal["zero", "center", "error"]
"""What becomes of columns whose variance is 0."""
Unknown: TypeAlias = Literal["error", "missing", "total"]
"""What becomes of rows whose group was not fitted."""
ImageMode: TypeAlias = Literal["RGB", "L", "native"]
"""The columns that the pixels of images are converted to."""
Broken: TypeAlias = Literal["skip", "error"]
"""What becomes of images that cannot be read."""

ColumnName: TypeAlias = str | int
"""The name of a column, or its position."""
Columns: TypeAlias = ColumnName | Iterable[ColumnName]
"""One column or several."""
GroupBy: TypeAlias = str | int | Sized
"""Columns of keys by name, the part of a batch that has the keys, or one key per row."""
Path: TypeAlias = str | os.PathLike[str]

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]


class Tensor(Protocol):
    """A torch tensor: an array that can require a gradient."""

    @property
    def requires_grad(self) -> bool:
        """Whether operations are recorded for the gradient."""

    def detach(self) -> Any:  # of its own type, which a protocol with Self would not match
        """Return the values without a gradient."""


class Frame(Protocol):
    """A table with named columns: of pandas, polars, PyArrow, DuckDB, Dask, Spark."""

    @property
    def columns(self) -> Any:  # a list, an Index, a method: each library has its own
        """The columns or their names."""


class DaskCollection(Protocol):
    """A Dask array, data frame or bag."""

    def __dask_graph__(self) -> Any:
        """Return the graph of tasks."""


class RayDataset(Protocol):
    """A dataset of Ray."""

    def iter_batches(self) -> Any:
        """Iterate over batches of rows."""


ContainerT = TypeVar("ContainerT", bound=Tensor | Frame | DaskCollection | RayDataset)
"""What `normalize` returns in the type that it was given."""


class ScaleKeywords(TypedDict, total=False):
    """Keyword arguments of `normalize` apart from ``out``; see `evenly.Moments.normalize`."""

    dtype: object
    missing: Missing
    constant: Constant
    correction: Any  # int, float or Fraction
    feature_axis: int


class UnscaleKeywords(TypedDict, total=False):
    """Keyword arguments of `denormalize` apart from ``out``; see `evenly.Moments.denormalize`."""

    dtype: object
    constant: Constant
    correction: Any  # int, float or Fraction
    feature_axis: int


class GroupScaleKeywords(ScaleKeywords, total=False):
    """Keyword arguments of `evenly.GroupedMoments.normalize`; see there."""

    by: GroupBy | None
    unknown: Unknown


class GroupUnscaleKeywords(UnscaleKeywords, total=False):
    """Keyword arguments of `evenly.GroupedMoments.denormalize`; see there."""

    by: GroupBy | None
    unknown: Unknown
