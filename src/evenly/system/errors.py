"""Distinguish errors of the system from errors of a file.

A missing or damaged file can be skipped and reported. A process without free file descriptors
cannot open any file; skipping those files would give wrong statistics.
"""

import errno
import os

from evenly.errors import SourceError, first_line
from evenly.redaction import redact

OUT_OF_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})
"""Too many files are open at the same time."""

_FILE_ERRORS = frozenset(
    {
        *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG),
        *(errno.EACCES, errno.EPERM),
        *(errno.EINVAL, errno.EILSEQ, errno.EOVERFLOW, errno.EFBIG),
        getattr(errno, "EFTYPE", errno.EINVAL),
    }
)
"""Errors of open, seek and read that are due to the file and will recur."""

MISSING_OR_FORBIDDEN = FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError
"""The same for remote file systems, whose errors often have a class but no ``errno``."""


def is_system_error(error: BaseException) -> bool:
    """Return whether an error is due to the system rather than to the file being read.

    Decoders raise `OSError` without ``errno`` for damaged data, which is an error of the file.

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
    """Return the error for a source that cannot be read because of a system error.

    Its ``errno`` is that of the cause, or EIO, so `is_system_error` is also true for it.

    Parameters
    ----------
    label
        Name of the source without secrets.
    url
        URL from which the name was derived; its secrets are masked in the message of the cause.
    """
    number = errno.ENOMEM if isinstance(error, MemoryError) else getattr(error, "errno", None)
    reason = redact(_reason(error, number), url)
    result = SourceError(
        f"The system must be able to read a source. Received: {label!r}: {reason}. This is a limit "
        f"or a failure of the system, not of the file. {_advice(number)}"
    )
    result.errno = errno.EIO if number is None else number
    return result


def _reason(error: BaseException, number: int | None) -> str:
    """Return the system's message with the name of the error, such as ENOSPC."""
    name = "" if number is None else f" ({errno.errorcode.get(number, number)})"
    if isinstance(error, MemoryError):
        return f"{os.strerror(errno.ENOMEM)}{name}"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"{first_line(text)}{name}"


def _advice(number: int | None) -> str:
    if number in OUT_OF_DESCRIPTORS:
        return "Close other files, raise the limit (ulimit -n), or use fewer threads: threads=1."
    if number == errno.ENOMEM:
        return "Free memory, raise the limit (ulimit -v), or use fewer threads: threads=1."
    return "Check the disk or the connection, and fit again."
