"""The statistics file: exact moments as text, one column a line.

``docs/format.md`` specifies it byte by byte. It is plain JSON, nothing in it is ever
executed or unpickled, and a reader believes nothing that it has not checked.
"""

import json
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from typing import Any

from evenly.columns import first_duplicate
from evenly.errors import SourceError, StatisticsFileError
from evenly.redaction import redact, redact_url
from evenly.statistics_file import column as one_column
from evenly.statistics_file import manifest as files_in_sums
from evenly.statistics_file.column import ColumnRecord, InvalidNumber, abbreviate
from evenly.statistics_file.manifest import Manifest
from evenly.statistics_file.structure import check_structure
from evenly.system.regular_files import NotRegularError, RegularFile, not_regular_error

FORMAT = "evenly statistics"
FORMAT_VERSION = 1
NEWEST_VERSION = 2  # that of groups
MAX_BYTES = 2**31
"""No larger file is read: some six million columns."""

_KEYS = ("columns", "evenly_version", "extremes", "format", "format_version", "rows", "sources")


@dataclass(slots=True, frozen=True)
class Header:
    """What the file says of all columns together.

    Attributes
    ----------
    rows
        Rows that were read, whatever they weighed.
    sources
        Where they came from: file names, addresses. Information only.
    extremes_are_bounds
        Whether min and max may belong to values that were subtracted since.
    evenly_version
        The version of the program that wrote the file.
    ledger
        Which files are in the sums, where that was kept.
    """

    rows: int
    sources: tuple[str, ...]
    extremes_are_bounds: bool
    evenly_version: str
    manifest: Manifest | None = None


def lines(header: Header, columns: Iterable[ColumnRecord]) -> Iterator[bytes]:
    """Yield the bytes of a statistics file, piece by piece."""
    parts = header_parts(header, FORMAT_VERSION)
    parts |= {"columns": json_array(map(one_column.write, columns))}
    if header.manifest is not None:
        parts |= files_in_sums.serialize(header.manifest)
    return json_object(parts)


def encode(text: str) -> bytes:
    """Return text as it stands in the file."""
    # A lone surrogate (a file name that is no UTF-8) has no UTF-8 form. This handler
    # writes it as \udc80, which inside a JSON string is the escape for just that.
    return text.encode("utf-8", "backslashreplace")


def header_parts(header: Header, version: int) -> dict[str, Iterable[str]]:
    """Return the text of each key of the header, in pieces."""
    rest: dict[str, Any] = {
        "evenly_version": header.evenly_version,
        "extremes": "bounds" if header.extremes_are_bounds else "exact",
        "format": FORMAT,
        "format_version": version,
        "rows": header.rows,
        "sources": sorted(map(redact, header.sources)),
    }
    return {key: [json.dumps(value, ensure_ascii=False)] for key, value in rest.items()}


def json_array(entries: Iterable[str]) -> Iterator[str]:
    """Yield an array, each entry on a line of its own."""
    yield "["
    before = "\n"
    for entry in entries:
        yield before + entry
        before = ",\n"
    yield "\n]"


def json_object(parts: dict[str, Iterable[str]]) -> Iterator[bytes]:
    """Yield the whole file: its keys, sorted, and the text of each."""
    before = "{\n"
    for key in sorted(parts):
        yield encode(f'{before}"{key}": ')
        yield from map(encode, parts[key])
        before = ",\n"
    yield b"\n}\n"


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a file, but no more than a statistics file may have."""
    try:
        with BufferedReader(RegularFile(path)) as file:
            content = file.read(MAX_BYTES + 1)
    except NotRegularError:
        raise not_regular_error(redact_url(os.fspath(path))) from None
    except OSError as error:
        raise SourceError(
            f"Cannot read the statistics file {redact_url(os.fspath(path))!r}: "
            f"{(error.strerror or str(error)).lower()}. Check the path."
        ) from None
    return content


def parse(content: bytes) -> tuple[Header, list[ColumnRecord]]:
    """Return what the bytes of a statistics file say; `load` without the file."""
    return read(parse_document(content))


def read(document: dict[str, Any]) -> tuple[Header, list[ColumnRecord]]:
    """Return what a parsed file says, after checking all of it."""
    if document["format_version"] != FORMAT_VERSION:
        raise StatisticsFileError(
            "this statistics file has groups. Read it with evenly.load or "
            "GroupedMoments.from_bytes."
        )
    header = header_of(document, _KEYS)
    return header, columns_of(document["columns"])


def parse_document(content: bytes) -> dict[str, Any]:
    """Return the JSON object in a statistics file; only its version has been checked."""
    if len(content) > MAX_BYTES:
        raise StatisticsFileError(f"a statistics file has at most {MAX_BYTES:,} bytes.")
    check_structure(content)
    document = _json(content)
    del content
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise StatisticsFileError(
            f'this is no statistics file: it has no "format": "{FORMAT}". '
            "Make one with `evenly fit -o FILE` or `moments.save(FILE)`."
        )
    _check_version(document.get("format_version"))
    return document


def _json(content: bytes) -> Any:
    try:
        return json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=InvalidNumber,
        )
    except UnicodeDecodeError as error:
        raise StatisticsFileError(
            f"this is no statistics file: not UTF-8, as text is ({error.reason} at byte "
            f"{error.start}). Make one of data with `evenly fit -o FILE`."
        ) from None
    except json.JSONDecodeError as error:
        raise StatisticsFileError(
            "this is no statistics file, or one that was cut short: not JSON "
            f"({error.msg} at line {error.lineno}, column {error.colno}). "
            "Make one of data with `evenly fit -o FILE`."
        ) from None
    except RecursionError:
        raise StatisticsFileError("nested too deeply.") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entry = dict(pairs)
    if len(entry) != len(pairs):
        twice = first_duplicate(key for key, _ in pairs)
        label = f" of column {abbreviate(entry['name'])}" if "name" in entry else ""
        raise StatisticsFileError(f"the key {abbreviate(twice)}{label} stands there twice.")
    return entry


def _integer(text: str) -> int | InvalidNumber:
    return int(text) if len(text) <= 20 else InvalidNumber(text)


def _float(text: str) -> float | InvalidNumber:
    value = float(text)
    return value if math.isfinite(value) else InvalidNumber(text)


def _check_version(version: Any) -> None:
    if type(version) is not int or version < 1:
        raise StatisticsFileError(
            f"'format_version' must be a positive integer. Received: {abbreviate(version)}."
        )
    if version > NEWEST_VERSION:
        raise StatisticsFileError(
            f"the file has format version {version}; this evenly reads up to {NEWEST_VERSION}. "
            "Install a newer one: pip install -U evenly"
        )


def header_of(document: dict[str, Any], keys: tuple[str, ...]) -> Header:
    """Return what a file says of all columns, after checking it; it must have just these keys."""
    if missing := [key for key in keys if key not in document]:
        raise StatisticsFileError(f"the file has no {missing[0]!r}.")
    if unknown := sorted(document.keys() - {*keys, *files_in_sums.KEYS}):
        raise StatisticsFileError(f"the file has an unknown key, {abbreviate(unknown[0])}.")
    rows, sources = document["rows"], document["sources"]
    extremes, writer = document["extremes"], document["evenly_version"]
    if type(rows) is not int or not 0 <= rows < 2**63:
        raise StatisticsFileError(
            f"'rows' must be an integer from 0 to 2**63 - 1. Received: {abbreviate(rows)}."
        )
    if type(sources) is not list or any(type(source) is not str for source in sources):
        raise StatisticsFileError(f"'sources' must be strings. Received: {abbreviate(sources)}.")
    if extremes not in ("exact", "bounds"):
        raise StatisticsFileError(
            f'\'extremes\' must be "exact" or "bounds". Received: {abbreviate(extremes)}.'
        )
    if type(writer) is not str:
        raise StatisticsFileError(f"'evenly_version' must be text. Received: {abbreviate(writer)}.")
    ledger = files_in_sums.read(document, rows)
    return Header(rows, tuple(map(redact, sources)), extremes == "bounds", writer, ledger)


def columns_of(entries: Any) -> list[ColumnRecord]:
    """Return the columns in a parsed array, after checking all of them."""
    if type(entries) is not list:
        raise StatisticsFileError(f"'columns' must be an array. Received: {abbreviate(entries)}.")
    columns = []
    for index, entry in enumerate(entries):
        columns.append(one_column.read(entry, index))
        entries[index] = None  # a million columns: do not hold them twice
    _check_names([column.name for column in columns])
    return columns


def _check_names(names: list[str | None]) -> None:
    if (unnamed := names.count(None)) not in (0, len(names)):
        raise StatisticsFileError(
            f"either all columns have a 'name' or none. {unnamed} of {len(names)} have none."
        )
    if not unnamed and len(set(names)) != len(names):
        twice = first_duplicate(map(str, names))
        raise StatisticsFileError(f"two columns have the same name, {abbreviate(twice)}.")
