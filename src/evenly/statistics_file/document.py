"""Write and read the statistics file: exact moments as text, one line per column.

``docs/format.md`` specifies it byte by byte. It is plain JSON: nothing in it is executed or
unpickled, and the reader checks every value before it is used.
"""

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from typing import Any

from evenly.columns import first_duplicate
from evenly.distribution.option import MAX_BINS, MIN_BINS
from evenly.errors import SourceError, StatisticsFileError, UnsupportedTypeError, system_message
from evenly.redaction import redact, redact_url
from evenly.sources.urls import is_url, with_storage
from evenly.statistics_file import column as column_format
from evenly.statistics_file import manifest as manifest_format
from evenly.statistics_file.bin_checks import check_bins
from evenly.statistics_file.checks import InvalidNumber, abbreviate, check, check_keys, is_count
from evenly.statistics_file.column import ColumnRecord
from evenly.statistics_file.manifest import Manifest
from evenly.statistics_file.structure import check_structure
from evenly.system.paths import path_text
from evenly.system.regular_files import NotRegularError, RegularFile, not_regular_error
from evenly.typing import JsonObject, Path, StorageOptions

FORMAT = "evenly statistics"
FORMAT_VERSION = 1
DISTRIBUTION_VERSION = 3
"""The version of files with distributions, whether grouped (otherwise version 2) or not."""
KEY_VERSION = 4
"""The version of files of several keys."""
NEWEST_VERSION = KEY_VERSION
MAX_BYTES = 2**31
"""Maximum size of a file that is read: about six million columns."""

_KEYS = ("columns", "evenly_version", "extremes", "format", "format_version", "rows", "sources")


@dataclass(slots=True, frozen=True)
class Header:
    """The values of a statistics file that concern all columns.

    Attributes
    ----------
    rows
        Number of rows read, whatever their weights.
    sources
        Names of the sources, such as file names and URLs. Information only.
    extremes_are_bounds
        Whether min and max may belong to rows that were subtracted later.
    evenly_version
        The version of evenly that wrote the file.
    manifest
        The files included in the statistics, if they were recorded.
    bins
        The maximum number of bins of each distribution; 0 without distributions.
    """

    rows: int
    sources: tuple[str, ...]
    extremes_are_bounds: bool
    evenly_version: str
    manifest: Manifest | None = None
    bins: int = 0


def lines(header: Header, columns: Iterable[ColumnRecord]) -> Iterator[bytes]:
    """Yield the bytes of a statistics file in chunks."""
    parts = header_parts(header, FORMAT_VERSION)
    parts |= {"columns": json_array(map(column_format.write, columns))}
    if header.manifest is not None:
        parts |= manifest_format.serialize(header.manifest)
    return json_object(parts)


def encode(text: str) -> bytes:
    """Encode text for the file."""
    # A lone surrogate (in a file name that is not UTF-8) has no UTF-8 form. This error handler
    # writes it as \udc80, which is its escape sequence in a JSON string.
    return text.encode("utf-8", "backslashreplace")


def header_parts(header: Header, version: int) -> dict[str, Iterable[str]]:
    """Return the text of each key of the header, in chunks.

    Parameters
    ----------
    version
        The format version of a file without distributions.
    """
    values: JsonObject = {
        "evenly_version": header.evenly_version,
        **({"bins": header.bins} if header.bins else {}),
        "extremes": "bounds" if header.extremes_are_bounds else "exact",
        "format": FORMAT,
        "format_version": header_version(header.bins, version),
        "rows": header.rows,
        "sources": sorted(map(redact, header.sources)),
    }
    return {key: [json.dumps(value, ensure_ascii=False)] for key, value in values.items()}


def header_version(bins: object, version: int = FORMAT_VERSION) -> int:
    """Return the format version of a file, given that of a file without distributions."""
    return DISTRIBUTION_VERSION if bins else version


def json_array(entries: Iterable[str]) -> Iterator[str]:
    """Yield a JSON array with one entry per line."""
    yield "["
    separator = "\n"
    for entry in entries:
        yield separator + entry
        separator = ",\n"
    yield "\n]"


def json_object(parts: dict[str, Iterable[str]]) -> Iterator[bytes]:
    """Yield a JSON object with sorted keys from the text of each value."""
    separator = "{\n"
    for key in sorted(parts):
        yield encode(f'{separator}"{key}": ')
        yield from map(encode, parts[key])
        separator = ",\n"
    yield b"\n}\n"


def read_bytes(path: Path, storage_options: StorageOptions | None = None) -> bytes:
    """Return the bytes of a file or URL, up to just above the maximum size."""
    path = path_text(path, "For its content, write evenly.Moments.from_bytes(content).")
    (text,) = with_storage([path], storage_options)
    if is_url(text):
        from evenly.sources.files.filesystems import open_errors, open_file

        with open_errors(text), open_file(text) as remote:
            return remote.read(MAX_BYTES + 1)
    try:
        with BufferedReader(RegularFile(path)) as file:
            content = file.read(MAX_BYTES + 1)
    except NotRegularError:
        raise not_regular_error(redact_url(path)) from None
    except OSError as error:
        raise SourceError(
            f"Cannot read the statistics file {redact_url(path)!r}: "
            f"{system_message(error)}. Check the path."
        ) from None
    return content


def parse(content: bytes) -> tuple[Header, list[ColumnRecord]]:
    """Parse and validate the bytes of a statistics file."""
    return read(parse_document(content))


def read(document: JsonObject) -> tuple[Header, list[ColumnRecord]]:
    """Validate a parsed file; return its header and columns."""
    if has_groups(document):
        raise StatisticsFileError(
            "this statistics file has groups. Read it with evenly.load or "
            "GroupedMoments.from_bytes."
        )
    if document["format_version"] == KEY_VERSION:
        raise StatisticsFileError(
            "this statistics file has several keys. Read it with evenly.load or "
            "MomentsByKey.from_bytes."
        )
    header = header_of(document, _KEYS)
    columns = parse_columns(document["columns"], header.bins)
    check_bins(columns, lambda index: column_format.column_label(columns[index].name, index))
    return header, columns


def has_groups(document: JsonObject) -> bool:
    """Return whether a parsed file of a known version has groups."""
    version = document["format_version"]
    return bool(version == 2 or (version == DISTRIBUTION_VERSION and "groups" in document))


def parse_document(content: bytes) -> JsonObject:
    """Parse the JSON object of a statistics file, checking its version only."""
    if not isinstance(content, bytes | bytearray):
        raise UnsupportedTypeError(
            "The content of a statistics file is bytes, as moments.to_bytes() returns. Received: "
            f"{type(content).__name__}. Pass text.encode() for text, or load a file by its path."
        )
    if len(content) > MAX_BYTES:
        raise StatisticsFileError(f"a statistics file has at most {MAX_BYTES:,} bytes.")
    check_structure(content)
    document = _parse_json(content)
    del content
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise StatisticsFileError(
            f'this is not a statistics file: it has no "format": "{FORMAT}". '
            "Make one with `evenly fit -o FILE` or `moments.save(FILE)`."
        )
    _check_version(document.get("format_version"))
    return document


def _parse_json(content: bytes) -> Any:
    try:
        return json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_parse_object,
            parse_int=_parse_integer,
            parse_float=_parse_float,
            parse_constant=InvalidNumber,
        )
    except UnicodeDecodeError as error:
        raise StatisticsFileError(
            f"this is not a statistics file: not UTF-8 text ({error.reason} at byte "
            f"{error.start}). Make one with `evenly fit -o FILE`."
        ) from None
    except json.JSONDecodeError as error:
        raise StatisticsFileError(
            "this is not a statistics file, or it is truncated: not JSON "
            f"({error.msg} at line {error.lineno}, column {error.colno}). "
            "Make one with `evenly fit -o FILE`."
        ) from None
    except RecursionError:
        raise StatisticsFileError("nested too deeply.") from None


def _parse_object(pairs: list[tuple[str, Any]]) -> JsonObject:
    entry = dict(pairs)
    if len(entry) != len(pairs):
        duplicate = first_duplicate(key for key, _ in pairs)
        label = f" of column {abbreviate(entry['name'])}" if "name" in entry else ""
        raise StatisticsFileError(f"the key {abbreviate(duplicate)}{label} occurs twice.")
    return entry


def _parse_integer(text: str) -> int | InvalidNumber:
    return int(text) if len(text) <= 20 else InvalidNumber(text)


def _parse_float(text: str) -> float | InvalidNumber:
    value = float(text)
    return value if math.isfinite(value) else InvalidNumber(text)


def _check_version(version: Any) -> None:
    is_version = type(version) is int and version >= 1
    check(is_version, "'format_version' must be a positive integer", version)
    if version > NEWEST_VERSION:
        raise StatisticsFileError(
            f"the file has format version {version}; this version of evenly reads up to "
            f"{NEWEST_VERSION}. Install a newer one: pip install -U evenly"
        )


def header_of(document: JsonObject, keys: tuple[str, ...]) -> Header:
    """Validate the header of a file, which must have exactly these keys, and return it.

    A file with distributions also has ``bins``.
    """
    if document["format_version"] == DISTRIBUTION_VERSION:
        keys = ("bins", *keys)
    check_keys(document, {*keys}, "the file", optional=manifest_format.KEYS)
    rows, sources = document["rows"], document["sources"]
    extremes, writer = document["extremes"], document["evenly_version"]
    check(is_count(rows), "'rows' must be an integer from 0 to 2**63 - 1", rows)
    are_strings = type(sources) is list and all(type(source) is str for source in sources)
    check(are_strings, "'sources' must be strings", sources)
    check(extremes in ("exact", "bounds"), '\'extremes\' must be "exact" or "bounds"', extremes)
    check(type(writer) is str, "'evenly_version' must be text", writer)
    bins = document.get("bins", 0)
    is_number = type(bins) is int and (MIN_BINS <= bins <= MAX_BINS or "bins" not in document)
    check(is_number, f"'bins' must be an integer from {MIN_BINS} to {MAX_BINS:,}", bins)
    manifest = manifest_format.read(document, rows)
    bounds = extremes == "bounds"
    return Header(rows, tuple(map(redact, sources)), bounds, writer, manifest, bins)


def parse_columns(entries: Any, most_bins: int = 0) -> list[ColumnRecord]:
    """Validate a parsed array of columns and return them, but for `check_bins`.

    Parameters
    ----------
    most_bins
        The maximum number of bins of their distributions; 0 without distributions.
    """
    check(type(entries) is list, "'columns' must be an array", entries)
    columns = []
    for index, entry in enumerate(entries):
        columns.append(column_format.read(entry, index, most_bins))
        entries[index] = None  # do not keep a million columns twice
    _check_names([column.name for column in columns])
    return columns


def _check_names(names: list[str | None]) -> None:
    if (unnamed := names.count(None)) not in (0, len(names)):
        raise StatisticsFileError(
            f"all columns must have a 'name', or none. {unnamed} of {len(names)} do not have one."
        )
    if not unnamed and len(set(names)) != len(names):
        duplicate = first_duplicate(map(str, names))
        raise StatisticsFileError(f"two columns have the same name, {abbreviate(duplicate)}.")
