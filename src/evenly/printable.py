"""Escape text from data or files for safe output in terminals, logs and notebooks."""

import unicodedata

_KEPT = "\u200c\u200d"
"""Zero-width non-joiner and joiner: Persian and Indic scripts and many emoji need them."""


def printable(text: str, keep: str = "") -> str:
    r"""Replace every character that could control a terminal with its escape sequence.

    Control characters (including ESC, CR, LF and the C1 set), bidirectional and other invisible
    format characters, line and paragraph separators, lone surrogates and unassigned characters
    become ``\x1b``, ``\u202e``, ...; all other text, in any script, is unchanged.

    Parameters
    ----------
    keep
        Characters that are not replaced, such as ``"\n"`` for text of several lines.

    >>> printable("größe 身長 👩\u200d🔬"), printable("a\x1b[2Jb\u202e\n")
    ('größe 身長 👩\u200d🔬', 'a\\x1b[2Jb\\u202e\\n')
    """
    if text.isprintable():
        return text
    return "".join(c if c in keep or is_safe(c) else _escape(c) for c in text)


def is_safe(character: str) -> bool:
    """Return whether a character only has a glyph and no other effect on a terminal."""
    if character.isprintable() or character in _KEPT:
        return True
    return unicodedata.category(character) == "Zs"  # spaces such as U+3000, as wide as a kanji


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def counted(number: int, noun: str) -> str:
    """Return a number of things as text.

    >>> counted(1, "row"), counted(1234, "column")
    ('1 row', '1,234 columns')
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"


def printable_json(text: str) -> str:
    r"""Replace the characters that `printable` replaces with JSON escape sequences.

    The parsed value does not change.

    >>> printable_json('["a\u202e", "\udc80", "\U000e0041"]')
    '["a\\u202e", "\\udc80", "\\udb40\\udc41"]'
    """
    return "".join(c if c == "\n" or is_safe(c) else _json_escape(c) for c in text)


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
