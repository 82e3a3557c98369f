"""What moments have beside their numbers, by group or not: names, sources, a file; and ``+``."""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, Self, TypeVar

from evenly import _core
from evenly.columns import ColumnNames
from evenly.errors import DataError
from evenly.moments.metadata import GroupMetadata, Metadata
from evenly.statistics_file import Manifest
from evenly.system.atomic import atomic_file

T = TypeVar("T")


class MomentsBase:
    """The columns and sources of moments, copies, ``+``, and the statistics file.

    The core's state has the sums, the number of rows and the metadata. Each change of them is one
    call of the core: an interrupt never leaves a part of it.
    """

    __slots__ = ("_cache", "_state")

    _state: _core.State
    _cache: tuple[int, dict[object, Any]]

    def copy(self) -> Self:
        """Return moments of their own: updating one does not change the other."""
        raise NotImplementedError

    def _merge_inplace(self, other: Self, *, consume: bool = False, private: bool = False) -> None:
        """Add other in place; with ``consume``, other is used up.

        With ``private`` nobody else has us yet, and after a MemoryError nobody will.
        """
        raise NotImplementedError

    def _serialize(self, ledger: Manifest | None) -> Iterator[bytes]:
        """Yield the statistics file, with which files are in the sums, if that is known."""
        raise NotImplementedError

    def _cached(self, key: object, compute: Callable[[], T]) -> T:
        """Return what was computed since the last change of the sums, or compute it now."""
        version = self._state.version
        known, cache = self._cache
        if known != version:
            cache = {}
            self._cache = version, cache
        if key not in cache:
            with _core.ExactMode():
                cache[key] = compute()
        return cache[key]  # type: ignore[no-any-return]

    @property
    def _metadata(self) -> Metadata | GroupMetadata:
        return self._state.metadata  # type: ignore[no-any-return]

    @property
    def columns(self) -> ColumnNames:
        """The names of the columns, in order; None when they have none."""
        return self._metadata.columns

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The dtype that each column came in (several are joined by ``|``)."""
        return self._metadata.dtypes

    @property
    def sources(self) -> tuple[str, ...]:
        """Where the rows came from, sorted. Information only: nothing is computed from it."""
        return tuple(sorted(self._metadata.sources))

    @sources.setter
    def sources(self, sources: Iterable[str]) -> None:
        new = tuple(sources)
        metadata = self._metadata
        while not self._state.replace_metadata(metadata._replace(sources=new), metadata):
            metadata = self._metadata

    @property
    def extremes_are_bounds(self) -> bool:
        """Whether min and max may belong to rows that were subtracted since."""
        return bool(self._state.extremes_are_bounds)

    def __copy__(self) -> Self:
        return self.copy()

    def __deepcopy__(self, memo: object) -> Self:
        return self.copy()

    def __add__(self, other: Self | Literal[0]) -> Self:
        """Return the moments of both sets of rows together."""
        if not isinstance(other, type(self)):
            # sum() begins with 0
            zero = type(other) is int and other == 0
            return self.copy() if zero else NotImplemented
        result = self.copy()
        result._merge_inplace(other, private=True)
        return result

    def __radd__(self, other: Literal[0]) -> Self:
        return self.__add__(other)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a statistics file, whole or not at all (its format: ``docs/format.md``).

        Raises
        ------
        SourceError
            When it cannot be written; what was there before is unchanged.
        """
        self.save_with_manifest(path, None)

    def save_with_manifest(self, path: str | os.PathLike[str], ledger: Manifest | None) -> None:
        """Save, and say which files are in the sums; `save` says nothing of files."""
        self._check_possible()
        lines = self._serialize(ledger)
        with atomic_file(path) as file, _core.ExactMode():
            file.writelines(lines)

    def to_bytes(self) -> bytes:
        """Return the statistics file that `save` writes, for a place that is no file.

        >>> import evenly
        >>> moments = evenly.fit([[1.0], [2.0]])
        >>> evenly.Moments.from_bytes(moments.to_bytes()) == moments
        True
        """
        self._check_possible()
        with _core.ExactMode():
            return b"".join(self._serialize(None))

    def _check_possible(self) -> None:
        """Check that what is to be written can be read again.

        Raises
        ------
        DataError
            When no data can have these sums: bytes that were unpickled were damaged.
        """
        index = self._state.first_impossible()
        if index >= 0:
            columns, width = self.columns, max(1, len(self.dtypes))
            name = index % width if columns is None else repr(columns[index % width])
            raise DataError(
                "Statistics can be saved only if some data can have them. Received: moments with "
                f"sums of column {name} that no values have. They come from damaged bytes, such as "
                "a pickle: fit the data again."
            )


def mixed_grouping_error(received: str) -> DataError:
    """Return the error for moments with groups beside some without."""
    return DataError(
        f"Moments with groups can be added to such only. Received: {received}. Fit both by the "
        "same columns, or add the moments of all groups together, in Python grouped.total()."
    )
