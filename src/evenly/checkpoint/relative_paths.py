"""Convert between paths and their stored form in a manifest."""

import functools
import os

from evenly.redaction import redact_url
from evenly.sources.files.filesystems import filesystem_of
from evenly.sources.urls import is_url, without_caches


class PathMapper:
    """Convert between paths as they are given and as a manifest stores them.

    The stored path of a file below the folder of the statistics file is relative to that folder,
    so that both can be moved together; any other stored path is absolute. Symbolic links are
    resolved, so that each file has one stored path and is not included twice. URLs are stored in
    the form of their file system, without passwords, tokens and signatures: a file whose URL is
    signed again keeps its stored path.

    Parameters
    ----------
    statistics_file
        The path of the statistics file with the manifest.

    Examples
    --------
    >>> names = PathMapper("/data/state.json")
    >>> names.to_stored("/data/2026/a.csv"), names.to_stored("/elsewhere/a.csv")
    ('2026/a.csv', '/elsewhere/a.csv')
    >>> names.path("2026/a.csv")
    '/data/2026/a.csv'
    """

    def __init__(self, statistics_file: str | os.PathLike[str]) -> None:
        self._folder = os.path.dirname(os.path.realpath(statistics_file))
        self._below = os.path.join(self._folder, "")

    def to_stored(self, path: str) -> str:
        """Return the stored path of a path or URL."""
        if is_url(path):
            return _stored_url(path)
        return _real_path(path).removeprefix(self._below).replace(os.sep, "/")

    def path(self, stored: str) -> str:
        """Return the path of a file from its stored path."""
        return stored if is_url(stored) else os.path.join(self._folder, stored)

    def is_below(self, stored: str) -> bool:
        """Return whether a stored path is below the folder of the statistics file.

        No path outside of the folder is accessed, so that a statistics file of unknown origin
        cannot choose which paths are.
        """
        if is_url(stored):
            return False
        path = os.path.normpath(self.path(stored))
        if not path.startswith(self._below):
            return False
        parts = path[len(self._below) :].split(os.sep)
        prefixes = (os.path.join(self._folder, *parts[:end]) for end in range(1, len(parts) + 1))
        return not any(map(os.path.islink, prefixes))  # `to_stored` never returns a link


def _stored_url(url: str) -> str:
    """Return the stored form of a URL.

    It is the form of its file system, unless that lacks a host, a user or an account of the URL.
    A chain has no other form.
    """
    url = without_caches(url)
    label = redact_url(url)
    if "::" in url or label != url:
        return label
    filesystem, inner = filesystem_of(url)
    if filesystem._get_kwargs_from_urls(url):
        return url
    return redact_url(str(filesystem.unstrip_protocol(inner)))


def _real_path(path: str) -> str:
    """Return `os.path.realpath`, but resolve each folder only once."""
    folder, name = os.path.split(path)
    real = os.path.join(_real_folder(os.path.abspath(folder)), name)
    return os.path.realpath(real) if os.path.islink(real) else real


@functools.lru_cache(maxsize=1024)
def _real_folder(folder: str) -> str:
    return os.path.realpath(folder)
