"""Which paths and URLs lead to the same file, and which files are in a folder."""

import os
from collections.abc import Hashable
from typing import NamedTuple

from evenly.sources.files.filesystems import filesystem_of, is_local, open_errors
from evenly.sources.sql.url import is_database
from evenly.sources.urls import is_url


class Location(NamedTuple):
    """Where a file is: the name of its file system, empty for this machine, and its path there."""

    filesystem: str
    path: str

    @property
    def is_local(self) -> bool:
        """Whether the file is on this machine."""
        return not self.filesystem

    def is_in(self, folder: "Location") -> bool:
        """Return whether it is a folder, or in this folder."""
        inside = f"{self.path.rstrip('/' + os.sep)}/".replace(os.sep, "/")
        outside = f"{folder.path.rstrip('/' + os.sep)}/".replace(os.sep, "/")
        return self.filesystem == folder.filesystem and inside.startswith(outside)


def location_of(path: str) -> Location:
    """Return the location of a path or a URL; links are resolved, and nothing needs to exist.

    >>> location_of("file:///data/x.csv").is_in(location_of("/data"))
    True

    Raises
    ------
    SourceError
        For a URL whose file system cannot be opened.
    """
    if not is_url(path):
        return Location("", os.path.realpath(path))
    if is_database(path) or "::" in path:
        return Location("URL", path)
    with open_errors(path):
        filesystem, inner = filesystem_of(path)
    if is_local(filesystem):
        return Location("", os.path.realpath(inner))
    return Location(f"{type(filesystem).__name__} {hash(filesystem)}", inner)


def identity(path: str) -> Hashable:
    """Return a value that is equal for paths and URLs of the same file."""
    location = location_of(path)
    if location.is_local and os.path.exists(location.path):
        status = os.stat(location.path)
        return status.st_dev, status.st_ino
    return location
