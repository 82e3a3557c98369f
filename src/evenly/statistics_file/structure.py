"""Check the nesting of a statistics file before it is parsed.

Parsed JSON objects take up to 100 times the bytes of their text, so a file of brackets only would
exhaust memory before it is rejected. This module counts and matches the brackets, colons and
commas of a large file without creating objects; parsing a file that passes takes at most 20
times its size.
"""

import re

from evenly.errors import StatisticsFileError

SMALL_BYTES = 4 * 2**20
"""Files up to this size are parsed without a check."""
MAX_DEPTH = 12
"""Maximum nesting depth of arrays and objects. The format itself has six levels."""
MAX_KEYS = 24
"""Maximum number of keys of an object. The format has at most twelve."""

_STRUCTURE = b'{}[]:,"'
_OTHER_BYTES = bytes(set(range(256)) - set(_STRUCTURE))
_ESCAPED_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_STRING = re.compile(rb'"[^"]*"')
_INNERMOST = re.compile(rb"\{[:,]{0,%d}\}|\[,*\]" % (2 * MAX_KEYS))

_OBJECT_BYTES, _ARRAY_BYTES, _VALUE_BYTES = 200, 72, 88
"""Memory of CPython for an object with five keys, an empty array, and a short text in an array."""
_MAX_RATIO = 14
"""Maximum ratio of memory to text. An array of short column names takes 12 times its text."""


def check_structure(content: bytes, small_bytes: int = SMALL_BYTES) -> None:
    """Check that the brackets of a file match, and their nesting and number.

    Parameters
    ----------
    content
        The bytes of the file.
    small_bytes
        Maximum size of a file that is not checked.

    Raises
    ------
    StatisticsFileError
        When they cannot be the brackets of a statistics file.
    """
    if len(content) <= small_bytes:
        return
    marks = _extract_marks(content)
    if _estimate_memory(marks) > _MAX_RATIO * len(content):
        raise StatisticsFileError(
            f"this is not a statistics file: its {len(content):,} bytes contain "
            f"{marks.count(b'{'):,} objects, {marks.count(b'['):,} arrays and "
            f"{marks.count(b','):,} commas, more than any statistics have. "
            "Make one with `evenly fit -o FILE`."
        )
    for _ in range(MAX_DEPTH):
        marks = _INNERMOST.sub(b"", marks)
        if not marks:
            return
    raise StatisticsFileError(
        "this is not a statistics file, or it is truncated: brackets must match and be nested at "
        f"most {MAX_DEPTH} deep, and an object has at most {MAX_KEYS} keys. Make one with "
        "`evenly fit -o FILE`."
    )


def _extract_marks(content: bytes) -> bytes:
    """Return the brackets, colons and commas that are not part of a string."""
    if b"\\" in content:
        content = _ESCAPED_STRING.sub(b"", content)
    marks = content.translate(None, _OTHER_BYTES)
    # Most strings contain no mark. After two adjacent quotes are removed, the marks inside a
    # string are still those after an odd number of quotes.
    marks = marks.replace(b'""', b"")
    return _STRING.sub(b"", marks) if b'"' in marks else marks


def _estimate_memory(marks: bytes) -> int:
    """Return the approximate memory of the parsed file in bytes."""
    counts = marks.count(b"{"), marks.count(b"["), marks.count(b",")
    sizes = _OBJECT_BYTES, _ARRAY_BYTES, _VALUE_BYTES
    return sum(count * size for count, size in zip(counts, sizes, strict=True))
