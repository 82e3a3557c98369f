"""Errors of reading and writing files that have no name."""

import contextlib
import tempfile
from collections.abc import Iterator

from evenly.errors import SourceError, system_message


@contextlib.contextmanager
def stream_errors(action: str, advice: str = "") -> Iterator[None]:
    """Turn errors of a file without a name into a `SourceError`.

    Parameters
    ----------
    action
        What is done, for the message: ``"read standard input"``.
    advice
        What the user can do about it.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, SourceError | BrokenPipeError) or error.filename is not None:
            raise
        raise SourceError(f"Cannot {action}: {system_message(error)}. {advice}".rstrip()) from None


def temporary_write_errors() -> contextlib.AbstractContextManager[None]:
    """Turn errors of writing a temporary file into a `SourceError`."""
    return stream_errors(
        f"write a temporary file in {tempfile.gettempdir()!r}",
        "Free disk space, or set the environment variable TMPDIR to another folder.",
    )
