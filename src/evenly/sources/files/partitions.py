"""Hive partitions: columns whose values are in the names of folders, such as ``year=2020/``.

The rules are those of PyArrow and Spark: the folders below the source are partitions, names are
URL-escaped, and a column is of 32-bit integers if all of its values are.
"""

import glob
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from evenly.errors import DataError
from evenly.sources.fields import Field
from evenly.sources.urls import is_url, split_query

if TYPE_CHECKING:
    import pyarrow


MISSING_PARTITION = "__HIVE_DEFAULT_PARTITION__"
"""The value of rows that have none."""

_SEPARATORS = re.compile(r"[\\/]+")
_INTEGER = re.compile(r"-?\d{1,10}")

Value = int | str | None


class PartitionValue(NamedTuple):
    """The value of a column in all rows of a file; None if it is missing."""

    name: str
    is_integer: bool
    value: Value

    @property
    def field(self) -> Field:
        """The column, which is fitted only if it is named."""
        return Field(self.name, f"partition[{'int32' if self.is_integer else 'string'}]")


class Partitions(dict[str, bool]):
    """The columns in the names of folders: whether the values of each are integers."""

    def of(self, path: str) -> tuple[PartitionValue, ...]:
        """Return the values of a file; a value is missing if its path lacks the column.

        Raises
        ------
        DataError
            If a value is text, and those of other files are integers.
        """
        found = {name: value for name, value in _pairs(path) if name in self}
        return tuple(
            PartitionValue(name, is_integer, _convert(name, is_integer, found.get(name), path))
            for name, is_integer in self.items()
        )


def _convert(name: str, is_integer: bool, text: str | None, path: str) -> Value:
    if text is None or not is_integer:
        return text
    if not _is_integer(text):
        raise DataError(
            "The values of a partition must be integers in all folders, or text in all. "
            f"Received: {name}={text} in {path!r}. Fit all folders from the beginning."
        )
    return int(text)


def find_partitions(sources: Iterable[tuple[str, Iterable[str]]]) -> Partitions:
    """Return the partitions of the files that sources stand for.

    Parameters
    ----------
    sources
        Each source, and the paths of its files, which begin with the part of the source that is
        not a pattern.
    """
    values: dict[str, set[str]] = {}
    for source, files in sources:
        depth = len(_fixed_part(source))
        for file in files:
            for name, value in _pairs(file, depth):
                values.setdefault(name, set()).update([] if value is None else [value])
    return Partitions({name: bool(v) and all(map(_is_integer, v)) for name, v in values.items()})


def _fixed_part(source: str) -> list[str]:
    """Return the components of a source that are the same for all of its files.

    >>> _fixed_part("x/year=2020/*/a-*.csv"), _fixed_part("x/y/")
    (['x', 'year=2020'], ['x', 'y'])
    """
    steps = _steps(source)
    magic = (number for number, step in enumerate(steps) if glob.has_magic(step))
    return steps[: next(magic, len(steps))]


def _pairs(path: str, depth: int = 0) -> Iterator[tuple[str, str | None]]:
    """Yield the names and values of the partitions in a path, from a depth on.

    >>> list(_pairs("x/year=2020/city=S%C3%A3o%20Paulo/a=1.csv"))
    [('year', '2020'), ('city', 'São Paulo')]
    """
    for step in _steps(path)[depth:-1]:
        name, equals, value = step.partition("=")
        if equals and name:
            yield unquote(name), None if value == MISSING_PARTITION else unquote(value)


def _steps(path: str) -> list[str]:
    return _SEPARATORS.split((split_query(path)[0] if is_url(path) else path).rstrip("/\\"))


def _is_integer(text: str) -> bool:
    return _INTEGER.fullmatch(text) is not None and -(2**31) <= int(text) < 2**31


def add_to_batch(
    batch: "pyarrow.RecordBatch", partition: Iterable[PartitionValue]
) -> "pyarrow.RecordBatch":
    """Return a PyArrow record batch with the columns of a partition that it does not have."""
    import pyarrow

    for name, is_integer, value in partition:
        if name not in batch.schema.names:
            dtype = pyarrow.int32() if is_integer else pyarrow.string()
            column = pyarrow.repeat(pyarrow.scalar(value, dtype), len(batch))
            batch = batch.append_column(pyarrow.field(name, dtype), column)
    return batch
