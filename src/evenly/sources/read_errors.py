"""Convert exceptions that libraries raise while they read a source to `SourceError`.

Every reader works inside `decode_errors`. Errors of evenly, MemoryError, and exceptions that do not
derive from `Exception`, such as KeyboardInterrupt, pass through it unchanged.
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
from evenly.redaction import MASK, redact
from evenly.sources.urls import storage_secrets
from evenly.system.errors import is_system_error, system_error
from evenly.system.regular_files import NotRegularError, not_regular_error

MakeError = Callable[[str, object], SourceError]
"""Create an error from the label of a source and the exception of a library."""

_DECODING = (
    *(ArithmeticError, AssertionError, AttributeError, EOFError, LookupError),
    *(RuntimeError, SyntaxError, TypeError, ValueError),
    *(csv.Error, lzma.LZMAError, struct.error, tarfile.TarError, tokenize.TokenError),
    *(zipfile.BadZipFile, zlib.error),
)
"""Exceptions that decoders raise for invalid data; subclasses include those of PyArrow."""

_UNNAMED = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError)
"""Exceptions whose message is unclear without the class: ``KeyError('a')``."""


@contextlib.contextmanager
def decode_errors(
    label: str,
    make_corrupt: MakeError | None = None,
    make_unreadable: MakeError | None = None,
    *,
    url: str = "",
) -> Iterator[None]:
    """Convert exceptions of libraries to a `SourceError` that names the source.

    An error of the operating system or the network, such as too many open files, is reported as
    such; any other exception means that the source cannot be decoded.

    Parameters
    ----------
    label
        The name of the source, without secrets.
    make_corrupt
        Create the error for a source that cannot be decoded; `corrupt_file_error` by default.
    make_unreadable
        Create the error for a source that the system cannot read; `unreadable_error` by default.
    url
        The URL of the source. Its secrets are masked in the message of the library as well.

    Raises
    ------
    MissingExtraError
        If a library needs a package that is not installed.

    >>> with decode_errors("x.csv"):
    ...     raise KeyError("a")
    Traceback (most recent call last):
    evenly.errors.SourceError: A file must be complete and valid. Received: x.csv, which cannot
    be read: KeyError: 'a'. It may be truncated or corrupt; get it again.
    """
    try:
        yield
    except (EvenlyError, MemoryError, Warning):
        raise
    except ImportError as error:
        raise missing_package_error(label, error) from None
    except Exception as error:
        raise read_error(label, error, make_corrupt, make_unreadable, url=url) from None


_PACKAGES = {
    "gdrive_fsspec": "gdrive-fsspec",
    "huggingface_hub": "huggingface-hub",
    "libarchive": "libarchive-c",
    "smbclient": "smbprotocol",
}
"""The names of packages that differ from those of their modules."""


def missing_package_error(label: str, error: ImportError) -> MissingExtraError:
    """Return the error for a package that a library needs to read a source: s3fs for ``s3://``."""
    cause: BaseException | None = error
    while cause is not None and not (isinstance(cause, ModuleNotFoundError) and cause.name):
        cause = cause.__cause__ or cause.__context__
    if not isinstance(cause, ModuleNotFoundError) or cause.name is None:
        return MissingExtraError(
            f"Opening {label} needs a package that cannot be imported: {reason(error)}. "
            "Install it.",
            name=error.name,
        )
    module = cause.name.partition(".")[0]
    package = _PACKAGES.get(module, module)
    return MissingExtraError(
        f"Opening {label} needs the package {package}. It is not installed. "
        f"Run: pip install {package}",
        name=module,
    )


@contextlib.contextmanager
def object_errors(label: str, make_error: MakeError | None = None) -> Iterator[None]:
    """Convert exceptions of the library behind a user's object to a `SourceError`.

    Built-in exceptions other than `OSError` are not converted: they come from the user's code, for
    example from a generator of record batches.

    Parameters
    ----------
    label
        The name of the object, for messages.
    make_error
        Create the error; `unreadable_error` by default.
    """
    try:
        yield
    except (EvenlyError, MemoryError, Warning):
        raise
    except Exception as error:
        if type(error).__module__ == "builtins" and not isinstance(error, OSError):
            raise
        make = make_error or unreadable_error
        raise read_error(label, error, make, make) from None


def read_error(
    label: str,
    error: Exception,
    make_corrupt: MakeError | None = None,
    make_unreadable: MakeError | None = None,
    *,
    url: str = "",
) -> SourceError:
    """Return the `SourceError` for an exception; the parameters are those of `decode_errors`."""
    if isinstance(error, NotRegularError):
        return not_regular_error(label)
    if is_system_error(error):
        return system_error(label, error, url=url)
    if is_decoding_error(error):
        make = make_corrupt or corrupt_file_error
    else:
        make = make_unreadable or unreadable_error
    text = redact(reason(error), url)
    for secret in storage_secrets(url):
        text = text.replace(secret, MASK)
    result = make(label, text)
    result.errno = getattr(error, "errno", None)
    return result


def is_decoding_error(error: Exception) -> bool:
    """Return whether an exception is about invalid data, and not about the system.

    >>> is_decoding_error(OSError("Invalid data stream")), is_decoding_error(OSError(24, "…"))
    (True, False)
    """
    if isinstance(error, OSError):
        plain = not isinstance(error, ConnectionError | TimeoutError)
        return plain and error.errno in (None, errno.EINVAL)  # EINVAL: a position out of range
    return isinstance(error, _DECODING)


def reason(error: object) -> str:
    """Return the first line of an exception message, without its final period and secrets."""
    text = first_line(getattr(error, "strerror", None) or error)
    plain = isinstance(error, str) or (text and not isinstance(error, _UNNAMED))
    return redact(text if plain else f"{type(error).__name__}{': ' * bool(text)}{text}")


def corrupt_file_error(label: str, error: object) -> SourceError:
    """Return the error for a file that cannot be decoded."""
    return SourceError(
        f"A file must be complete and valid. Received: {label}, which cannot be read: "
        f"{reason(error)}. It may be truncated or corrupt; get it again."
    )


def corrupt_store_error(label: str, error: object) -> SourceError:
    """Return the error for a store that cannot be decoded."""
    return SourceError(
        f"A store must be complete and valid. Received: {label}, which cannot be read: "
        f"{reason(error)}. It may be truncated or corrupt, or need a codec; get it again."
    )


def empty_file_error(label: str) -> SourceError:
    """Return the error for a file without data."""
    return SourceError(f"A file must not be empty. Received: {label}, of 0 bytes.")


def unreadable_error(label: str, error: object) -> SourceError:
    """Return the error for a source that the system or the network cannot read."""
    return SourceError(f"A source must be readable. Received: {label!r}: {reason(error)}.")
