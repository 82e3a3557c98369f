"""What a ledger calls a file: the same from wherever the command is run."""

import functools
import os

from evenly.redaction import redact_url
from evenly.sources.files.locate import filesystem_of
from evenly.sources.urls import is_url, without_caches


class PathMapper:
    """Between paths as they are given and as a ledger writes them.

    A file below the ledger's own folder is named from there, so that both can be moved
    together; any other by its absolute path. Symbolic links are resolved: one file has one
    name, by whatever way it is reached, and cannot come in twice. URLs are written as their
    file system writes them, without passwords, tokens and signatures: a file whose URL is
    signed again keeps its name.

    Parameters
    ----------
    ledger
        The path of the statistics file.

    Examples
    --------
    >>> names = PathMapper("/data/state.json")
    >>> names.stored("/data/2026/a.csv"), names.stored("/elsewhere/a.csv")
    ('2026/a.csv', '/elsewhere/a.csv')
    >>> names.path("2026/a.csv")
    '/data/2026/a.csv'
    """

    def __init__(self, ledger: str | os.PathLike[str]) -> None:
        self._folder = os.path.dirname(os.path.realpath(ledger))
        self._below = os.path.join(self._folder, "")

    def to_stored(self, path: str) -> str:
        """Return the name of a path that was given."""
        if is_url(path):
            return _address(path)
        return _real(path).removeprefix(self._below).replace(os.sep, "/")

    def path(self, stored: str) -> str:
        """Return a path that leads to a file, by its name."""
        return stored if is_url(stored) else os.path.join(self._folder, stored)

    def is_below(self, stored: str) -> bool:
        """Return whether a name is that of a file below the ledger's folder.

        Nothing outside of it is looked at to find that out, so that a ledger of unknown origin
        cannot choose what is.
        """
        if is_url(stored):
            return False
        path = os.path.normpath(self.path(stored))
        if not path.startswith(self._below):
            return False
        parts = path[len(self._below) :].split(os.sep)
        ways = (os.path.join(self._folder, *parts[:end]) for end in range(1, len(parts) + 1))
        return not any(map(os.path.islink, ways))  # `to_stored` never writes the name of a link


def _address(url: str) -> str:
    """Return the name of a URL.

    It is the form of its file system, where that has all there is in the URL: a host, a user or an
    account would be missing, and a chain has no other form.
    """
    url = without_caches(url)
    label = redact_url(url)
    if "::" in url or label != url:
        return label
    filesystem, inner = filesystem_of(url)
    if filesystem._get_kwargs_from_urls(url):
        return url
    return redact_url(str(filesystem.unstrip_protocol(inner)))


def _real(path: str) -> str:
    """Return `os.path.realpath`, which for each file would look at each folder above it."""
    folder, name = os.path.split(path)
    real = os.path.join(_real_folder(os.path.abspath(folder)), name)
    return os.path.realpath(real) if os.path.islink(real) else real


@functools.lru_cache(maxsize=1024)
def _real_folder(folder: str) -> str:
    return os.path.realpath(folder)
