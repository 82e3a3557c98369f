"""Write and read the manifest of a statistics file: the files already included.

A fit resumes from it. ``docs/format.md`` specifies the keys and their meaning.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from evenly.errors import StatisticsFileError
from evenly.redaction import redact_url
from evenly.statistics_file.checks import abbreviate, check, check_keys, is_count
from evenly.typing import JsonObject

KEYS = frozenset(("fields", "files", "options"))
"""A file has either all of these keys or none."""

_FILE_KEYS = frozenset(("bytes", "complete", "digest", "members", "modified", "path", "rows"))
_OPTION_KEYS = frozenset(
    (
        *("broken", "by", "columns", "exclude", "feature_axis"),
        *("infinite", "mode", "select", "weights"),
    )
)
_MORE_OPTIONS = ("csv", "distribution")
"""Options that are stored only if they are used."""
CSV_KEYS = ("comment", "decimal", "delimiter", "encoding", "header", "missing", "thousands")
_DIGEST = re.compile("sha256:[0-9a-f]{64}")
_MAX_KIND_LENGTH = 200
_MAX_PATH_LENGTH = 65_536


class FileRecord(NamedTuple):
    """A file that is included in the statistics, completely or up to a row.

    Attributes
    ----------
    path
        Path relative to the statistics file; for a URL the result of `redact_url`.
    bytes, modified
        Identity of the file: see `evenly.sources.files.fingerprint.Fingerprint`.
    rows
        Number of rows, from the first on, that are included.
    complete
        Whether all rows are included.
    members
        Number of members of an incomplete archive of images that were read, including broken
        images, which have no rows.
    digest
        ``"sha256:"`` and the hexadecimal digest of the content of a complete file; None if it
        was not computed.
    """

    path: str
    bytes: int | None
    modified: int | str | None
    rows: int
    complete: bool
    members: int = 0
    digest: str | None = None


@dataclass(slots=True, frozen=True)
class Manifest:
    """The files included in the statistics, and the options with which they were read.

    Attributes
    ----------
    files
        Records of files with different paths.
    options
        The options of `evenly.fit` that affect the result, by name.
    fields
        Name and kind of each column of the files in order, fitted or not; None for arrays, whose
        columns have no names.
    """

    files: Iterable[FileRecord] = ()
    options: JsonObject = field(default_factory=dict)
    fields: tuple[tuple[str, str], ...] | None = None


def serialize(manifest: Manifest) -> dict[str, Iterable[str]]:
    """Return the text of each key's value in chunks, with one field or file per line."""
    fields = ["null"] if manifest.fields is None else _json_array(map(_dumps, manifest.fields))
    return {
        "fields": fields,
        "files": _json_array(map(_file_line, manifest.files)),
        "options": [_dumps(manifest.options)],
    }


def _json_array(lines: Iterable[str]) -> Iterator[str]:
    separator = "[\n"
    for line in lines:
        yield separator + line
        separator = ",\n"
    yield "[]" if separator == "[\n" else "\n]"


def _file_line(file: FileRecord) -> str:
    path, size, modified, rows, complete, members, digest = file
    digest_item = f'"digest": "{digest}", ' if digest else ""
    members_item = f'"members": {members}, ' if members else ""
    time = str(modified) if isinstance(modified, int) else _dumps(modified)  # twice as fast
    return (
        f'{{"bytes": {"null" if size is None else size}, '
        f'"complete": {"true" if complete else "false"}, {digest_item}{members_item}'
        f'"modified": {time}, '
        f'"path": {_dumps(path)}, "rows": {rows}}}'
    )


_dumps = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode


def read(document: JsonObject, rows: int) -> Manifest | None:
    """Validate the manifest of a parsed file and return it; None if there is none.

    Raises
    ------
    StatisticsFileError
        When only some of the keys are present, a value has the wrong type or size, or the rows
        of the files do not add up to `rows`.
    """
    present = sorted(KEYS & document.keys())
    if not present:
        return None
    if missing := sorted(KEYS.difference(present)):
        raise StatisticsFileError(f"the file has {present[0]!r}, but no {missing[0]!r}.")
    files = _read_files(document["files"])
    if (total := sum(file.rows for file in files)) != rows:
        raise StatisticsFileError(
            f"the files have {total:,} rows in total, but 'rows' is {rows:,}. Deleting the line of "
            "a file does not remove it from the sums."
        )
    return Manifest(files, _read_options(document["options"]), _read_fields(document["fields"]))


def _read_files(entries: Any) -> list[FileRecord]:
    check(type(entries) is list, "'files' must be an array", entries)
    files = []
    for index, entry in enumerate(entries):
        files.append(_read_file(entry, f"file {index}"))
        entries[index] = None  # do not keep ten million files twice
    _check_unique_paths(file.path for file in files)
    return files


def _read_file(entry: Any, label: str) -> FileRecord:
    check(type(entry) is dict, f"{label} must be an object", entry)
    entry.setdefault("members", 0)
    entry.setdefault("digest", None)
    check_keys(entry, _FILE_KEYS, label)
    for key, (is_valid, rule) in _FILE_RULES.items():
        check(is_valid(entry[key]), f"{label}: {key!r} must be {rule}", entry[key])
    entry["path"] = redact_url(entry["path"])  # other writers may not have redacted it
    return FileRecord(*(entry[key] for key in FileRecord._fields))


def _is_text(value: object, max_length: int) -> bool:
    return type(value) is str and len(value) <= max_length


_FILE_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "bytes": (lambda x: x is None or is_count(x), "an integer from 0 to 2**63 - 1, or null"),
    "complete": (lambda x: type(x) is bool, "true or false"),
    "digest": (
        lambda x: x is None or (type(x) is str and bool(_DIGEST.fullmatch(x))),
        "'sha256:' and 64 hexadecimal digits",
    ),
    "members": (is_count, "an integer from 0 to 2**63 - 1"),
    "modified": (
        lambda x: x is None or _is_text(x, 200) or (type(x) is int and abs(x) < 2**63),
        "a 64-bit integer, a string of at most 200 characters, or null",
    ),
    "path": (
        lambda x: _is_text(x, _MAX_PATH_LENGTH) and x != "",
        f"a string of 1 to {_MAX_PATH_LENGTH} characters",
    ),
    "rows": (is_count, "an integer from 0 to 2**63 - 1"),
}


def _check_unique_paths(paths: Iterable[str]) -> None:
    seen: set[str] = set()
    for path in paths:
        if path in seen:
            raise StatisticsFileError(f"two files have the same path, {abbreviate(path)}.")
        seen.add(path)


def _read_options(options: Any) -> JsonObject:
    check(type(options) is dict, "'options' must be an object", options)
    values = {key: value for key, value in options.items() if key not in _MORE_OPTIONS}
    check_keys(values, _OPTION_KEYS, "'options'")
    if "csv" in options:
        _check_csv(options["csv"])
    if "distribution" in options:
        bins = options["distribution"]
        check(is_count(bins), "the option 'distribution' must be a number of bins", bins)
    for key, value in values.items():
        check(
            value is None or _is_name(value) or (type(value) is list and all(map(_is_name, value))),
            f"the option {key!r} must be a name, a number, an array of these, or null",
            value,
        )
    return dict(options)


def _check_csv(csv: Any) -> None:
    """Check how CSV files were read: options whose values are texts, numbers or arrays of texts."""
    check(type(csv) is dict and len(csv) > 0, "the option 'csv' must be an object", csv)
    for key, value in csv.items():
        values = value if type(value) is list else [value]
        check(
            key in CSV_KEYS and all(_is_name(x) or type(x) is bool for x in values),
            f"the option 'csv' must have only the keys {', '.join(CSV_KEYS)}, each a text, a "
            "number, true, false or an array of these",
            {key: value},
        )


def _is_name(value: object) -> bool:
    return type(value) is str or (type(value) is int and abs(value) < 2**63)


def _read_fields(fields: Any) -> tuple[tuple[str, str], ...] | None:
    if fields is None:
        return None
    check(type(fields) is list, "'fields' must be an array or null", fields)
    for index, pair in enumerate(fields):
        is_pair = type(pair) is list and len(pair) == 2 and type(pair[0]) is str
        check(
            is_pair and _is_text(pair[1], _MAX_KIND_LENGTH),
            f"field {index} must be an array of a name and a kind",
            pair,
        )
    return tuple((name, kind) for name, kind in fields)
