"""Convert the group keys of a CSV file that is copied as text to their fitted types."""

from datetime import date, datetime
from typing import Any

from evenly.block import GroupKeys
from evenly.errors import ColumnError, format_names
from evenly.group_keys import KeyPart, normalize_key
from evenly.moments.grouped import GroupedMoments
from evenly.sources.group_by import factorize_array
from evenly.sources.group_keys import cross_keys, from_codes


def fitted_keys(batch: Any, moments: GroupedMoments) -> GroupKeys | None:
    """Return the keys of a record batch, in which numbers may be text; None for an array.

    Raises
    ------
    ColumnError
        When the batch lacks a key column.
    """
    if moments.by is None or not hasattr(batch, "schema"):
        return None
    names = (moments.by,) if isinstance(moments.by, str) else moments.by
    present = batch.schema.names
    if absent := [name for name in names if name not in present]:
        raise ColumnError(
            f"The source must have every key column. Missing: {format_names(absent)}. "
            f"Received: {format_names(present)}. Rename a column."
        )
    columns = [factorize_array(batch.column(name)) for name in names]
    return cross_keys([_convert_keys(keys, moments, index) for index, keys in enumerate(columns)])


def _convert_keys(keys: GroupKeys, moments: GroupedMoments, index: int) -> GroupKeys:
    """Return the keys of a column in the type of fitted keys.

    Empty text counts as missing unless a group has it as its key: unlike Arrow data, a CSV file
    does not distinguish them.
    """
    if ("",) in keys.uniques and any(key[index] == "" for key in moments._keys()):
        return keys
    kind = moments._metadata.key_types[index]
    return from_codes(keys.codes, [_parse_part(key[0], kind) for key in keys.uniques])


def _parse_number(text: str) -> int | float:
    """Return the number that `evenly.fit` reads: integers of up to 64 bits are exact."""
    number = float(text)
    if not number.is_integer() or not -(2.0**63) <= number <= 2.0**64:
        return number
    try:
        return int(text)
    except ValueError:  # 1e18
        return number


def _parse_part(part: KeyPart, kind: str) -> KeyPart:
    """Return a text converted to a key type, or unchanged if it cannot be converted.

    >>> _parse_part("01", "number"), _parse_part("01", "text"), _parse_part("", "number")
    (1, '01', None)
    """
    if part == "":
        return None
    if not isinstance(part, str) or kind == "text":
        return part
    try:
        if kind == "number":
            return normalize_key(_parse_number(part))
        if kind == "boolean":
            return {"true": True, "false": False}.get(part.lower(), part)
        return (
            date.fromisoformat(part)
            if kind == "date"
            else normalize_key(datetime.fromisoformat(part))
        )
    except ValueError:
        return part
