"""The digest of a file's content, which shows that a file came back unchanged."""

import hashlib
import os

from evenly.errors import SourceError
from evenly.sources.files.filesystems import open_errors
from evenly.sources.urls import is_url
from evenly.system.errors import is_system_error

_CHUNK_BYTES = 2**20


def file_digest(path: str) -> str | None:
    """Return the digest of a local file.

    It is None for a URL, for a folder, such as a Zarr store, and for a file that was removed.

    Raises
    ------
    SourceError
        If the system fails to read the file.
    """
    if is_url(path) or os.path.isdir(path):
        return None
    digest = hashlib.sha256()
    try:
        with open_errors(path), open(path, "rb", buffering=0) as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except SourceError as error:
        if is_system_error(error):
            raise
        return None
    return f"sha256:{digest.hexdigest()}"


def content_digest(content: bytes) -> str:
    """Return the digest of the content of a file.

    >>> content_digest(b"")[:20]
    'sha256:e3b0c44298fc1'
    """
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
