"""Which files are in the sums: what a statistics file may say so that a fit can go on.

The keys and their meaning are specified in ``docs/format.md``.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from evenly.errors import StatisticsFileError
from evenly.redaction import redact_url
from evenly.statistics_file.column import abbreviate

KEYS = ("fields", "files", "options")
"""All of them are there, or none."""

_FILE_KEYS = frozenset(("bytes", "complete", "members", "modified", "path", "rows"))
_OPTION_KEYS = frozenset(
    (
        *("broken", "by", "columns", "exclude", "feature_axis"),
        *("infinite", "mode", "select", "weights"),
    )
)
_MAX_KIND_LENGTH = 200
_MAX_PATH_LENGTH = 65_536


class FileRecord(NamedTuple):
    """A file that is in the sums, or the first rows of it.

    Attributes
    ----------
    path
        As a `Manifest` names it; of a URL what `redact_url` returns.
    bytes, modified
        What tells whether it is still the same: see `evenly.sources.files.fingerprint.Fingerprint`.
    rows
        How many of its rows, from the first on, are in the sums.
    complete
        Whether these are all.
    members
        Of an archive of images that is not complete: how many of them, from the first on, were
        read, also those that are broken and have no rows.
    """

    path: str
    bytes: int | None
    modified: int | str | None
    rows: int
    complete: bool
    members: int = 0


@dataclass(slots=True, frozen=True)
class Manifest:
    """Which files are in the sums, and how they were read.

    Attributes
    ----------
    files
        No path twice.
    options
        What decides the result: the options of `evenly.fit` by their names.
    fields
        Name and kind of each column that the files have, fitted or not, in their order; None
        for arrays, whose columns have no names.
    """

    files: Iterable[FileRecord] = ()
    options: dict[str, Any] = field(default_factory=dict)
    fields: tuple[tuple[str, str], ...] | None = None


def serialize(ledger: Manifest) -> dict[str, Iterable[str]]:
    """Return the text of each key's value, in pieces: one field and one file a line."""
    fields = ["null"] if ledger.fields is None else _array(map(_dumped, ledger.fields))
    return {
        "fields": fields,
        "files": _array(map(_line, ledger.files)),
        "options": [_dumped(ledger.options)],
    }


def _array(lines: Iterable[str]) -> Iterator[str]:
    before = "[\n"
    for line in lines:
        yield before + line
        before = ",\n"
    yield "[]" if before == "[\n" else "\n]"


def _line(file: FileRecord) -> str:
    path, size, modified, rows, complete, members = file
    several = f'"members": {members}, ' if members else ""
    time = str(modified) if isinstance(modified, int) else _dumped(modified)  # twice as quick
    return (
        f'{{"bytes": {"null" if size is None else size}, '
        f'"complete": {"true" if complete else "false"}, {several}"modified": {time}, '
        f'"path": {_dumped(path)}, "rows": {rows}}}'
    )


_dumped = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode


def read(document: dict[str, Any], rows: int) -> Manifest | None:
    """Return what a document says of files, or None, after checking it.

    Raises
    ------
    StatisticsFileError
        When only some of the keys are there, when something is of the wrong type or size, or
        when the files' rows are not those of the whole.
    """
    there = [key for key in KEYS if key in document]
    if not there:
        return None
    if missing := sorted(set(KEYS) - set(there)):
        raise StatisticsFileError(f"the file has {there[0]!r}, but no {missing[0]!r}.")
    files = _files(document["files"])
    if (total := sum(file.rows for file in files)) != rows:
        raise StatisticsFileError(
            f"the files have {total:,} rows together, but 'rows' is {rows:,}. A file cannot be "
            "taken out of the sums by taking out its line."
        )
    return Manifest(files, _options(document["options"]), _fields(document["fields"]))


def _files(entries: Any) -> list[FileRecord]:
    _check(type(entries) is list, "'files' must be an array", entries)
    files = []
    for index, entry in enumerate(entries):
        files.append(_file(entry, f"file {index}"))
        entries[index] = None  # ten million files: do not hold them twice
    _check_once(file.path for file in files)
    return files


def _file(entry: Any, label: str) -> FileRecord:
    _check(type(entry) is dict, f"{label} must be an object", entry)
    entry.setdefault("members", 0)
    _check_keys(entry, _FILE_KEYS, label)
    for key, (good, rule) in _FILE_RULES.items():
        _check(good(entry[key]), f"{label}: {key!r} must be {rule}", entry[key])
    entry["path"] = redact_url(entry["path"])  # older writers, and others, may not have
    return FileRecord(*(entry[key] for key in FileRecord._fields))


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_text(value: Any, longest: int) -> bool:
    return type(value) is str and len(value) <= longest


_FILE_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "bytes": (lambda x: x is None or _is_count(x), "an integer from 0 to 2**63 - 1, or null"),
    "complete": (lambda x: type(x) is bool, "true or false"),
    "members": (_is_count, "an integer from 0 to 2**63 - 1"),
    "modified": (
        lambda x: x is None or _is_text(x, 200) or (type(x) is int and abs(x) < 2**63),
        "an integer of 64 bits, a string of at most 200 characters, or null",
    ),
    "path": (
        lambda x: _is_text(x, _MAX_PATH_LENGTH) and x != "",
        f"a string of 1 to {_MAX_PATH_LENGTH} characters",
    ),
    "rows": (_is_count, "an integer from 0 to 2**63 - 1"),
}


def _check_once(paths: Iterable[str]) -> None:
    seen: set[str] = set()
    for path in paths:
        if path in seen:
            raise StatisticsFileError(f"two files have the same path, {abbreviate(path)}.")
        seen.add(path)


def _options(options: Any) -> dict[str, Any]:
    _check(type(options) is dict, "'options' must be an object", options)
    _check_keys(options, _OPTION_KEYS, "'options'")
    for key, value in options.items():
        _check(
            value is None or _is_name(value) or (type(value) is list and all(map(_is_name, value))),
            f"the option {key!r} must be a name, a number, an array of these, or null",
            value,
        )
    return dict(options)


def _is_name(value: Any) -> bool:
    return type(value) is str or (type(value) is int and abs(value) < 2**63)


def _fields(fields: Any) -> tuple[tuple[str, str], ...] | None:
    if fields is None:
        return None
    _check(type(fields) is list, "'fields' must be an array or null", fields)
    for index, pair in enumerate(fields):
        good = type(pair) is list and len(pair) == 2 and type(pair[0]) is str
        _check(
            good and _is_text(pair[1], _MAX_KIND_LENGTH),
            f"field {index} must be an array of a name and a kind",
            pair,
        )
    return tuple((name, kind) for name, kind in fields)


def _check_keys(entry: dict[str, Any], keys: frozenset[str], label: str) -> None:
    if missing := sorted(keys - entry.keys()):
        raise StatisticsFileError(f"{label} has no {missing[0]!r}.")
    if unknown := sorted(entry.keys() - keys):
        raise StatisticsFileError(f"{label} has an unknown key, {abbreviate(unknown[0])}.")


def _check(good: bool, rule: str, value: Any) -> None:
    if not good:
        raise StatisticsFileError(f"{rule}. Received: {abbreviate(value)}.")
