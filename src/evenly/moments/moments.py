"""`Moments`: what the user holds. Exact sums that add up, and are divided only when read."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Unpack, overload

from evenly import _core, statistics_file
from evenly.columns import ColumnNames, column_indices
from evenly.errors import DataError, StatisticsFileError
from evenly.moments.accumulator import Accumulator
from evenly.moments.records import records, state_from_records
from evenly.moments.statistics import Correction
from evenly.program_version import program_version
from evenly.statistics_file import Header, Manifest
from evenly.statistics_file.column import ColumnRecord
from evenly.transform import Scaling, fast_scaling, scaling, transform
from evenly.typing import Constant, ContainerT, FloatArray, Missing, ScaleKeywords, UnscaleKeywords


class Moments(Accumulator):
    """Per column a count, the exact sum of x and the exact sum of x².

    *Exact* means without any rounding, as real numbers. So moments are a commutative
    group: any order, any batches and any number of threads give the same bits, and
    ``(a + b) - b == a``. The mean, the variance and the standard deviation that are
    read from it are the float64 nearest to the true value for the data as given.

    Get one from `evenly.fit`, `evenly.load` or `Moments.empty`. Several threads may use
    one at a time. Comparing looks at what adds up (names, counts, sums, sums of squares),
    not at min, max, dtypes and sources. All moments of no rows are one and the same: the
    zero of the group, which takes the columns of whatever is added to it.

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

    __slots__ = ()
    __iter__ = None

    @property
    def rows(self) -> int:
        """Rows that were read, whatever they weighed, missing ones too."""
        return self._state.rows

    # Taking part of it, and copies

    def select(self, names: Iterable[str | int]) -> "Moments":
        """Return the moments of some columns, in the order asked for.

        Columns without names are selected by their numbers.

        Raises
        ------
        ColumnError
            For a column that is not there, or named twice.
        """
        return self._take_columns(column_indices(list(names), self.columns, self.num_features))

    def __getitem__(self, names: str | int | Sequence[str | int]) -> "Moments":
        """Return ``moments["a"]`` or ``moments["a", "b"]``: `select` in short."""
        return self.select([names] if isinstance(names, str | int) else names)

    def __reduce__(self) -> Any:
        state = self._state.copy()
        columns, dtypes, sources = state.metadata
        return _restore, (state.pack(), columns, dtypes, tuple(sorted(sources)), state.rows)

    @staticmethod
    def from_bytes(content: bytes) -> "Moments":
        """Return the moments in the bytes of a statistics file, trusting nothing in them.

        Raises
        ------
        StatisticsFileError
            When they are no statistics file, or no data at all can have such statistics.
        """
        with _core.ExactMode():
            return from_records(*statistics_file.parse(content))

    def _serialize(self, ledger: Manifest | None) -> Iterator[bytes]:
        state = self._state.copy()
        columns, dtypes, sources = state.metadata
        bounds = state.extremes_are_bounds
        header = Header(state.rows, tuple(sorted(sources)), bounds, program_version(), ledger)
        return statistics_file.lines(header, records(state, columns, dtypes))

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
        x: Any,  # the overloads have the types
        *,
        out: Any = None,
        dtype: Any = None,
        missing: Missing = "keep",
        constant: Constant = "zero",
        correction: Correction = 0,
        feature_axis: int = -1,
    ) -> Any:
        """Return ``(x - mean) / std``, column by column, as the kind of thing that x is.

        Parameters
        ----------
        x
            A NumPy array, a torch tensor, anything with ``__array__`` or ``__dlpack__``
            (a NumPy array comes back), or a frame of pandas, polars, PyArrow or DuckDB. A
            frame is matched by name and comes back with all its columns, those that the
            moments do not know untouched. A tensor that requires grad, or on another
            device than the CPU, takes torch's operations, and gradients flow.
        out
            An array or tensor to write into, of the shape of x; x itself is allowed.
        dtype
            float16, bfloat16, float32 or float64. None: the type of floating x, and
            float32 for integers and booleans. Choose float64 for integers beyond 2**24
            whose last digits matter. Frames have float32 and float64 only.
        missing
            ``"keep"``: NaN and null stay what they are. ``"zero"`` puts 0, the mean:
            choose it before a model that cannot take NaN.
        constant
            For columns whose variance is exactly 0. ``"zero"``: they become 0, whatever
            x holds; a feature that never varied says nothing. ``"center"``: only the mean
            is subtracted; choose it when later data may vary, in the unit of the data.
            ``"error"``: choose it when a constant column means that something is broken.
        correction
            What the variance subtracts from the count: see `variance`.
        feature_axis
            The axis of an array along which its columns lie.

        Returns
        -------
        array, tensor or frame of the shape of x
            Within 2 ulp of the exact answer in float32, whatever the offset of the data:
            the mean is subtracted as two float64, hi + lo.

        Raises
        ------
        DataError
            When a column has no value or no more than ``correction``, or x another shape.
        ColumnError
            When a frame lacks a column.
        UnsupportedTypeError
            For what is no number.

        Examples
        --------
        >>> import numpy as np
        >>> from evenly import Moments
        >>> moments = Moments.empty().update(np.array([[1.0, 7.0], [3.0, 7.0]]))
        >>> moments.normalize(np.array([[2.0, 7.0], [5.0, 7.0]]))
        array([[0., 0.],
               [3., 0.]])
        """
        return transform(
            x,
            self._scaling(inverse=False, constant=constant, correction=correction),
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
        x: Any,  # the overloads have the types
        *,
        out: Any = None,
        dtype: Any = None,
        constant: Constant = "zero",
        correction: Correction = 0,
        feature_axis: int = -1,
    ) -> Any:
        """Return ``x * std + mean``: what `normalize` made, to rounding; constants exactly.

        Pass the same ``constant`` and ``correction`` as to `normalize`; the other
        parameters, the result and the errors are as there. NaN and null stay.
        """
        return transform(
            x,
            self._scaling(inverse=True, constant=constant, correction=correction),
            out=out,
            dtype=dtype,
            feature_axis=feature_axis,
        )

    def _scaling(
        self, *, inverse: bool, constant: str, correction: Correction, too_few: str = "error"
    ) -> Scaling:
        if not self.num_features:
            raise DataError("Normalising needs rows to have been fitted. Received: none yet.")

        options: dict[str, Any] = {
            "inverse": inverse,
            "constant": constant,
            "correction": correction,
            "too_few": too_few,
            "dtypes": self.dtypes,
        }

        def compute() -> Scaling:
            quick = fast_scaling(self._state, self.columns, **options)
            return quick or scaling(self.columns, self._sums(), **options)

        return self._cached((inverse, constant, correction, too_few), compute)


def _restore(
    packed: bytes, names: ColumnNames, dtypes: tuple[str, ...], sources: tuple[str, ...], rows: int
) -> Moments:
    return Moments(_core.State.unpack(packed), names, dtypes, sources, rows)


def from_records(header: Header, columns: list[ColumnRecord]) -> Moments:
    """Return the moments of a file that has been checked.

    Raises
    ------
    StatisticsFileError
        When a number is out of the core's reach.
    """
    named = bool(columns) and columns[0].name is not None
    names = tuple(str(column.name) for column in columns) if named else None
    try:
        state = state_from_records(columns, extremes_are_bounds=header.extremes_are_bounds)
    except (ValueError, OverflowError) as error:
        raise StatisticsFileError(str(error)) from None
    dtypes = tuple(column.dtype for column in columns)
    return Moments(state, names, dtypes, header.sources, header.rows)
