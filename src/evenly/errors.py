"""What can go wrong, in words: six classes, each also a builtin that users already catch.

Every message says the rule that was broken, what was received, and what to do next. None has a
password, a token or a signature, whatever text of others it quotes.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches

from evenly.printable import printable
from evenly.redaction import redact


class EvenlyError(Exception):
    """The base of all errors that evenly raises on purpose.

    Its text may be printed anywhere: what would control a terminal in a name that it quotes is
    escaped. ``args`` has the message as it is.
    """

    # A KeyError prints the repr of its message, quotes and all, and an OSError its number.
    def __str__(self) -> str:
        return printable(Exception.__str__(self))

    def __init__(self, *args: object, **names: object) -> None:
        super().__init__(*(redact(x) if isinstance(x, str) else x for x in args), **names)


class DataError(EvenlyError, ValueError):
    """The data break a rule: an infinity, text among numbers, no rows, wrong weights."""


class ColumnError(EvenlyError, KeyError):
    """A column is missing, unknown, or there twice; or two sets of columns differ."""


class SourceError(EvenlyError, OSError):
    """A file is missing, empty, truncated or of another format; or cannot be written."""


class StatisticsFileError(EvenlyError, ValueError):
    """A statistics file breaks the rules of its format."""


class UnsupportedTypeError(EvenlyError, TypeError):
    """A type that has no mean: text, complex numbers, sparse matrices, objects."""


class MissingExtraError(EvenlyError, ImportError):
    """A feature needs an optional package that is not installed."""


@contextlib.contextmanager
def without_context() -> Iterator[None]:
    """Forget what an error of evenly was raised from, if tracebacks leave it out anyway.

    It is the exception of a library, which may quote a password; programs that record errors may
    look at it.
    """
    try:
        yield
    except EvenlyError as error:
        if error.__suppress_context__:
            error.__context__ = None
        raise


def first_line(text: object, limit: int = 300) -> str:
    r"""Return the first line of a library's message without its full stop, cut when it is long.

    >>> first_line("Not a file.\nBacktrace: ..."), first_line("abcdef", limit=3)
    ('Not a file', 'abc…')
    """
    line = str(text).strip().partition("\n")[0].rstrip(".! ")
    return line if len(line) <= limit else line[:limit] + "…"


def suggest(word: str, choices: Iterable[str]) -> str:
    """Return a question that offers the names most like an unknown one, or nothing.

    >>> suggest("dep_dealy", ["year", "dep_delay", "arr_delay"])
    " Did you mean 'dep_delay'?"
    >>> suggest("x", ["year"])
    ''
    """
    found = get_close_matches(word, list(choices), n=3)
    return f" Did you mean {' or '.join(map(repr, found))}?" if found else ""


def format_names(names: Iterable[object], limit: int = 8) -> str:
    """Return names as text, cut short when there are many.

    >>> format_names(["a", "b"])
    "'a', 'b'"
    >>> format_names(range(4), limit=2)
    '0, 1 and 2 more'
    """
    texts = [repr(name) for name in names]
    rest = len(texts) - limit
    return ", ".join(texts[:limit]) + (f" and {rest} more" if rest > 0 else "")


def check_choice(name: str, value: object, allowed: Sequence[str]) -> None:
    """Check that an option has one of its values.

    Raises
    ------
    DataError
        When it has not.

    >>> check_choice("missing", "drop", ("keep", "zero"))
    Traceback (most recent call last):
    evenly.errors.DataError: missing must be 'keep' or 'zero'. Received: 'drop'.
    """
    if isinstance(value, str) and value in allowed:
        return
    texts = [repr(text) for text in allowed]
    choices = " or ".join(texts) if len(texts) == 2 else f"one of {', '.join(texts)}"
    raise DataError(f"{name} must be {choices}. Received: {value!r}.")
