"""The brackets of a statistics file, checked before it is parsed.

Python's JSON objects take up to a hundred times the bytes of their text, so that a file that is
nothing but brackets would fill the memory before anything of it is refused. Here the brackets,
colons and commas of a large file are counted and matched without making objects: what passes
takes at most twenty times the size of the file while it is read.
"""

import re

from evenly.errors import StatisticsFileError

SMALL_BYTES = 4 * 2**20
"""Files up to this size are parsed at once."""
MAX_DEPTH = 12
"""Arrays and objects inside one another. The format itself has six."""
MAX_KEYS = 24
"""Keys of an object. The format has at most twelve."""

_STRUCTURE = b'{}[]:,"'
_OTHERS = bytes(set(range(256)) - set(_STRUCTURE))
_ESCAPED_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_STRING = re.compile(rb'"[^"]*"')
_INNERMOST = re.compile(rb"\{[:,]{0,%d}\}|\[,*\]" % (2 * MAX_KEYS))

_OBJECT_BYTES, _ARRAY_BYTES, _VALUE_BYTES = 200, 72, 88
"""What CPython takes for an object of five keys, an empty array, and a short text in one."""
_TIMES = 14
"""An array of one short column name after the other takes twelve times the bytes of its text."""


def check_structure(content: bytes) -> None:
    """Check that a file's brackets match, are not nested too deeply, and are not too many.

    Raises
    ------
    StatisticsFileError
        When they cannot be those of a statistics file. Small files always pass.
    """
    if len(content) <= SMALL_BYTES:
        return
    marks = _marks(content)
    if _needed(marks) > _TIMES * len(content):
        raise StatisticsFileError(
            f"this is no statistics file: its {len(content):,} bytes hold {marks.count(b'{'):,} "
            f"objects, {marks.count(b'['):,} arrays and {marks.count(b','):,} commas, more than "
            "any statistics have. Make one of data with `evenly fit -o FILE`."
        )
    for _ in range(MAX_DEPTH):
        marks = _INNERMOST.sub(b"", marks)
        if not marks:
            return
    raise StatisticsFileError(
        "this is no statistics file, or one that was cut short: brackets must match, be nested at "
        f"most {MAX_DEPTH} deep, and an object has at most {MAX_KEYS} keys. Make one of data with "
        "`evenly fit -o FILE`."
    )


def _marks(content: bytes) -> bytes:
    """Return the brackets, colons and commas that are not part of a string."""
    if b"\\" in content:
        content = _ESCAPED_STRING.sub(b"", content)
    marks = content.translate(None, _OTHERS)
    # Most strings hold no mark. Without two quotes next to each other, what is inside a string
    # is still what comes after an odd number of quotes.
    marks = marks.replace(b'""', b"")
    return _STRING.sub(b"", marks) if b'"' in marks else marks


def _needed(marks: bytes) -> int:
    """Return about how many bytes the parsed file takes."""
    counts = marks.count(b"{"), marks.count(b"["), marks.count(b",")
    sizes = _OBJECT_BYTES, _ARRAY_BYTES, _VALUE_BYTES
    return sum(count * size for count, size in zip(counts, sizes, strict=True))
