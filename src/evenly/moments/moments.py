"""The class `Moments`: exact sums, and the statistics computed from them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Never, TypeAlias, Unpack, overload

from evenly import _core, statistics_file
from evenly.chosen_columns import as_names
from evenly.columns import ColumnNames, column_indices
from evenly.dispatch import is_traced
from evenly.errors import StatisticsFileError
from evenly.moments.accumulator import ColumnAccumulator
from evenly.moments.anchors import scaling_by_method
from evenly.moments.metadata import LeftOut
from evenly.moments.records import records, state_from_records
from evenly.program_version import program_version
from evenly.statistics_file.column import ColumnRecord
from evenly.transform import Scaling, fast_scaling, scaling, transform
from evenly.transform.methods import STANDARDIZE, Method, MethodOptions, parse_method
from evenly.transform.scaling import ScalingKeywords
from evenly.transform.scaling_errors import not_fitted_error
from evenly.typing import (
    Constant,
    ContainerT,
    FeatureAxis,
    FloatArray,
    Missing,
    NormalizeMethod,
    Real,
    ScaleKeywords,
    UnscaleKeywords,
)

if TYPE_CHECKING:  # only needed for files, which most programs do not write
    from evenly.html_report.summary import ColumnSummary
    from evenly.statistics_file import Header, Manifest

PickledMoments: TypeAlias = tuple[
    bytes, ColumnNames, tuple[str, ...], tuple[str, ...], int, LeftOut
]
"""The packed state, names, dtypes, sources, number of rows, and columns left out."""


class Moments(ColumnAccumulator):
    """The count, the exact sum of x and the exact sum of x² of each column.

    *Exact* means without any rounding, as real numbers. So moments are a commutative group:
    any order, any batches and any number of threads give bit-identical results, and
    ``(a + b) - b == a``. The mean, the variance and the standard deviation are the float64
    nearest to the exact value for the given data.

    Moments are returned by `evenly.fit`, `evenly.load` and `Moments.empty`. They are safe to use
    from several threads. Two moments are equal if their names, counts, sums and sums of squares
    are; min, max, dtypes and sources are not compared. All moments without rows are equal: they
    are the zero of the group, which adopts the columns of the moments that are added to it.

    Examples
    --------
    >>> import numpy as np
    >>> from evenly import Moments
    >>> monday = Moments.empty(["height"]).update(np.array([[1.0], [2.0]]))
    >>> tuesday = Moments.empty(["height"]).update(np.array([[6.0]]))
    >>> week = monday + tuesday
    >>> week.mean, week.variance(correction=1)
    (array([3.]), array([7.]))
    >>> monday == week - tuesday
    True
    >>> week
    Moments of 1 column, 3 rows
    column  count  missing  mean      std  min  max
    height      3        0     3  2.16025    1    6
    """

    __slots__ = ("__weakref__",)
    __iter__ = None

    def __getattr__(self, name: str) -> Never:
        """Raise an error that suggests the name in evenly."""
        hint = " Write moments.variance()." if name == "var" else ""
        raise AttributeError(f"'Moments' object has no attribute {name!r}.{hint}")

    @property
    def rows(self) -> int:
        """The number of rows that were read, regardless of weights and missing values."""
        return self._state.rows

    # Selection and serialization

    def select(self, names: str | int | Iterable[str | int]) -> "Moments":
        """Return the moments of some columns, in the given order.

        Parameters
        ----------
        names
            The names of the columns, or their positions if they have no names; one or several.

        Raises
        ------
        ColumnError
            For an unknown or repeated column.
        """
        return self._take_columns(column_indices(as_names(names), self.columns, self.num_features))

    def __getitem__(self, names: str | int | Sequence[str | int]) -> "Moments":
        """Return ``moments["a"]`` or ``moments["a", "b"]``, like `select`.

        A tuple that is the label of a column of pandas selects that column.
        """
        is_label = isinstance(names, tuple) and str(names) in (self.columns or ())
        return self.select([str(names)] if is_label else names)

    def __reduce__(self) -> tuple[Callable[..., "Moments"], PickledMoments]:
        state = self._state.copy()
        columns, dtypes, sources, left_out = state.metadata
        ordered = tuple(sorted(sources))
        return _restore, (state.pack(), columns, dtypes, ordered, state.rows, left_out)

    @staticmethod
    def from_bytes(content: bytes) -> "Moments":
        """Return the moments in the content of a statistics file, after validating it.

        Raises
        ------
        StatisticsFileError
            When it is not a statistics file, or its statistics are impossible.
        """
        with _core.ExactMode():
            return from_records(*statistics_file.parse(content))

    def _serialize(self, manifest: "Manifest | None") -> Iterator[bytes]:
        return statistics_file.lines(*to_records(self, manifest))

    def _summaries(self) -> "list[ColumnSummary]":
        from evenly.moments.summaries import summaries

        return summaries([(None, self)])

    def _repr_html_(self) -> str:
        """Return the table for notebooks, with histograms if there are distributions."""
        if not self.distribution:
            return super()._repr_html_()
        from evenly.html_report.notebook import fragment
        from evenly.moments import text_table

        with _core.ExactMode():
            view = self._table_view()
            shown = self._take_columns(text_table.visible_columns(self.num_features))
            hidden = [view.omitted] if view.omitted else []
            return fragment(view.title, shown._summaries(), [*hidden, *view.footer])

    @overload
    def normalize(
        self, x: FloatArray, *, out: FloatArray | None = None, **options: Unpack[ScaleKeywords]
    ) -> FloatArray: ...
    @overload
    def normalize(  # type: ignore[overload-overlap]  # anything else becomes an array
        self, x: ContainerT, *, out: ContainerT | None = None, **options: Unpack[ScaleKeywords]
    ) -> ContainerT: ...
    @overload
    def normalize(
        self, x: object, *, out: FloatArray | None = None, **options: Unpack[ScaleKeywords]
    ) -> FloatArray: ...
    def normalize(
        self,
        x: object,  # the overloads have the types
        *,
        out: object = None,
        dtype: object = None,
        missing: Missing = "keep",
        constant: Constant = "zero",
        tolerance: float = 0.0,
        correction: Real = 0,
        method: NormalizeMethod = "standard",
        range: tuple[float, float] | None = None,
        q: tuple[float, float] | None = None,
        clip: bool | float | None = None,
        feature_axis: FeatureAxis = None,
    ) -> Any:
        """Return ``(x - mean) / std`` for each column, in the container type of x.

        With ``method=`` another center and another spread are used.

        Parameters
        ----------
        x
            A NumPy array, a torch tensor, any object with ``__array__`` or ``__dlpack__`` (the
            result is a NumPy array); a pandas, polars, PyArrow or DuckDB frame; a series, an
            array of Arrow, data of xarray, or a dict of columns. Frames are matched by column
            name; columns that the moments do not have are unchanged. A tensor
            that requires grad, or is not on the CPU, is scaled by torch operations, and
            gradients flow. A graph of ``torch.compile`` uses the moments as they are when it
            runs.
        out
            An array or tensor to write into, of the shape of x; x itself is allowed.
        dtype
            float16, bfloat16, float32 or float64. None: the dtype of x if it is floating;
            float32 for booleans and integers of 8 and 16 bits, float64 for larger integers,
            decimals and times; PyTorch's default dtype for tensors of integers. Frames support
            float32 and float64 only.
        missing
            ``"keep"``: NaN and null are kept. ``"zero"``: they are replaced by 0, the mean;
            choose it for models that do not support NaN.
        constant
            How to handle columns whose variance is exactly 0. ``"zero"``: set them to 0 for any
            x, since a constant feature carries no information. ``"center"``: subtract the mean
            only; choose it when later data may vary, in the unit of the data. ``"error"``: raise
            an error; choose it when a constant column indicates a problem.
        tolerance
            Columns whose standard deviation is at most this fraction of their root mean square
            are constant too. 0: only columns of equal values. Choose 1e-12, for example, for
            float64 columns whose values differ in their last digits only.
        correction
            Subtracted from the count in the variance: see `variance`.
        method
            ``"standard"``: subtract the mean, and divide by the standard deviation. ``"minmax"``:
            the smallest and the largest value become the ends of ``range``. ``"maxabs"``: divide
            by the largest absolute value. The others need a distribution
            (``evenly.fit(x, distribution=True)``), whose quantiles are exact to `quantile_bounds`.
            ``"robust"``: subtract the median, and divide by the distance of the two quantiles
            ``q``. ``"quantile"``: the quantiles ``q`` become the ends of ``range``.
        range
            Two numbers. None: (0, 1) for ``"minmax"`` and (-1, 1) for ``"quantile"``.
        q
            Two numbers from 0 to 1. None: (0.25, 0.75) for ``"robust"`` and (0.01, 0.99) for
            ``"quantile"``.
        clip
            A number: limit the result to the range from ``-clip`` to ``clip``. True: to the range
            of the method. NaN is kept.
        feature_axis
            The axis of the columns in an array, as in `evenly.fit`.

        Returns
        -------
        array, tensor or frame of the shape of x
            Within 2 ulp of the exact result in float32, at any offset of the data: the mean is
            subtracted as a sum of two float64, hi + lo.

        Raises
        ------
        DataError
            When a column has no more than ``correction`` values, or the shape of x does not match;
            for ``method="robust"`` and ``"quantile"`` when both quantiles of a column that is not
            constant are equal, unless ``constant="center"``.
        ColumnError
            When a frame lacks a column.
        UnsupportedTypeError
            For data that is not numeric.

        Examples
        --------
        >>> import numpy as np
        >>> from evenly import Moments
        >>> moments = Moments.empty().update(np.array([[1.0, 7.0], [3.0, 7.0]]))
        >>> moments.normalize(np.array([[2.0, 7.0], [5.0, 7.0]]))
        array([[0., 0.],
               [3., 0.]])
        """
        options = {"constant": constant, "correction": correction, "tolerance": tolerance}
        return self._transform(
            x,
            {"inverse": False, **options},
            (method, range, q, clip),
            out=out,
            dtype=dtype,
            missing=missing,
            feature_axis=feature_axis,
        )

    @overload
    def denormalize(
        self, x: FloatArray, *, out: FloatArray | None = None, **options: Unpack[UnscaleKeywords]
    ) -> FloatArray: ...
    @overload
    def denormalize(  # type: ignore[overload-overlap]  # anything else becomes an array
        self, x: ContainerT, *, out: ContainerT | None = None, **options: Unpack[UnscaleKeywords]
    ) -> ContainerT: ...
    @overload
    def denormalize(
        self, x: object, *, out: FloatArray | None = None, **options: Unpack[UnscaleKeywords]
    ) -> FloatArray: ...
    def denormalize(
        self,
        x: object,  # the overloads have the types
        *,
        out: object = None,
        dtype: object = None,
        constant: Constant = "zero",
        tolerance: float = 0.0,
        correction: Real = 0,
        method: NormalizeMethod = "standard",
        range: tuple[float, float] | None = None,
        q: tuple[float, float] | None = None,
        feature_axis: FeatureAxis = None,
    ) -> Any:
        """Return ``x * std + mean``: the inverse of `normalize` up to rounding.

        Constant columns are restored exactly. Pass the same ``constant``, ``tolerance``,
        ``correction``, ``method``, ``range`` and ``q`` as to `normalize`; the other parameters,
        the result and the errors are those of `normalize`. NaN and null are kept. A result of
        float32 cannot hold large numbers such as Unix seconds exactly; pass ``dtype="float64"`` if
        x is float32.
        """
        options = {"constant": constant, "correction": correction, "tolerance": tolerance}
        return self._transform(
            x,
            {"inverse": True, **options},
            (method, range, q, None),
            out=out,
            dtype=dtype,
            missing="keep",
            feature_axis=feature_axis,
        )

    def _transform(
        self, x: Any, options: dict[str, Any], method: MethodOptions, **arguments: Any
    ) -> Any:
        """Scale x with the options of `_scaling`, now or in a graph that is being traced."""
        if not is_traced(x):
            scaling = self._scaling(**options, method=parse_method(*method))
            return transform(x, scaling, **arguments)
        from evenly.transform.graphs import scale_in_graph  # imports torch

        return scale_in_graph(self, x, options, method, **arguments)

    def _scaling(
        self,
        *,
        inverse: bool,
        constant: str,
        correction: Real,
        tolerance: float = 0.0,
        too_few: str = "error",
        method: Method = STANDARDIZE,
    ) -> Scaling:
        if not self.num_features:
            raise not_fitted_error()
        options: ScalingKeywords = {
            "inverse": inverse,
            "constant": constant,
            "correction": correction,
            "tolerance": tolerance,
            "too_few": too_few,
            "dtypes": self.dtypes,
        }

        limits = None if inverse else method.clip
        method = method if method.clip is None else replace(method, clip=None)

        def compute() -> Scaling:
            if method.name != "standard":
                return scaling_by_method(self, self.columns, method, **options)
            fast = fast_scaling(self._state, self.columns, **options)
            return fast or scaling(self.columns, self.exact_sums(), **options)

        key = inverse, constant, correction, tolerance, too_few, method
        result = self._cached(key, compute)
        return result if limits is None else replace(result, clip=limits)


def _restore(
    packed: bytes,
    names: ColumnNames,
    dtypes: tuple[str, ...],
    sources: tuple[str, ...],
    rows: int,
    left_out: LeftOut = (),
) -> Moments:
    result = Moments(_core.State.unpack(packed), names, dtypes, sources, rows)
    result.left_out = dict(left_out)
    return result


def to_records(
    moments: Moments, manifest: "Manifest | None" = None
) -> "tuple[Header, Iterator[ColumnRecord]]":
    """Return the header and the records of the columns of a statistics file."""
    state = moments._state.copy()
    columns, dtypes, sources, _ = state.metadata
    bounds = state.extremes_are_bounds
    header = statistics_file.Header(
        state.rows, tuple(sorted(sources)), bounds, program_version(), manifest, state.bins
    )
    return header, records(state, columns, dtypes)


def from_records(header: "Header", columns: list[ColumnRecord]) -> Moments:
    """Return the moments of a statistics file that has been validated.

    Raises
    ------
    StatisticsFileError
        When a number is out of range for the core.
    """
    has_names = bool(columns) and columns[0].name is not None
    names = tuple(str(column.name) for column in columns) if has_names else None
    try:
        state = state_from_records(
            columns, extremes_are_bounds=header.extremes_are_bounds, bins=header.bins
        )
    except (ValueError, OverflowError) as error:
        raise StatisticsFileError(str(error)) from None
    dtypes = tuple(column.dtype for column in columns)
    return Moments(state, names, dtypes, header.sources, header.rows)
