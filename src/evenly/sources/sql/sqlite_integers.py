"""Read integers of SQLite exactly in columns that also hold reals.

The ADBC driver reads such a column as float64, which rounds integers beyond 2**53. A second column
has these integers, and the rows are split into ranges that are exact as float64 or as int64.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from evenly import extras
from evenly.block import WideIntegers
from evenly.sources.exact_rows import ANY, FLOAT, INT64, common_ranges, exact_ranges
from evenly.sources.sql.identifiers import quote_identifier

_LIMIT = 2**53
_REAL = ("REAL", "FLOA", "DOUB")
_OTHERS = ("INT", "CHAR", "CLOB", "TEXT", "BLOB")


def stores_reals(declared: str) -> bool:
    """Return whether a declared type makes SQLite store every number as a real.

    That is the rule for affinity, https://www.sqlite.org/datatype3.html, section 3.1.

    >>> stores_reals("DOUBLE PRECISION"), stores_reals("NUMERIC"), stores_reals("FLOATING POINT")
    (True, False, False)
    """
    name = declared.upper()
    return any(word in name for word in _REAL) and not any(word in name for word in _OTHERS)


def mixed_columns(schema: Any, declared: dict[str, str]) -> list[str]:
    """Return the columns of float64 that may have integers.

    Parameters
    ----------
    declared
        The declared types of columns, as far as they have one.
    """
    pyarrow = extras.require("pyarrow", extra="sql", feature="Reading SQLite")
    return [
        field.name
        for field in schema
        if field.type == pyarrow.float64() and not stores_reals(declared.get(field.name, ""))
    ]


def integer_expressions(names: Iterable[str]) -> list[str]:
    """Return the expressions for the integers of columns that float64 rounds, else NULL."""
    return [
        f"CASE WHEN {x} NOT BETWEEN {-_LIMIT} AND {_LIMIT} AND typeof({x}) = 'integer' THEN {x} END"
        for x in map(quote_identifier, names)
    ]


def split_batch(batch: Any, names: Sequence[str]) -> Iterator[Any]:
    """Yield the rows of a batch in ranges whose columns are exact as float64 or as int64.

    Parameters
    ----------
    batch
        A record batch. Its last columns are those of `integer_expressions`.
    names
        The columns that these belong to.
    """
    width = batch.num_columns - len(names)
    columns = batch.select(range(width))
    ranges, wide = {}, {}
    for name, integers in zip(names, batch.columns[width:], strict=True):
        if integers.null_count < len(integers):
            position = columns.schema.get_field_index(name)
            wide[position] = integers
            ranges[position] = _ranges(columns.column(position), integers)
    for start, stop, dtypes in common_ranges(ranges, len(columns)):
        part = columns.slice(start, stop - start)
        for position, integers in wide.items():
            if not dtypes[position] & FLOAT:
                part = _with_integers(part, position, integers.slice(start, stop - start))
        yield part


def _ranges(values: Any, integers: Any) -> dict[int, int]:
    """Return the first row of the longest ranges that one dtype holds, and that dtype."""
    present = values.is_valid().to_numpy(zero_copy_only=False)
    numbers = values.to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore"):
        small = (np.abs(numbers) <= _LIMIT) & (numbers == np.floor(numbers))
    dtypes = np.where(small, FLOAT | INT64, FLOAT)
    dtypes[integers.is_valid().to_numpy(zero_copy_only=False)] = INT64
    dtypes[~present] = ANY
    return exact_ranges(WideIntegers(np.empty(0, np.uint64), dtypes.astype(np.uint8)))


def _with_integers(batch: Any, position: int, integers: Any) -> Any:
    """Return a batch with a column as int64."""
    compute = extras.require("pyarrow.compute", extra="sql", feature="Reading SQLite")
    exact = compute.coalesce(integers, batch.column(position).cast(integers.type, safe=False))
    return batch.set_column(position, batch.schema.field(position).name, exact)
