"""What a ledger calls a file: the same from wherever the command is run."""

import functools
import os

from evenly.sources.files.paths import filesystem_of, is_url


class Names:
    """Between paths as they are given and as a ledger writes them.

    A file below the ledger's own folder is named from there, so that both can be moved
    together; any other by its absolute path. Symbolic links are resolved: one file has one
    name, by whatever way it is reached, and cannot come in twice. URLs are written as their
    file system writes them.

    Parameters
    ----------
    ledger
        The path of the statistics file.

    Examples
    --------
    >>> names = Names("/data/state.json")
    >>> names.stored("/data/2026/a.csv"), names.stored("/elsewhere/a.csv")
    ('2026/a.csv', '/elsewhere/a.csv')
    >>> names.path("2026/a.csv")
    '/data/2026/a.csv'
    """

    def __init__(self, ledger: str | os.PathLike[str]) -> None:
        self._folder = os.path.dirname(os.path.realpath(ledger))
        self._below = os.path.join(self._folder, "")

    def stored(self, path: str) -> str:
        """Return the name of a path that was given."""
        if is_url(path):
            return _address(path)
        return _real(path).removeprefix(self._below).replace(os.sep, "/")

    def path(self, stored: str) -> str:
        """Return a path that leads to a file, by its name."""
        return stored if is_url(stored) else os.path.join(self._folder, stored)


def _address(url: str) -> str:
    if "::" in url:  # a chain has no other form
        return url
    filesystem, inner = filesystem_of(url)
    return str(filesystem.unstrip_protocol(inner))


def _real(path: str) -> str:
    """Return `os.path.realpath`, which for each file would look at each folder above it."""
    folder, name = os.path.split(path)
    real = os.path.join(_real_folder(os.path.abspath(folder)), name)
    return os.path.realpath(real) if os.path.islink(real) else real


@functools.lru_cache(maxsize=1024)
def _real_folder(folder: str) -> str:
    return os.path.realpath(folder)
