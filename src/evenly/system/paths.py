"""Check that an argument is the path or URL of a file."""

import os

from evenly.errors import SourceError, UnsupportedTypeError


def path_text(path: object, advice: str) -> str:
    r"""Return the text of a path or URL.

    Parameters
    ----------
    advice
        What to do with other objects, for the message.

    Raises
    ------
    UnsupportedTypeError
        When it is neither text nor ``os.PathLike``.
    SourceError
        When it contains a null character, which no file system allows.

    >>> path_text("x.json", "")
    'x.json'
    >>> path_text("x\0.json", "")
    Traceback (most recent call last):
    evenly.errors.SourceError: A path must not contain a null character. Received: 'x\x00.json'.
    """
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(text, str):
        raise UnsupportedTypeError(
            "A file must be given by its path or URL, as text or os.PathLike. Received: "
            f"{type(path).__name__}. {advice}"
        )
    if "\0" in text:
        raise SourceError(f"A path must not contain a null character. Received: {text!r}.")
    return text
