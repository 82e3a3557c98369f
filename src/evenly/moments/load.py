"""Load and merge moments, with or without groups."""

import os
from collections.abc import Iterable, Mapping
from typing import Any, overload

from evenly import _core, statistics_file
from evenly.errors import StatisticsFileError, UnsupportedTypeError
from evenly.moments.base import mixed_grouping_error, mixed_keys_error
from evenly.moments.by_key import MomentsByKey
from evenly.moments.grouped import GroupedMoments
from evenly.moments.moments import Moments, from_records
from evenly.moments.records import groups_from_records
from evenly.redaction import redact_url
from evenly.statistics_file import Manifest, by_key, groups
from evenly.typing import Path, StorageOptions

_Loaded = Moments | GroupedMoments | MomentsByKey


# Any, and not a union: callers would have to narrow it before they read any attribute.
def load(path: Path, *, storage_options: StorageOptions | None = None) -> Any:
    """Load a statistics file: `Moments`, `GroupedMoments` or `MomentsByKey`, as it was saved.

    Parameters
    ----------
    path
        A path, or a URL for fsspec such as ``s3://bucket/x.json``.
    storage_options
        The options of the file system of a URL, as in `evenly.fit`.

    Raises
    ------
    SourceError
        When the file is missing or cannot be read.
    StatisticsFileError
        When it is not a statistics file, or its statistics are impossible.
    """
    return load_with_manifest(path, storage_options)[0]


def load_with_manifest(
    path: Path, storage_options: StorageOptions | None = None
) -> tuple[_Loaded, Manifest | None]:
    """Load a statistics file and its manifest, which is None if it has none."""
    content = statistics_file.read_bytes(path, storage_options)
    try:
        return _read(content)
    except StatisticsFileError as error:
        raise StatisticsFileError(f"{redact_url(os.fspath(path))}: {error}") from None


def from_bytes(content: bytes) -> _Loaded:
    """Return the moments in the content of a statistics file, like `load`."""
    return _read(content)[0]


def _read(content: bytes) -> tuple[_Loaded, Manifest | None]:
    with _core.ExactMode():  # to parse and compare subnormal numbers
        return _read_exactly(content)


def _read_exactly(content: bytes) -> tuple[_Loaded, Manifest | None]:
    document = statistics_file.parse_document(content)
    del content
    if document["format_version"] == statistics_file.KEY_VERSION:
        return MomentsByKey._from_parts(by_key.read(document)), None
    if not statistics_file.has_groups(document):
        header, columns = statistics_file.read(document)
        return from_records(header, columns), header.manifest
    header, by, group_records = groups.read(document)
    return GroupedMoments(*groups_from_records(header, by, group_records)), header.manifest


@overload
def merge(moments: Iterable[Moments]) -> Moments: ...
@overload
def merge(moments: Iterable[GroupedMoments]) -> GroupedMoments: ...
@overload
def merge(moments: Iterable[MomentsByKey]) -> MomentsByKey: ...
@overload
def merge(moments: Iterable[Path]) -> Any: ...
def merge(moments: Iterable[Any]) -> Any:
    """Return the sum of many moments: all without groups, with groups, or by key.

    The result is bit-identical to adding them with ``+`` in any order, and computed faster.

    Parameters
    ----------
    moments
        Moments, or paths of statistics files, which are loaded one after the other.

    Raises
    ------
    ColumnError
        When their columns or keys differ.
    DataError
        When only some of them have groups, or keys.
    UnsupportedTypeError
        When one of them is something else.
    SourceError
        When a statistics file cannot be read.
    StatisticsFileError
        When a file is not a statistics file.
    """
    if isinstance(moments, str | bytes | os.PathLike):
        raise UnsupportedTypeError(
            "merge adds several moments or statistics files. "
            f"Received: {moments!r}. Pass a list of paths, or evenly.load(path) for a single one."
        )
    if isinstance(moments, Mapping | _Loaded) or not isinstance(moments, Iterable):
        raise UnsupportedTypeError(
            "merge adds several moments or statistics files. Received: one value of type "
            f"{type(moments).__name__}. Pass a list of them: [a, b], or the values of a dict."
        )
    total: Any = None
    for part in map(_as_moments, moments):
        total = type(part).empty() if total is None else total
        if not isinstance(part, type(total)):
            received = f"{type(total).__name__} and {type(part).__name__}"
            has_keys = isinstance(total, MomentsByKey) or isinstance(part, MomentsByKey)
            raise mixed_keys_error(received) if has_keys else mixed_grouping_error(received)
        total.merge_inplace(part, private=True)
    return Moments.empty() if total is None else total


def _as_moments(part: object) -> Any:
    """Return moments unchanged; load those of a path."""
    if isinstance(part, str | os.PathLike):
        return load(part)
    if isinstance(part, _Loaded):
        return part
    raise UnsupportedTypeError(
        "merge adds moments and paths of statistics files. "
        f"Received: {type(part).__name__}. Pass evenly.fit(...) of data."
    )
