"""Which errors say something about the system at this moment, and nothing about a file.

A missing or damaged file stays so: it may be left out and named. A process that has no file
descriptor left says "cannot open" of every file: to leave those out would give wrong statistics.
"""

import errno
import os

from evenly.errors import SourceError, first_line
from evenly.redaction import redact

OUT_OF_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})
"""Too many files are open at once: fewer at a time may succeed."""

_FILE_ERRORS = frozenset(
    {
        *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG),
        *(errno.EACCES, errno.EPERM),
        *(errno.EINVAL, errno.EILSEQ, errno.EOVERFLOW, errno.EFBIG),
        getattr(errno, "EFTYPE", errno.EINVAL),
    }
)
"""What an open, a seek or a read says of one file, and says of it again the next time."""

MISSING_OR_FORBIDDEN = FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError
"""The same of file systems far away, whose errors often have a class and no number."""


def is_system_error(error: BaseException) -> bool:
    """Return whether an error is due to the system, and not to the file that was read.

    Decoders raise `OSError` without a number for damaged data; that is the file's.

    >>> is_system_error(OSError(errno.EMFILE, "Too many open files"))
    True
    >>> is_system_error(FileNotFoundError(errno.ENOENT, "No such file"))
    False
    """
    if isinstance(error, MemoryError | TimeoutError | ConnectionError):
        return True
    if not isinstance(error, OSError) or isinstance(error, MISSING_OR_FORBIDDEN):
        return False
    return error.errno is not None and error.errno not in _FILE_ERRORS


def system_error(label: str, error: BaseException, *, url: str = "") -> SourceError:
    """Return the error for a source that cannot be read because the system fails.

    Its ``errno`` is that of the cause, or EIO, so that `is_system_error` is true of it, too.

    Parameters
    ----------
    label
        The source's name, without secrets.
    url
        What that name was made of: its secrets are masked in the cause's message as well.
    """
    number = errno.ENOMEM if isinstance(error, MemoryError) else getattr(error, "errno", None)
    reason = redact(_reason(error, number), url)
    raised = SourceError(
        f"The system must be able to read a source. Received: {label!r}: {reason}. This is a limit "
        f"or a failure of the system, and not a fault of the file. {_advice(number)}"
    )
    raised.errno = errno.EIO if number is None else number
    return raised


def _reason(error: BaseException, number: int | None) -> str:
    """Return what happened in the system's words, with the error's name for a search."""
    name = "" if number is None else f" ({errno.errorcode.get(number, number)})"
    if isinstance(error, MemoryError):
        return f"{os.strerror(errno.ENOMEM)}{name}"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"{first_line(text)}{name}"


def _advice(number: int | None) -> str:
    if number in OUT_OF_DESCRIPTORS:
        return "Close other files, raise the limit (ulimit -n), or take fewer threads: threads=1."
    if number == errno.ENOMEM:
        return "Free memory, raise the limit (ulimit -v), or take fewer threads: threads=1."
    return "Check the disk or the connection, and fit again."
