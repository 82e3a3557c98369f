"""The class `MomentsByKey`: the moments of several parts of the same data."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, Self, Unpack

from evenly import _core
from evenly.errors import ColumnError, DataError, format_names, suggest
from evenly.moments import text_table
from evenly.moments.base import MomentsBase, mixed_keys_error
from evenly.moments.moments import Moments, from_records, to_records
from evenly.moments.records import records
from evenly.moments.table_repr import TableRepr
from evenly.outputs import open_output
from evenly.printable import counted
from evenly.program_version import program_version
from evenly.sources.batch_parts import select_part
from evenly.sources.parts_by_key import BatchPart, Steps, key_errors, parse_parts, replace_part
from evenly.statistics_file import by_key as file_format
from evenly.typing import FeatureAxis, KeyScaleKeywords, KeyUnscaleKeywords, Path, StorageOptions


class MomentsByKey(TableRepr, Mapping[str, Moments]):
    """The moments of several parts of the same batches, by key.

    They are returned by `evenly.fit` with a dict for ``select=``, and by `evenly.load`. They add
    and subtract like `Moments`, key by key, without rounding.

    Parameters
    ----------
    moments
        The moments of each key.
    select, feature_axis
        Where the values of each key are in a batch, as in `evenly.fit`. None: each key is its own
        path.

    Raises
    ------
    DataError
        For paths that do not lead to separate parts.
    ColumnError
        If the keys of ``moments`` and ``select`` differ.

    Examples
    --------
    >>> import numpy as np
    >>> import evenly
    >>> batch = {"observation": {"state": np.array([[1.0], [3.0]])}, "action": np.array([[0], [8]])}
    >>> moments = evenly.fit(
    ...     [batch], select={"state": ("observation", "state"), "action": "action"}
    ... )
    >>> moments["state"].mean
    array([2.])
    >>> moments.normalize(batch)["observation"]["state"].ravel()
    array([-1.,  1.])
    >>> moments
    MomentsByKey of 2 keys
    key     column  count  missing  mean  std  min  max
    action  0           2        0     4    4    0    8
    state   0           2        0     2    1    1    3
    """

    __slots__ = ("_moments", "_parts")
    __hash__ = None  # type: ignore[assignment]  # it can change, like Moments

    def __init__(
        self,
        moments: Mapping[str, Moments],
        *,
        select: Mapping[str, object] | None = None,
        feature_axis: FeatureAxis | Mapping[str, FeatureAxis] = None,
    ) -> None:
        select = {key: key for key in moments} if select is None else select
        parts = parse_parts(select, feature_axis)
        if parts.keys() != moments.keys():
            raise ColumnError(
                "select= must have the keys of the moments. "
                f"Received: {format_names(parts)} for {format_names(sorted(moments))}."
            )
        self._parts = parts
        self._moments = {key: moments[key].copy() for key in parts}

    @classmethod
    def empty(cls) -> Self:
        """Return moments without keys, which get the keys of the first moments that are added."""
        result = cls.__new__(cls)
        result._parts, result._moments = {}, {}
        return result

    @property
    def paths(self) -> dict[str, Steps]:
        """The path of each key in a batch: keys, positions and attributes."""
        return {key: part.path for key, part in self._parts.items()}

    @property
    def feature_axes(self) -> dict[str, FeatureAxis]:
        """The axis of the columns of each key, as in `evenly.fit`."""
        return {key: part.feature_axis for key, part in self._parts.items()}

    def __getitem__(self, key: str) -> Moments:
        """Return the moments of a key."""
        if key in self._moments:
            return self._moments[key]
        raise ColumnError(
            f"There is no key {key!r}. The keys are {format_names(self._moments)}."
            f"{suggest(str(key), self._moments)}"
        )

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys, which are sorted."""
        return iter(self._moments)

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self._moments)

    def __contains__(self, key: object) -> bool:
        return key in self._moments

    def __eq__(self, other: object) -> bool:
        """Return whether keys and moments are equal; paths are not compared."""
        if not isinstance(other, MomentsByKey):
            return NotImplemented
        return self._moments == other._moments

    def copy(self) -> Self:
        """Return an independent copy."""
        return self._with_moments({key: moments.copy() for key, moments in self.items()})

    __copy__ = copy

    def select(self, keys: Iterable[str]) -> Self:
        """Return a copy of the moments of some keys.

        Raises
        ------
        ColumnError
            For an unknown key.
        """
        return self._with_moments({key: self[key].copy() for key in sorted(set(keys))})

    def _with_moments(self, moments: dict[str, Moments]) -> Self:
        """Return the moments of some of these keys."""
        result = self.empty()
        result._parts = {key: self._parts[key] for key in moments}
        result._moments = moments
        return result

    # Addition

    def __add__(self, other: Self | Literal[0]) -> Self:
        """Return the moments of both sets of batches together, key by key.

        Raises
        ------
        ColumnError
            When their keys, paths or columns differ.
        DataError
            For moments that are not by key.
        """
        if not isinstance(other, MomentsByKey):
            _check_by_key(other)
            is_zero = type(other) is int and other == 0  # the start of sum()
            return self.copy() if is_zero else NotImplemented
        result = self.copy()
        result.merge_inplace(other, private=True)
        return result

    def __radd__(self, other: Literal[0]) -> Self:
        return self.__add__(other)

    def __sub__(self, other: Self) -> Self:
        """Return the moments without batches that were added before; see `Moments`.

        Raises
        ------
        ColumnError
            When their keys, paths or columns differ.
        DataError
            When they cannot have been added before, or are not by key.
        """
        if not isinstance(other, MomentsByKey):
            _check_by_key(other)
            return NotImplemented
        if other._moments:
            self._check_same_parts(other)
        return self._with_moments(
            {key: m - other[key] if other._moments else m.copy() for key, m in self.items()}
        )

    def __rsub__(self, other: object) -> Self:
        _check_by_key(other)
        return NotImplemented

    def merge_inplace(self, other: Self, *, private: bool = False) -> None:
        """Add other in place; self must be discarded after an error.

        Parameters
        ----------
        private
            Whether no other code refers to self.
        """
        if not other._moments:
            return
        if not self._moments:
            self._parts, self._moments = other._parts, other.copy()._moments
            return
        self._check_same_parts(other)
        for key, moments in self._moments.items():
            moments.merge_inplace(other[key], private=private)

    def _check_same_parts(self, other: "MomentsByKey") -> None:
        if self._parts.keys() != other._parts.keys():
            raise ColumnError(
                "Both moments must have the same keys. Received: "
                f"{format_names(self)} and {format_names(other)}. Choose common ones with select()."
            )
        for key, part in self._parts.items():
            if part != other._parts[key]:
                raise ColumnError(
                    "Both moments must have the same parts of batches. Received: "
                    f"{_describe(part)} and {_describe(other._parts[key])} for {key!r}. "
                    "If both are the same data, create the second one again: "
                    "MomentsByKey(second, select=first.paths, feature_axis=first.feature_axes)."
                )

    # Scaling

    def normalize(
        self,
        batch: object,  # a dict, a tuple, a list or a dataclass, of any content
        *,
        feature_axis: FeatureAxis | Mapping[str, FeatureAxis] = None,
        **options: Unpack[KeyScaleKeywords],
    ) -> Any:
        """Return a batch with the parts of all keys normalized, and the others unchanged.

        Parameters
        ----------
        batch
            A dict, tuple, list or dataclass, which may be nested, as it was fitted. It is not
            changed: dicts, tuples and lists on the way to a part are copied.
        feature_axis
            As in `evenly.fit`. None: the axes of the fit.
        options
            As in `Moments.normalize`, for all keys. For some of them only, use `select`.

        Raises
        ------
        ColumnError
            When a part is missing.
        DataError, UnsupportedTypeError
            As `Moments.normalize`; messages name the key.
        """
        return self._scale(batch, "normalize", feature_axis, options)

    def denormalize(
        self,
        batch: object,  # as in normalize
        *,
        feature_axis: FeatureAxis | Mapping[str, FeatureAxis] = None,
        **options: Unpack[KeyUnscaleKeywords],
    ) -> Any:
        """Return a batch with the parts of all keys denormalized: the inverse of `normalize`.

        The options are those of `Moments.denormalize`; the parameters and the errors are those of
        `normalize`.
        """
        return self._scale(batch, "denormalize", feature_axis, options)

    def _scale(
        self, batch: object, method: str, feature_axis: object, options: Mapping[str, object]
    ) -> Any:
        for key, part in self._parts_to_scale(feature_axis).items():
            with key_errors(key):
                values = select_part(batch, part.path, "the batch")
                scale = getattr(self._moments[key], method)
                scaled = scale(values, feature_axis=part.feature_axis, **options)
                batch = replace_part(batch, part.path, scaled)
        return batch

    def _parts_to_scale(self, feature_axis: object) -> dict[str, BatchPart]:
        """Return the parts with the axes of the fit, or with those given.

        Raises
        ------
        DataError
            For an axis of 0 in the fit, which may mean rows one by one or columns first.
        """
        if feature_axis is not None and not isinstance(feature_axis, Mapping):
            return parse_parts(self.paths, feature_axis)
        given = {} if feature_axis is None else feature_axis
        for key, part in self._parts.items():
            if part.feature_axis == 0 and key not in given:
                raise DataError(
                    "After a fit with feature_axis=0, the axis of a batch must be given, since the "
                    "items of the fit may have been single rows. Received: no axis for "
                    f"{key!r}. Pass feature_axis={{{key!r}: -1}} for batches of rows."
                )
        return parse_parts(self.paths, {**self.feature_axes, **given})

    # Text and files

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return the statistics of each key as lists of Python numbers.

        The keys of the inner dicts are ``columns``, ``count``, ``missing``, ``mean``, ``std``,
        ``min`` and ``max``.

        Examples
        --------
        >>> import evenly
        >>> evenly.fit([{"x": [[1.0], [3.0]]}], select={"x": "x"}).to_dict()["x"]["mean"]
        [2.0]
        """
        return {
            key: {
                "columns": None if moments.columns is None else list(moments.columns),
                "count": moments.count.tolist(),
                "missing": moments.missing.tolist(),
                "mean": moments.mean.tolist(),
                "std": moments.std().tolist(),
                "min": moments.min.tolist(),
                "max": moments.max.tolist(),
            }
            for key, moments in self.items()
        }

    def _table_view(self) -> text_table.TextTable:
        columns = [(key, i) for key, m in self.items() for i in range(m.num_features)]
        visible = text_table.visible_columns(len(columns))
        bounds = any(moments.extremes_are_bounds for moments in self.values())
        return text_table.TextTable(
            f"MomentsByKey of {counted(len(self), 'key')}",
            ("key", *text_table.HEADINGS),
            [_row(key, self[key], column) for key, column in (columns[i] for i in visible)],
            f"l{text_table.ALIGNMENT}",
            omitted=text_table.omitted_line(len(columns) - len(visible)),
            footer=text_table.footer_lines({}, bounds),
        )

    def save(self, path: Path, *, storage_options: StorageOptions | None = None) -> None:
        """Write one statistics file atomically; see `Moments.save`."""
        lines = self._serialize()
        with open_output(path, storage_options) as file, _core.ExactMode():
            file.writelines(lines)

    def to_bytes(self) -> bytes:
        """Return the content of the statistics file that `save` writes."""
        with _core.ExactMode():
            return b"".join(self._serialize())

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Return the moments in the content of a statistics file, after validating it.

        Raises
        ------
        StatisticsFileError
            When it is not a statistics file of keys, or its statistics are impossible.
        """
        with _core.ExactMode():
            return cls._from_parts(file_format.parse(content))

    @classmethod
    def _from_parts(cls, parts: list[file_format.PartRecord]) -> Self:
        """Return the moments of a statistics file that has been validated."""
        result = cls.empty()
        result._parts = {record.key: record.part for record in parts}
        result._moments = {p.key: from_records(p.header, list(p.columns)) for p in parts}
        return result

    def _serialize(self) -> Iterator[bytes]:
        for moments in self.values():
            moments._check_possible()
        return file_format.lines(program_version(), map(self._record, self))

    def _record(self, key: str) -> file_format.PartRecord:
        return file_format.PartRecord(key, self._parts[key], *to_records(self[key]))


def _check_by_key(other: object) -> None:
    """Check that an object is not moments without keys.

    Raises
    ------
    DataError
        If it is `Moments` or `GroupedMoments`.
    """
    if isinstance(other, MomentsBase):
        raise mixed_keys_error(f"MomentsByKey and {type(other).__name__}")


def _row(key: str, moments: Moments, column: int) -> text_table.Row:
    """Return the cells of a column of a key."""
    state = moments._state.take([column])
    name = str(column) if moments.columns is None else moments.columns[column]
    (record,) = records(state, (name,), (moments.dtypes[column],))
    return (text_table.format_name(key), *text_table.format_row(record))


def _describe(part: BatchPart) -> str:
    axis = "" if part.feature_axis is None else f" with feature_axis={part.feature_axis!r}"
    return f"{part.path!r}{axis}"
