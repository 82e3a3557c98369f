"""Refuse folders that are tables with a log: Delta Lake, Apache Iceberg, Apache Hudi, Spark.

The log says which files belong to the table. Others in the folder hold rows that were deleted or
replaced, so reading all of them would count these rows again.
"""

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from evenly.errors import SourceError

if TYPE_CHECKING:
    import fsspec


_LOGS = {
    "_delta_log": "Delta Lake",
    ".hoodie": "Apache Hudi",
    "_spark_metadata": "Spark Structured Streaming",
}
"""The folder of the log of a format."""

LOG_FOLDERS = (*_LOGS, "metadata")
"""The names of folders that may be logs."""

_ICEBERG_METADATA = re.compile(r"(v\d+|\d{5}-[0-9a-f-]{36})(\.gz)?\.metadata\.json(\.gz)?")
"""The names of metadata files of Iceberg tables, which are in the folder `metadata`."""

_READ = {
    "Delta Lake": "deltalake.DeltaTable({0!r}).to_pyarrow_dataset()",
    "Apache Iceberg": "polars.scan_iceberg({1!r})",
    "Spark Structured Streaming": "spark.read.load({0!r})",
    "Apache Hudi": "hudi.HudiTable({0!r}).read_snapshot()",
}
"""The call that returns the rows of a table, given its folder and its last metadata file."""


def check_folder(folder: str) -> None:
    """Check that a local folder is not a table with a log.

    Raises
    ------
    SourceError
        If it is. The message has the call that reads the table.
    """
    for name, kind in _LOGS.items():
        if os.path.isdir(os.path.join(folder, name)):
            raise _table_error(kind, folder)
    names: list[str] = []
    with contextlib.suppress(OSError):
        names = os.listdir(os.path.join(folder, "metadata"))
    _check_metadata(folder, names)


def check_remote_pattern(filesystem: "fsspec.AbstractFileSystem", pattern: str, url: str) -> None:
    """Check that a pattern does not match files of a table with a log, on a remote file system.

    Raises
    ------
    SourceError
        If it is.
    """
    folder = re.split(r"[*?\[]", pattern)[0].rpartition("/")[0]
    for name, kind in _LOGS.items():
        if filesystem.isdir(f"{folder}/{name}"):
            raise _table_error(kind, url)
    names: list[str] = []
    with contextlib.suppress(OSError):
        names = filesystem.ls(f"{folder}/metadata", detail=False)
    _check_metadata(url, [name.rpartition("/")[2] for name in names])


def check_paths(folder: str, paths: Iterable[str]) -> None:
    """Check the relative paths of all files below a folder, as a remote file system lists them.

    Raises
    ------
    SourceError
        If one of them is the log of a table.
    """
    for path in paths:
        parts = PurePosixPath(path).parts
        for number, part in enumerate(parts[:-1]):
            table = "/".join([folder.rstrip("/"), *parts[:number]])
            if part in _LOGS:
                raise _table_error(_LOGS[part], table)
            if part == "metadata":
                _check_metadata(table, parts[number + 1 : number + 2])


def _check_metadata(folder: str, names: Iterable[str]) -> None:
    found = sorted(name for name in names if _ICEBERG_METADATA.fullmatch(name))
    if found:
        raise _table_error("Apache Iceberg", folder, f"{folder}/metadata/{found[-1]}")


def _table_error(kind: str, folder: str, metadata: str = "") -> SourceError:
    call = _READ[kind].format(folder, metadata)
    return SourceError(
        "A table with a log must be read through the log, which says which files belong to it. "
        f"Received: {folder!r}, which is a table of {kind}. Pass evenly.fit({call}), or a list of "
        "the files to read."
    )
