"""Exceptions of evenly: six classes, each also a subclass of a builtin exception.

Every message states the rule that was violated, the value received, and what to do next.
Passwords, tokens and signatures are removed from messages, also from quoted text.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches

from evenly.printable import printable
from evenly.redaction import redact


class EvenlyError(Exception):
    """Base class of all errors that evenly raises.

    ``str(error)`` can be printed safely: control characters in quoted names are escaped.
    ``args`` has the message without escapes.
    """

    # KeyError.__str__ returns the repr of the message, and OSError.__str__ adds the errno.
    def __str__(self) -> str:
        return printable(Exception.__str__(self))

    def __init__(self, *args: object, **names: object) -> None:
        super().__init__(*(redact(x) if isinstance(x, str) else x for x in args), **names)


class DataError(EvenlyError, ValueError):
    """Invalid data: an infinity, text among numbers, no rows, invalid weights."""


class ColumnError(EvenlyError, KeyError):
    """A column is missing, unknown or duplicated, or two sets of columns differ."""


class SourceError(EvenlyError, OSError):
    """A file is missing, empty, truncated or in another format, or cannot be written."""


class StatisticsFileError(EvenlyError, ValueError):
    """A statistics file violates its format."""


class UnsupportedTypeError(EvenlyError, TypeError):
    """A type without a mean: text, complex numbers, sparse matrices, objects."""


class MissingExtraError(EvenlyError, ImportError):
    """A feature needs an optional package that is not installed."""


@contextlib.contextmanager
def without_context() -> Iterator[None]:
    """Clear the ``__context__`` of an `EvenlyError` raised with ``from None``.

    The context is an exception of a library, which may quote a password, and error trackers
    record it even when tracebacks suppress it.
    """
    try:
        yield
    except EvenlyError as error:
        if error.__suppress_context__:
            error.__context__ = None
        raise


def first_line(text: object, limit: int = 300) -> str:
    r"""Return the first line of a message without its period, truncated to `limit`.

    >>> first_line("Not a file.\nBacktrace: ..."), first_line("abcdef", limit=3)
    ('Not a file', 'abc…')
    """
    line = str(text).strip().partition("\n")[0].rstrip(".! ")
    return line if len(line) <= limit else line[:limit] + "…"


def system_message(error: OSError) -> str:
    """Return the message of the operating system in an error, in lower case.

    >>> system_message(FileNotFoundError(2, "No such file or directory", "x.csv"))
    'no such file or directory'
    """
    return (error.strerror or str(error)).lower()


def suggest(word: str, choices: Iterable[str]) -> str:
    """Return a "Did you mean" question with the closest choices, or an empty string.

    >>> suggest("dep_dealy", ["year", "dep_delay", "arr_delay"])
    " Did you mean 'dep_delay'?"
    >>> suggest("x", ["year"])
    ''
    """
    matches = get_close_matches(word, list(choices), n=3)
    return f" Did you mean {' or '.join(map(repr, matches))}?" if matches else ""


def format_names(names: Iterable[object], limit: int = 8) -> str:
    """Return names as text, with at most `limit` of them.

    >>> format_names(["a", "b"])
    "'a', 'b'"
    >>> format_names(range(4), limit=2)
    '0, 1 and 2 more'
    """
    texts = [repr(name) for name in names]
    hidden = len(texts) - limit
    return ", ".join(texts[:limit]) + (f" and {hidden} more" if hidden > 0 else "")


def no_rows_error(description: str) -> DataError:
    """Return the error for data without rows."""
    return DataError(f"At least one row is needed. Received: {description}, with none.")


def check_choice(name: str, value: object, allowed: Sequence[str]) -> None:
    """Check that an option has one of the allowed values.

    Raises
    ------
    DataError
        When it does not.

    >>> check_choice("missing", "drop", ("keep", "zero"))
    Traceback (most recent call last):
    evenly.errors.DataError: missing must be 'keep' or 'zero'. Received: 'drop'.
    """
    if isinstance(value, str) and value in allowed:
        return
    texts = [repr(text) for text in allowed]
    choices = " or ".join(texts) if len(texts) == 2 else f"one of {', '.join(texts)}"
    raise DataError(f"{name} must be {choices}. Received: {value!r}.")
