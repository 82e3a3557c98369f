"""The class `GroupedMoments`: the moments of each group of rows."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Never, Self, Unpack, overload

import numpy as np

from evenly import _core
from evenly.chosen_columns import as_names
from evenly.columns import column_indices
from evenly.errors import ColumnError, EvenlyError, suggest
from evenly.group_keys import (
    By,
    Key,
    KeyPart,
    format_key,
    join_key,
    key_texts,
    merge_key_types,
    normalize_key,
    sort_key,
)
from evenly.html_report.summary import ColumnSummary
from evenly.key_index import KeyIndex
from evenly.moments import text_table
from evenly.moments.anchors import scaling_by_method
from evenly.moments.group_accumulator import GroupAccumulator
from evenly.moments.metadata import GroupMetadata
from evenly.moments.moments import Moments
from evenly.moments.records import group_records, groups_from_records, records
from evenly.moments.summaries import summaries
from evenly.printable import counted, printable
from evenly.program_version import program_version
from evenly.statistics_file import Header, Manifest
from evenly.statistics_file import groups as group_file
from evenly.transform import transform_by_group
from evenly.transform.group_scaling import GroupScaling
from evenly.transform.group_tables import group_scaling, standard_scaling
from evenly.transform.methods import Method, parse_method
from evenly.transform.scaling import Scaling, ScalingOptions
from evenly.transform.scaling_errors import not_fitted_error
from evenly.typing import (
    Constant,
    ContainerT,
    FeatureAxis,
    FloatArray,
    GroupBy,
    GroupScaleKeywords,
    GroupUnscaleKeywords,
    Missing,
    NormalizeMethod,
    Real,
    Unknown,
)

GroupKey = KeyPart | Key


class GroupedMoments(GroupAccumulator, Mapping[GroupKey, Moments]):
    """A mapping from the key of each group to the `Moments` of its rows.

    It is returned by ``evenly.fit(x, by="station")``. Groups are sorted by key; rows with a
    missing key form the group None, which comes last. Like `Moments` they can be added: any
    split of the rows, any order and any number of threads give bit-identical results, and
    ``(a + b) - b == a``.

    With ``by=["a", "b"]`` keys are tuples.

    Examples
    --------
    >>> import evenly
    >>> import numpy as np
    >>> x = np.array([[1.0], [3.0], [10.0]])
    >>> moments = evenly.fit(x, by=np.array(["a", "a", "b"]))
    >>> moments
    2 groups, 3 rows, 1 column
    group  column  count  missing  mean  std  min  max
    a      0           2        0     2    1    1    3
    b      0           1        0    10    0   10   10
    >>> moments["a"].mean
    array([2.])
    >>> moments.normalize(x, by=["a", "a", "b"]).tolist()
    [[-1.0], [1.0], [0.0]]
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Never:
        """Raise an error that says where the statistics are."""
        hint = ""
        if not name.startswith("_") and (name == "var" or hasattr(Moments, name)):
            own = "variance()" if name == "var" else name
            hint = f" Write moments[key].{own} for one group, or moments.total().{own} for all."
        raise AttributeError(f"'GroupedMoments' object has no attribute {name!r}.{hint}")

    @property
    def by(self) -> By:
        """The name of the key column, a tuple of several names, or None for unnamed keys."""
        return self._metadata.by

    @property
    def num_features(self) -> int:
        """The number of columns of every group."""
        return self._width

    @property
    def rows(self) -> int:
        """The number of rows of all groups together."""
        return self._state.rows

    # The mapping

    def __getitem__(self, key: GroupKey) -> Moments:
        """Return a copy of the moments of a group."""
        with self._lock:
            index = self._find(key)
            if index is None:
                raise self._unknown_key_error(key)
            columns, dtypes, sources, *_ = self._metadata
            state = self._state.take_groups(np.array([index], np.int64), len(dtypes))
            return self._ungrouped(Moments(state, columns, dtypes, sources, state.rows))

    def _ungrouped(self, moments: Moments) -> Moments:
        moments.left_out = self.left_out
        return moments

    def __iter__(self) -> Iterator[GroupKey]:
        return iter([key if self._tuple_keys else key[0] for key in self._sorted_keys()])

    def __len__(self) -> int:
        return self._state.groups

    @property
    def _tuple_keys(self) -> bool:
        return isinstance(self._metadata.by, tuple)

    def _sorted_keys(self) -> list[Key]:
        with self._lock:
            return sorted(self._keys(), key=sort_key)

    def _find(self, key: object) -> int | None:
        parts = key if self._tuple_keys and isinstance(key, tuple) else (key,)
        try:
            index = self._index.get(tuple(map(normalize_key, parts)), -1)
        except EvenlyError:  # a value that cannot be a key
            return None
        return index if 0 <= index < self._state.groups else None

    def _unknown_key_error(self, key: GroupKey) -> ColumnError:
        hint = (
            suggest(key, [k for (k,) in self._keys() if type(k) is str])
            if (isinstance(key, str) and not self._tuple_keys)
            else ""
        )
        example = next(iter(self), None)
        return ColumnError(
            f"The key must be that of a group. Received: {key!r}; there are {len(self):,} "
            f"groups{f', {example!r} for example' if len(self) else ''}.{hint}"
        )

    # The total, and selected columns

    def total(self) -> Moments:
        """Return the moments of all rows together, as `evenly.fit` without ``by=`` does."""
        with self._lock:
            columns, dtypes, sources, *_ = self._metadata
            state = (
                self._state.total(len(dtypes)) if dtypes else _core.State(0, 1, self.distribution)
            )
            return self._ungrouped(Moments(state, columns, dtypes, sources, state.rows))

    def select(self, names: str | int | Iterable[str | int]) -> Self:
        """Return the moments of some columns of every group, in the given order.

        Raises
        ------
        ColumnError
            For an unknown or repeated column, or for no column.
        """
        with self._lock:
            indices = column_indices(as_names(names), self.columns, self._width)
            if not indices:
                raise ColumnError(
                    "Groups have statistics of at least one column. Received: no column to select."
                )
            return self._with_columns(indices)

    # The file

    @staticmethod
    def from_bytes(content: bytes) -> "GroupedMoments":
        """Return the groups in the content of a statistics file, after validating it.

        Raises
        ------
        StatisticsFileError
            When it is not a statistics file of groups, or its statistics are impossible.
        """
        with _core.ExactMode():
            return GroupedMoments(*groups_from_records(*group_file.parse(content)))

    def _serialize(self, manifest: Manifest | None) -> Iterator[bytes]:
        snapshot = self.copy()
        bounds = snapshot.extremes_are_bounds
        header = Header(
            snapshot.rows,
            snapshot.sources,
            bounds,
            program_version(),
            manifest,
            snapshot.distribution,
        )
        return group_file.lines(
            header,
            snapshot.by,
            group_records(snapshot._metadata, snapshot._sorted_keys(), snapshot._reindexed),
        )

    # Normalization

    @overload
    def normalize(self, x: FloatArray, **options: Unpack[GroupScaleKeywords]) -> FloatArray: ...
    @overload
    def normalize(  # type: ignore[overload-overlap]  # anything else becomes an array
        self, x: ContainerT, **options: Unpack[GroupScaleKeywords]
    ) -> ContainerT: ...
    @overload
    def normalize(self, x: object, **options: Unpack[GroupScaleKeywords]) -> FloatArray: ...
    def normalize(
        self,
        x: object,  # the overloads have the types
        *,
        by: GroupBy | None = None,
        unknown: Unknown = "error",
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
        """Return ``(x - mean) / std``, with the mean and std of the group of each row.

        With ``method=`` another center and another spread of the group are used.

        Parameters
        ----------
        x
            A pandas, polars (also lazy) or PyArrow frame with the columns of `by`; or an array or
            a tensor, with ``by=``. As in `Moments.normalize`, the result has the same type, rows
            are kept in order, and other columns are unchanged.
        by
            One key per row (for N×C×H×W images one per image), or the name of the key column of
            the frame. None: the columns of `GroupedMoments.by`.
        unknown
            How to handle rows of unknown groups. ``"error"``: raise an error that names them.
            ``"missing"``: fill them with NaN (null in a frame that has null); choose it when
            such rows are dropped later. ``"total"``: use the statistics of all rows together;
            choose it when an approximation is better than no result.
        dtype, missing, constant, tolerance, correction, method, range, q, clip, feature_axis
            As in `Moments.normalize`. Whether a column is constant is determined per group.

        Raises
        ------
        DataError
            For an unknown group; for a value in a column of which its group has no more than
            ``correction`` values, or equal quantiles that the method divides by.
        ColumnError
            When the frame lacks a column.

        Notes
        -----
        Float64 arithmetic, as in `Moments.normalize`: within 2 ulp of the exact result in float32.
        """
        return transform_by_group(
            x,
            self._scaling(
                False, constant, correction, tolerance, parse_method(method, range, q, clip)
            ),
            by=by,
            unknown=unknown,
            dtype=dtype,
            missing=missing,
            feature_axis=feature_axis,
        )

    @overload
    def denormalize(self, x: FloatArray, **options: Unpack[GroupUnscaleKeywords]) -> FloatArray: ...
    @overload
    def denormalize(  # type: ignore[overload-overlap]  # anything else becomes an array
        self, x: ContainerT, **options: Unpack[GroupUnscaleKeywords]
    ) -> ContainerT: ...
    @overload
    def denormalize(self, x: object, **options: Unpack[GroupUnscaleKeywords]) -> FloatArray: ...
    def denormalize(
        self,
        x: object,  # the overloads have the types
        *,
        by: GroupBy | None = None,
        unknown: Unknown = "error",
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

        The parameters, the result and the errors are those of `normalize`.
        """
        return transform_by_group(
            x,
            self._scaling(True, constant, correction, tolerance, parse_method(method, range, q)),
            by=by,
            unknown=unknown,
            dtype=dtype,
            feature_axis=feature_axis,
        )

    def _scaling(
        self,
        inverse: bool,
        constant: str,
        correction: Real,
        tolerance: float,
        method: Method,
    ) -> GroupScaling:
        options: ScalingOptions = {
            "inverse": inverse,
            "constant": constant,
            "correction": correction,
            "tolerance": tolerance,
        }
        with self._lock:
            key = inverse, constant, correction, tolerance, method
            return self._cached(key, lambda: self._compute_scaling(method, options))

    def _compute_scaling(self, method: Method, options: ScalingOptions) -> GroupScaling:
        metadata = self._metadata
        if not metadata.width:
            raise not_fitted_error()
        return group_scaling(
            _scale_columns(self._state, method, options),
            _scale_columns(self.total()._state, method, options),
            by=metadata.by,
            indices=self._index_of_groups(),
            columns=metadata.columns,
            dtypes=metadata.dtypes,
            constant=options["constant"],
            correction=options["correction"],
            method=method,
        )

    def _summaries(self) -> list[ColumnSummary]:
        return summaries(
            (join_key(key_texts(key if isinstance(key, tuple) else (key,))), group)
            for key, group in self.items()
        )

    def _table_view(self) -> text_table.TextTable:
        return group_table(self, 20, 4)

    def _table_rows(self, key: Key) -> list[text_table.Row]:
        own = self[key if isinstance(self.by, tuple) else key[0]]
        names = own.columns or tuple(map(str, range(own.num_features)))
        columns = records(own._state, names, own.dtypes)
        return [(format_key(key), *text_table.format_row(record)) for record in columns]

    def _title(self) -> str:
        numbers = (len(self), "group"), (self.rows, "row"), (self.num_features, "column")
        counts = ", ".join(counted(number, noun) for number, noun in numbers)
        if self.by is None:
            return counts
        by = self.by if isinstance(self.by, str) else ", ".join(self.by)
        return printable(f"{counts}, by {by}")


def _scale_columns(state: _core.State, method: Method, options: ScalingOptions) -> Scaling:
    """Return the scaling of all columns of a state, with NaN for undefined ones."""
    if method.name == "standard":
        return standard_scaling(state, **options)
    columns = Moments(state.take(list(range(state.columns))), None, ())
    return scaling_by_method(columns, None, method, too_few="nan", **options)


def one_group(key: Key, moments: Moments, by: By) -> GroupedMoments:
    """Return the moments of one group as grouped moments.

    Raises
    ------
    DataError
        For a key that does not fit ``by``.
    """
    key_types = merge_key_types(("",) * len(key), [key], by, "the images")
    state = moments._state.copy()
    state.group_rows = [moments.rows]
    metadata = GroupMetadata(moments.columns, moments.dtypes, moments.sources, by, key_types)
    return GroupedMoments(metadata, KeyIndex.of([key]), state)


def group_table(moments: GroupedMoments, head: int, tail: int) -> text_table.TextTable:
    """Return a table of one line per group and column.

    Parameters
    ----------
    head, tail
        Number of lines at the start and the end, if there are more than both.
    """
    keys, width = moments._sorted_keys(), moments.num_features
    omitted = max(0, len(keys) * width - head - tail)
    if omitted:
        first = [row for key in keys[: 1 + head // width] for row in moments._table_rows(key)]
        last = [row for key in keys[-1 - tail // width :] for row in moments._table_rows(key)]
        rows = first[:head] + last[-tail:]
    else:
        rows = [row for key in keys for row in moments._table_rows(key)]
    return text_table.TextTable(
        moments._title(),
        ("group", *text_table.HEADINGS),
        rows,
        "l" + text_table.ALIGNMENT,
        omitted=text_table.omitted_line(omitted),
        head=head,
        footer=text_table.footer_lines(moments.left_out, moments.extremes_are_bounds),
    )
