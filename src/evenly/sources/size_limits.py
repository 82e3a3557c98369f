"""Limit the size of a single piece of data that is decompressed into memory.

A few bytes of a compressed file can expand to gigabytes. The declared size of a member, a chunk or
a buffer is checked against one limit before it is decompressed.
"""

import os

from evenly.errors import DataError, SourceError

VARIABLE = "EVENLY_MAX_MEMBER_BYTES"
DEFAULT = 2**30
"""1 GiB. Real chunks, pages and members have at most a few hundred megabytes. Each thread may hold
one, and two threads with 1 GiB each still fit into 4 GB of memory."""


def max_member_bytes() -> int:
    """Return the limit in bytes: the environment variable, or 1 GiB.

    Raises
    ------
    DataError
        If the variable is not a positive number of bytes.
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
    """A piece exceeds the limit; an error even if broken images are skipped."""


def check_size(nbytes: int, label: str) -> None:
    """Check the size of a piece of data that will be decompressed at once.

    Raises
    ------
    TooLargeError
        If it exceeds the limit. The message names the piece, its size and the variable to set.
    """
    if nbytes > (limit := max_member_bytes()):
        raise TooLargeError(
            f"Data decompressed at once must have at most {limit:,} bytes. Received: {label}, "
            f"with {nbytes:,}. If you trust the file and have the memory, set {VARIABLE}={nbytes}."
        )
