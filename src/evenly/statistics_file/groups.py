"""Write and read the statistics file of grouped moments: format version 2.

``docs/format.md`` specifies it. The lines of columns are those of an ordinary file, and the same
code validates them.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from evenly.errors import StatisticsFileError
from evenly.group_keys import By, Key, KeyPart, first_surrogate
from evenly.key_index import KeyIndex
from evenly.statistics_file import column as column_format
from evenly.statistics_file import manifest
from evenly.statistics_file.bin_checks import check_bins
from evenly.statistics_file.checks import (
    InvalidNumber,
    abbreviate,
    check,
    invalid_value_error,
    is_count,
)
from evenly.statistics_file.column import ColumnRecord
from evenly.statistics_file.document import (
    Header,
    has_groups,
    header_of,
    header_parts,
    json_array,
    json_object,
    parse_columns,
    parse_document,
)
from evenly.typing import JsonObject

VERSION = 2

_KEYS = (
    "by",
    "evenly_version",
    "extremes",
    "format",
    "format_version",
    "groups",
    "rows",
    "sources",
)
_GROUP_KEYS = ("columns", "key", "rows")
_TIMES = {"date": date, "timestamp": datetime}


class GroupRecord(NamedTuple):
    """The statistics of a group in the file."""

    key: Key
    rows: int
    columns: list[ColumnRecord]


def lines(header: Header, by: By, groups: Iterable[GroupRecord]) -> Iterator[bytes]:
    """Yield the bytes of a statistics file of groups in chunks."""
    by_value = list(by) if isinstance(by, tuple) else by
    parts = header_parts(header, VERSION)
    parts |= {
        "by": [json.dumps(by_value, ensure_ascii=False)],
        "groups": json_array(_group_text(group, by) for group in groups),
    }
    if header.manifest is not None:
        parts |= manifest.serialize(header.manifest)
    return json_object(parts)


def _group_text(group: GroupRecord, by: By) -> str:
    columns = "".join(json_array(map(column_format.write, group.columns)))
    key = [_key_part_to_json(part) for part in group.key]
    text = json.dumps(key if isinstance(by, tuple) else key[0], ensure_ascii=False)
    return f'{{"columns": {columns}, "key": {text}, "rows": {group.rows}}}'


def _key_part_to_json(part: KeyPart) -> Any:
    if isinstance(part, datetime):
        return {"timestamp": part.isoformat()}
    return {"date": part.isoformat()} if isinstance(part, date) else part


def parse(content: bytes) -> tuple[Header, By, list[GroupRecord]]:
    """Parse and validate the bytes of a statistics file of groups."""
    document = parse_document(content)
    if not has_groups(document):
        raise StatisticsFileError(
            "this statistics file has no groups. Read it with evenly.load or Moments.from_bytes."
        )
    return read(document)


def read(document: JsonObject) -> tuple[Header, By, list[GroupRecord]]:
    """Validate a parsed file; return its header, ``by`` and groups.

    Raises
    ------
    StatisticsFileError
        When it violates ``docs/format.md``, or the statistics are impossible.
    """
    header = header_of(document, _KEYS)
    by = _read_by(document["by"])
    entries = document["groups"]
    check(type(entries) is list, "'groups' must be an array", entries)
    groups: list[GroupRecord] = []
    for index, entry in enumerate(entries):
        groups.append(_read_group(entry, index, by, header.bins))
        entries[index] = None  # a million columns: do not hold them twice
    _check_groups(groups)
    _check_bins(groups)
    if header.rows != sum(group.rows for group in groups):
        raise StatisticsFileError(
            f"'rows' must be the sum of the rows of the groups. Received: {header.rows}."
        )
    return header, by, groups


def _read_by(by: object) -> By:
    if by is None or type(by) is str:
        return by
    if type(by) is list and by and all(type(name) is str for name in by):
        return tuple(by)
    raise invalid_value_error("'by' must be a name, an array of names or null", by)


def _read_group(entry: object, index: int, by: By, most_bins: int) -> GroupRecord:
    if not isinstance(entry, dict):
        raise invalid_value_error(f"group {index} must be an object", entry)
    if set(entry) != set(_GROUP_KEYS):
        key = sorted(set(entry) ^ set(_GROUP_KEYS))[0]
        raise StatisticsFileError(
            f"group {index} must have exactly the keys {', '.join(_GROUP_KEYS)}. "
            f"Received: {'an unknown' if key in entry else 'no'} {abbreviate(key)}."
        )
    rows = entry["rows"]
    if not is_count(rows):
        rule = f"group {index}: 'rows' must be an integer from 0 to 2**63 - 1"
        raise invalid_value_error(rule, rows)
    key = _read_key(entry["key"], index, by)
    try:
        return GroupRecord(key, rows, parse_columns(entry["columns"], most_bins))
    except StatisticsFileError as error:
        raise StatisticsFileError(f"group {index}: {error}") from None


def _read_key(key: object, index: int, by: By) -> Key:
    if not isinstance(by, tuple):
        return (_read_key_part(key, index),)
    if type(key) is not list or len(key) != len(by):
        rule = f"'key' must be an array of {len(by)} values, one per name in 'by'"
        raise invalid_value_error(f"group {index}: {rule}", key)
    return tuple(_read_key_part(part, index) for part in key)


def _read_key_part(part: object, index: int) -> KeyPart:
    if part is None or type(part) is bool or (type(part) is str and not first_surrogate(part)):
        return part
    if type(part) is int and -(2**63) <= part < 2**64:
        return part
    if type(part) is float and (not part.is_integer() or abs(part) >= 2**63):
        return part
    if type(part) is dict and len(part) == 1 and not isinstance(part, InvalidNumber):
        ((type_name, text),) = part.items()
        time = _read_time(type_name, text)
        if time is not None:
            return time
    raise invalid_value_error(
        f"group {index}: a key must be text, a number (integers without a point), true, false, "
        'null, {"date": "2013-01-31"} or {"timestamp": "2013-01-31T05:00:00"}',
        part,
    )


def _read_time(type_name: str, text: object) -> date | datetime | None:
    """Return a date or timestamp; None unless `text` is its canonical form."""
    if type_name not in _TIMES or type(text) is not str or len(text) > 40:
        return None
    try:
        time: date | datetime = _TIMES[type_name].fromisoformat(text)
    except ValueError:
        return None
    if isinstance(time, datetime) and time.tzinfo is not None:
        time = time.replace(tzinfo=UTC) if time.utcoffset() == UTC.utcoffset(None) else date.min
    return time if time.isoformat() == text else None


def _check_groups(groups: list[GroupRecord]) -> None:
    """Check that all groups have the same columns and different keys."""
    if not groups:
        return
    names = [column.name for column in groups[0].columns]
    seen = KeyIndex()
    for index, group in enumerate(groups):
        if not names or [column.name for column in group.columns] != names:
            raise StatisticsFileError(
                "all groups must have the same columns, at least one, in the same order. Group "
                f"{index} differs from the first."
            )
        if group.key in seen:
            raise StatisticsFileError(f"group {index} has the same key as an earlier group.")
        seen[group.key] = index


def _check_bins(groups: list[GroupRecord]) -> None:
    """Check the bins of all groups together, which have the same columns."""
    width = len(groups[0].columns) if groups else 0

    def label(index: int) -> str:
        group, column = divmod(index, width)
        name = groups[group].columns[column].name
        return f"group {group}: {column_format.column_label(name, column)}"

    check_bins([column for group in groups for column in group.columns], label)
