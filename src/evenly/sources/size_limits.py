"""The bound on what is unpacked into memory in one piece.

A few bytes of a compressed file can stand for gigabytes. Whatever a file says of the size of a
member, a chunk or a buffer is held against one bound before it is unpacked.
"""

import os

from evenly.errors import DataError, SourceError

VARIABLE = "EVENLY_MAX_MEMBER_BYTES"
DEFAULT = 2**30
"""1 GiB. Chunks, pages and members that people write have at most some hundred megabytes; each
thread may hold one of them, and two threads with one of 1 GiB still fit into 4 GB of memory."""


def max_member_bytes() -> int:
    """Return the bound: that of the environment variable, or 1 GiB.

    Raises
    ------
    DataError
        When the variable is not a positive number of bytes.
    """
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return DEFAULT
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 20 and int(text)):
        raise DataError(
            f"{VARIABLE} must be a positive number of bytes. Received: {text!r}. "
            f"Unset it for the default, {DEFAULT}."
        )
    return int(text)


class TooLargeError(SourceError):
    """A piece is larger than the bound: it is an error, also where broken images are not."""


def check_size(nbytes: int, label: str) -> None:
    """Check what is to be unpacked in one piece against the bound.

    Raises
    ------
    TooLargeError
        When it is larger. It names the piece, its size, and the variable to set.
    """
    if nbytes > (most := max_member_bytes()):
        raise TooLargeError(
            f"What is unpacked in one piece must have at most {most:,} bytes. Received: {label}, "
            f"with {nbytes:,}. If you trust the file and have the memory, set {VARIABLE}={nbytes}."
        )
