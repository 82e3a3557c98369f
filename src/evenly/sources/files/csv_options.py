"""Check the options in ``csv=``, which describe how a CSV file is written."""

import codecs
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from evenly.errors import DataError, format_names, suggest
from evenly.typing import CsvOptions, JsonObject

_RESERVED = '"\r\n'


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """How a CSV file is written; see `evenly.typing.CsvOptions`.

    Attributes
    ----------
    delimiter, decimal, thousands, encoding, comment
        As in `CsvOptions`; None if the option was omitted.
    missing
        The fields that mean a missing value, in addition to the usual ones.
    header
        True; False without a header; the number of lines before it; or the names of the columns.
    """

    delimiter: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    missing: tuple[str, ...] = ()
    encoding: str | None = None
    comment: str | None = None
    header: bool | int | tuple[str, ...] = True

    def to_json(self) -> JsonObject | None:
        """Return the options that differ from the default as JSON values; None if none does."""
        values = {name: getattr(self, name) for name in _NAMES}
        changed = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if value is not getattr(DEFAULT_FORMAT, name)
        }
        return changed or None


DEFAULT_FORMAT = CsvFormat()
"""Everything is detected."""

_NAMES = tuple(sorted(CsvOptions.__annotations__))


def parse_csv_options(options: CsvOptions | CsvFormat | None) -> CsvFormat:
    """Return the checked options.

    Raises
    ------
    DataError
        If an option is unknown or its value is invalid.

    >>> parse_csv_options({"decimal": ",", "missing": ["?"]}).missing
    ('?',)
    """
    if isinstance(options, CsvFormat):
        return options
    if options is None:
        return DEFAULT_FORMAT
    if not isinstance(options, Mapping):
        raise DataError(
            "csv= takes a dict of options. Received: "
            f"{options!r} of type {type(options).__name__}. Pass csv={{'delimiter': ';'}}, for "
            "example."
        )
    if unknown := [name for name in options if name not in _NAMES]:
        raise DataError(
            f"csv= takes the options {format_names(_NAMES)}. Received: {unknown[0]!r}."
            f"{suggest(str(unknown[0]), _NAMES)}"
        )
    given = {name: value for name, value in options.items() if value is not None}
    result = CsvFormat(
        delimiter=_delimiter(given.get("delimiter")),
        decimal=_one_of("decimal", given.get("decimal"), (".", ",")),
        thousands=_character("thousands", given.get("thousands")),
        missing=_texts("missing", given.get("missing", ())),
        encoding=_encoding(given.get("encoding")),
        comment=_comment(given.get("comment")),
        header=_header(options.get("header", True)),
    )
    _check_distinct(result)
    return result


def check_no_csv(options: CsvFormat, label: str) -> None:
    """Check that there are no options for CSV with another source, where they would do nothing.

    Raises
    ------
    DataError
        If there are.
    """
    if options != DEFAULT_FORMAT:
        raise DataError(
            f"csv={options.to_json()} is for CSV files. Received: {label}. Omit it, or pass CSV "
            "files and other sources in separate calls."
        )


def _error(name: str, rule: str, value: object) -> DataError:
    return DataError(f"csv={{{name!r}: ...}} must be {rule}. Received: {value!r}.")


def _character(name: str, value: object) -> str | None:
    if value is None or (isinstance(value, str) and len(value) == 1 and value not in _RESERVED):
        return value
    raise _error(name, "one character other than a quote or a line break", value)


def _delimiter(value: object) -> str | None:
    value = "\t" if value == "\\t" else value
    if isinstance(value, str) and not value.isascii():
        raise _error("delimiter", "one ASCII character", value)
    return _character("delimiter", value)


def _comment(value: object) -> str | None:
    if value is None or (isinstance(value, str) and value and not set(value) & set(_RESERVED)):
        return value
    raise _error("comment", "text without quotes and line breaks", value)


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> str | None:
    if value is None or (isinstance(value, str) and value in allowed):
        return value
    raise _error(name, " or ".join(map(repr, allowed)), value)


def _texts(name: str, value: object) -> tuple[str, ...]:
    """Return texts; numbers are written as Python writes them, as -999."""
    values = [value] if isinstance(value, str | int | float) else value
    if isinstance(values, Iterable) and not isinstance(values, Mapping):
        texts = tuple(values)
        if all(isinstance(x, str | int | float) and not isinstance(x, bool) for x in texts):
            return tuple(str(text).strip() for text in texts)
    raise _error(name, "texts, as they are written in the file", value)


def _encoding(value: object) -> str | None:
    if value is None:
        return None
    try:
        if isinstance(value, str) and isinstance("".encode(value), bytes):
            return codecs.lookup(value).name
    except LookupError:
        pass
    raise _error("encoding", "an encoding of text, such as 'latin-1' or 'utf-16'", value)


def _header(value: object) -> bool | int | tuple[str, ...]:
    if value is None:  # as in pandas
        return False
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value >= 0:
        return value or True
    if isinstance(value, list | tuple) and value and all(isinstance(x, str) for x in value):
        if len(set(value)) == len(value):
            return tuple(value)
        raise _error("header", "names that differ", value)
    raise _error("header", "True, False, the number of lines before it, or a list of names", value)


def _check_distinct(result: CsvFormat) -> None:
    """Check that no character has two meanings; a quoted field may contain the delimiter."""
    decimal = result.decimal or "."
    if result.thousands == decimal:
        raise DataError(
            f"The decimal mark and the separator of thousands must differ. Received: {decimal!r} "
            "as both. Pass csv={'decimal': ',', 'thousands': '.'}, for example."
        )
    if result.comment in (result.delimiter, decimal, result.thousands) and result.comment:
        raise DataError(
            "The text that begins a comment must have no other meaning. Received: "
            f"{result.comment!r}. Choose another delimiter or comment."
        )
