"""Types for annotations: named options, and protocols for arguments and results."""

import os
from collections.abc import Iterable, Mapping, Sequence, Sized
from fractions import Fraction
from typing import Any, Literal, Protocol, TypeAlias, TypedDict, TypeVar

import numpy as np
import numpy.typing as npt

Infinite: TypeAlias = Literal["error", "missing"]
"""How to handle infinities: raise an error, or count them as missing."""
Missing: TypeAlias = Literal["keep", "zero"]
"""How to handle NaN and null: keep them, or replace them with 0."""
Constant: TypeAlias = Literal["zero", "center", "error"]
"""How to handle columns whose variance is 0."""
InputScale: TypeAlias = Literal["data", "0..1"]
"""The scale of a layer's input: that of the data that was fitted, or 0 to 1."""
Unfitted: TypeAlias = Literal["error", "identity"]
"""How a layer without statistics evaluates: raise an error, or return the input unchanged."""
Unknown: TypeAlias = Literal["error", "missing", "total"]
"""How to handle rows whose group was not fitted."""
NormalizeMethod: TypeAlias = Literal["standard", "minmax", "maxabs", "robust", "quantile"]
"""Which numbers of a column are subtracted and divided by."""
QuantileMethod: TypeAlias = Literal["linear", "lower", "higher", "midpoint", "nearest"]
"""What a quantile is between two values."""
ImageMode: TypeAlias = Literal["RGB", "L", "native"]
"""The mode that images are converted to."""
Broken: TypeAlias = Literal["skip", "error"]
"""How to handle images that cannot be read."""

Real: TypeAlias = int | float | Fraction
"""A real number. A ``fractions.Fraction`` is used without rounding."""
NonFinite: TypeAlias = Literal["propagate", "skip"]
"""Whether a batch with NaN or infinities updates the running statistics."""
SingleValue: TypeAlias = Literal["error", "running"]
"""How to normalize a single value per channel in training."""
StatsUpdate: TypeAlias = Literal["forward", "batch", "step"]
"""When to update the running statistics."""
Package: TypeAlias = Literal["evenly", "torch"]
"""The package whose classes the layers of a converted model have."""

ColumnName: TypeAlias = str | int | tuple[object, ...]
"""The name of a column, a label of pandas, or a position in an array."""
FeatureAxis: TypeAlias = int | str | None
"""The axis of the columns in an array, or its name in xarray. None: the last one of at most two."""
Columns: TypeAlias = ColumnName | Iterable[ColumnName]
"""One column or several."""
GroupBy: TypeAlias = str | int | Sized
"""The names of key columns, the part of a batch that has the keys, or one key per row."""
Path: TypeAlias = str | os.PathLike[str]
JsonObject: TypeAlias = dict[str, Any]
"""A JSON object; its values are checked where they are read."""
StorageOptions: TypeAlias = Mapping[str, object]
"""Options of the file system of a URL, as fsspec takes them."""


class CsvOptions(TypedDict, total=False):
    """How CSV files are written, for ``csv=``. What is omitted is detected.

    Attributes
    ----------
    delimiter
        The character between fields.
    decimal
        The decimal mark, ``"."`` or ``","``.
    thousands
        The character between groups of digits, such as ``","`` in 1,234.5.
    missing
        Fields that mean a missing value, in addition to empty ones, NA, NaN and null. A number
        such as -999 also stands for -999.0.
    encoding
        The encoding of the text, such as ``"latin-1"``. UTF-8 by default.
    comment
        The text that begins a comment, up to the end of the line.
    header
        True. False if the first line is a row; columns are then named by position, "0", "1", ….
        A number of lines to skip before the header. Or the names of all columns of a file that
        has no header.
    """

    delimiter: str
    decimal: str
    thousands: str
    missing: Sequence[str | float] | str
    encoding: str
    comment: str
    header: bool | int | Sequence[str]


class BatchNormOptions(TypedDict, total=False):
    """Options of `evenly.torch.BatchNorm1d` that PyTorch's layers do not have."""

    virtual_batch_size: int | None
    non_finite: NonFinite
    single: SingleValue
    update: StatsUpdate
    exact: bool


AnyArray: TypeAlias = npt.NDArray[Any]
"""An array of any dtype."""
AnyDtype: TypeAlias = np.dtype[Any]
FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]


class Tensor(Protocol):
    """A torch tensor: an array that can require a gradient."""

    @property
    def requires_grad(self) -> bool:
        """Whether operations are recorded for the gradient."""

    def detach(self) -> Any:  # not Self, which torch's annotations would not match
        """Return the values without a gradient."""


class Frame(Protocol):
    """A table with named columns: pandas, polars, PyArrow, DuckDB, Dask or Spark."""

    @property
    def columns(self) -> Any:  # a list, an Index or a method, depending on the library
        """The columns or their names."""


class DaskCollection(Protocol):
    """A Dask array, data frame or bag."""

    def __dask_graph__(self) -> Any:
        """Return the graph of tasks."""


class RayDataset(Protocol):
    """A Ray dataset."""

    def iter_batches(self) -> Any:
        """Iterate over batches of rows."""


ContainerT = TypeVar("ContainerT", bound=Tensor | Frame | DaskCollection | RayDataset)
"""A container whose type `normalize` preserves."""


class KeyScaleKeywords(TypedDict, total=False):
    """Keyword arguments of `evenly.MomentsByKey.normalize` other than ``feature_axis``."""

    dtype: object
    missing: Missing
    constant: Constant
    tolerance: float
    correction: Real
    method: NormalizeMethod
    range: tuple[float, float] | None
    q: tuple[float, float] | None
    clip: bool | float | None


class ScaleKeywords(KeyScaleKeywords, total=False):
    """Keyword arguments of `evenly.Moments.normalize` other than ``out``."""

    feature_axis: FeatureAxis


class KeyUnscaleKeywords(TypedDict, total=False):
    """Keyword arguments of `evenly.MomentsByKey.denormalize` other than ``feature_axis``."""

    dtype: object
    constant: Constant
    tolerance: float
    correction: Real
    method: NormalizeMethod
    range: tuple[float, float] | None
    q: tuple[float, float] | None


class UnscaleKeywords(KeyUnscaleKeywords, total=False):
    """Keyword arguments of `evenly.Moments.denormalize` other than ``out``."""

    feature_axis: FeatureAxis


class GroupScaleKeywords(ScaleKeywords, total=False):
    """Keyword arguments of `evenly.GroupedMoments.normalize`."""

    by: GroupBy | None
    unknown: Unknown


class GroupUnscaleKeywords(UnscaleKeywords, total=False):
    """Keyword arguments of `evenly.GroupedMoments.denormalize`."""

    by: GroupBy | None
    unknown: Unknown
