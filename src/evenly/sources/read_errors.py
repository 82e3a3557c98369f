"""Turn what libraries raise while they open or decode a source into one error that names it.

Every reader works inside `decode_errors`. Errors of evenly and MemoryError pass through it, and so
does whatever is not an `Exception`, such as KeyboardInterrupt.
"""

import contextlib
import csv
import errno
import lzma
import struct
import tarfile
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator

from evenly.errors import EvenlyError, MissingExtraError, SourceError, first_line
from evenly.redaction import redact
from evenly.system.errors import is_system_error, system_error
from evenly.system.regular_files import NotRegularError, not_regular_error

Describe = Callable[[str, object], SourceError]
"""Makes an error from the name of a source and what a library raised."""

_DECODING = (
    *(ArithmeticError, AssertionError, AttributeError, EOFError, LookupError),
    *(RuntimeError, SyntaxError, TypeError, ValueError),
    *(csv.Error, lzma.LZMAError, struct.error, tarfile.TarError, tokenize.TokenError),
    *(zipfile.BadZipFile, zlib.error),
)
"""What decoders raise for bytes that they cannot decode; subclasses include PyArrow's errors."""

_UNNAMED = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError)
"""Exceptions whose message alone says little: ``KeyError('a')``."""


@contextlib.contextmanager
def decode_errors(
    label: str,
    damage: Describe | None = None,
    refusal: Describe | None = None,
    *,
    url: str = "",
) -> Iterator[None]:
    """Turn the exceptions of libraries into a `SourceError` that names the source.

    An error of the operating system or of a network, such as too many open files, is reported as
    one; any other exception means that the source cannot be decoded.

    Parameters
    ----------
    label
        The source's name, without secrets.
    damage
        Makes the error for a source that cannot be decoded; `corrupt_file_error` by default.
    refusal
        Makes the error for one that the system does not let us read; `unreadable_error` by default.
    url
        What that name was made of: its secrets are masked in the library's message as well.

    Raises
    ------
    MissingExtraError
        When a library says that it needs a package that is not installed.

    >>> with decode_errors("x.csv"):
    ...     raise KeyError("a")
    Traceback (most recent call last):
    evenly.errors.SourceError: A file must be whole, and of its format. Received: x.csv, which
    cannot be read: KeyError: 'a'. It may be truncated or damaged; get it again.
    """
    try:
        yield
    except (EvenlyError, MemoryError, Warning):
        raise
    except ImportError as error:
        raise MissingExtraError(
            f"Reading {label} needs a package that cannot be imported: {reason(error)}. "
            "Install it.",
            name=error.name,
        ) from None
    except Exception as error:
        raise read_error(label, error, damage, refusal, url=url) from None


@contextlib.contextmanager
def object_errors(label: str, refusal: Describe | None = None) -> Iterator[None]:
    """Turn the exceptions of the library of an object that the user passes into a `SourceError`.

    Exceptions of Python's own classes are raised as they are, except for `OSError`: they come
    from the user's code, for example from a generator of record batches.

    Parameters
    ----------
    label
        The object's name, for messages.
    refusal
        Makes the error; `unreadable_error` by default.
    """
    try:
        yield
    except (EvenlyError, MemoryError, Warning):
        raise
    except Exception as error:
        if type(error).__module__ == "builtins" and not isinstance(error, OSError):
            raise
        make = refusal or unreadable_error
        raise read_error(label, error, make, make) from None


def read_error(
    label: str,
    error: Exception,
    damage: Describe | None = None,
    refusal: Describe | None = None,
    *,
    url: str = "",
) -> SourceError:
    """Return the error for what a library raised; the parameters are those of `decode_errors`."""
    if isinstance(error, NotRegularError):
        return not_regular_error(label)
    if is_system_error(error):
        return system_error(label, error, url=url)
    make = (
        (damage or corrupt_file_error)
        if is_decoding_error(error)
        else (refusal or unreadable_error)
    )
    raised = make(label, redact(reason(error), url))
    raised.errno = getattr(error, "errno", None)
    return raised


def is_decoding_error(error: Exception) -> bool:
    """Return whether an exception is about the bytes read, not about the system that reads them.

    >>> is_decoding_error(OSError("Invalid data stream")), is_decoding_error(OSError(24, "…"))
    (True, False)
    """
    if isinstance(error, OSError):
        plain = not isinstance(error, ConnectionError | TimeoutError)
        return plain and error.errno in (None, errno.EINVAL)  # EINVAL: a position out of range
    return isinstance(error, _DECODING)


def reason(error: object) -> str:
    """Return the first line of an exception's message, without the full stop and secrets."""
    text = first_line(getattr(error, "strerror", None) or error)
    plain = isinstance(error, str) or (text and not isinstance(error, _UNNAMED))
    return redact(text if plain else f"{type(error).__name__}{': ' * bool(text)}{text}")


def corrupt_file_error(label: str, error: object) -> SourceError:
    """Return the error for a file that cannot be decoded."""
    return SourceError(
        f"A file must be whole, and of its format. Received: {label}, which cannot be read: "
        f"{reason(error)}. It may be truncated or damaged; get it again."
    )


def corrupt_store_error(label: str, error: object) -> SourceError:
    """Return the error for a store that cannot be decoded."""
    return SourceError(
        f"A store must be whole, and of its format. Received: {label}, which cannot be read: "
        f"{reason(error)}. It may be truncated or damaged, or need a codec; get it again."
    )


def unreadable_error(label: str, error: object) -> SourceError:
    """Return the error for a source that the system or the network does not let us read."""
    return SourceError(f"A source must be readable. Received: {label!r}: {reason(error)}.")
