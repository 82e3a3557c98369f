"""Write and read the statistics file of moments by key: format version 4.

``docs/format.md`` specifies it. The lines of columns are those of an ordinary file, and the same
code validates them.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from evenly.errors import ColumnError, DataError, StatisticsFileError
from evenly.redaction import redact
from evenly.sources.parts_by_key import BatchPart, is_step, parse_parts
from evenly.statistics_file import column as column_format
from evenly.statistics_file.checks import abbreviate, check
from evenly.statistics_file.column import ColumnRecord
from evenly.statistics_file.document import (
    FORMAT,
    KEY_VERSION,
    Header,
    header_version,
    json_array,
    json_object,
    parse_document,
)
from evenly.statistics_file.document import read as read_columns
from evenly.typing import JsonObject

_KEYS = ("evenly_version", "format", "format_version", "parts")
_PART_KEYS = ("columns", "extremes", "feature_axis", "key", "path", "rows", "sources")


class PartRecord(NamedTuple):
    """The statistics of a key in the file."""

    key: str
    part: BatchPart
    header: Header
    columns: Iterable[ColumnRecord]


def lines(version: str, parts: Iterable[PartRecord]) -> Iterator[bytes]:
    """Yield the bytes of a statistics file of keys, in ascending order, in chunks.

    Parameters
    ----------
    version
        The version of evenly.
    """
    return json_object(
        {
            "evenly_version": [json.dumps(version)],
            "format": [json.dumps(FORMAT)],
            "format_version": [str(KEY_VERSION)],
            "parts": json_array(map(_part_text, parts)),
        }
    )


def _part_text(record: PartRecord) -> str:
    header, part = record.header, record.part
    values = {
        **({"bins": header.bins} if header.bins else {}),
        "extremes": "bounds" if header.extremes_are_bounds else "exact",
        "feature_axis": part.feature_axis,
        "key": record.key,
        "path": list(part.path),
        "rows": header.rows,
        "sources": sorted(map(redact, header.sources)),
    }
    texts = {key: json.dumps(value, ensure_ascii=False) for key, value in values.items()}
    texts["columns"] = "".join(json_array(map(column_format.write, record.columns)))
    entries = ", ".join(f'"{key}": {texts[key]}' for key in sorted(texts))
    return f"{{{entries}}}"


def parse(content: bytes) -> list[PartRecord]:
    """Parse and validate the bytes of a statistics file of keys."""
    document = parse_document(content)
    if document["format_version"] != KEY_VERSION:
        raise StatisticsFileError("this statistics file has no keys. Read it with evenly.load.")
    return read(document)


def read(document: JsonObject) -> list[PartRecord]:
    """Validate a parsed file; return the statistics of each key.

    Raises
    ------
    StatisticsFileError
        When it violates ``docs/format.md``, or the statistics are impossible.
    """
    _check_keys(document, _KEYS, "the file")
    version, entries = document["evenly_version"], document["parts"]
    check(type(entries) is list, "'parts' must be an array", entries)
    records: list[PartRecord] = []
    for index, entry in enumerate(entries):
        try:
            records.append(_read_part(entry, version))
        except StatisticsFileError as error:
            raise StatisticsFileError(f"part {index}: {error}") from None
        entries[index] = None  # do not keep a million columns twice
    _check_parts(records)
    return records


def _check_keys(entry: Any, keys: tuple[str, ...], label: str) -> None:
    check(type(entry) is dict, f"{label} must be an object", entry)
    if wrong := sorted(entry.keys() ^ set(keys)):
        which = "an unknown key" if wrong[0] in entry else "no"
        raise StatisticsFileError(f"{label} has {which} {abbreviate(wrong[0])}.")


def _read_part(entry: Any, version: Any) -> PartRecord:
    has_bins = type(entry) is dict and "bins" in entry
    _check_keys(entry, (*_PART_KEYS, *["bins"] * has_bins), "it")
    key, path, axis = entry.pop("key"), entry.pop("path"), entry.pop("feature_axis")
    check(type(key) is str, "'key' must be text", key)
    is_path = type(path) is list and all(map(is_step, path))
    check(is_path, "'path' must be an array of strings and integers", path)
    is_axis = axis is None or is_step(axis)
    check(is_axis, "'feature_axis' must be an integer, a name or null", axis)
    whole = {"evenly_version": version, "format": FORMAT}
    whole["format_version"] = header_version(entry.get("bins", 0))
    header, columns = read_columns(whole | entry)
    return PartRecord(key, BatchPart(tuple(path), axis), header, columns)


def _check_parts(records: list[PartRecord]) -> None:
    """Check that keys are in ascending order, and paths lead to separate parts."""
    keys = [record.key for record in records]
    for before, after in pairwise(keys):
        if before >= after:
            raise StatisticsFileError(
                "the keys of the parts must be in ascending order, without repetitions. "
                f"Received: {abbreviate(after)} after {abbreviate(before)}."
            )
    try:
        if records:
            parse_parts({record.key: record.part.path for record in records})
    except (DataError, ColumnError) as error:
        raise StatisticsFileError(str(error)) from None
