"""Write a file completely or not at all, on this machine or at a URL."""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from evenly.errors import SourceError
from evenly.redaction import redact_url
from evenly.sources.files.filesystems import filesystem_of, is_local, open_errors
from evenly.sources.read_errors import decode_errors, reason
from evenly.sources.sql.url import is_database
from evenly.sources.urls import is_url, with_storage
from evenly.system.atomic import atomic_file, temporary_copy
from evenly.system.paths import path_text
from evenly.system.stream_errors import stream_errors, temporary_write_errors
from evenly.typing import Path, StorageOptions

if TYPE_CHECKING:
    import fsspec


_READ_ONLY = ("http://", "https://", "data:")


@contextlib.contextmanager
def open_output(path: Path, storage_options: StorageOptions | None = None) -> Iterator[BinaryIO]:
    """Open a binary file that replaces ``path`` only if the block succeeds.

    A local file is written as `atomic_file` does. For a URL, the data are written to a temporary
    file on this machine, and uploaded when they are complete.

    Parameters
    ----------
    path
        A path, or the URL of a file for fsspec: ``s3://bucket/x.json``.
    storage_options
        The options of the file system of a URL.

    Raises
    ------
    SourceError
        When it cannot be written.
    MissingExtraError
        When the file system needs a package that is not installed.
    """
    path = path_text(path, "To an open file, write moments.to_bytes().")
    (text,) = with_storage([path], storage_options)
    if not is_url(text):
        with atomic_file(path) as file:
            yield file
        return
    _check_is_file(text)
    with open_errors(text):
        filesystem, inner = filesystem_of(text)
    if is_local(filesystem):
        with atomic_file(inner) as file:
            yield file
        return
    with temporary_copy(redact_url(text)) as copy:
        yield copy.file
        copy.file.flush()
        with decode_errors(redact_url(text), _unwritable_error, _unwritable_error, url=text):
            _upload(copy.path, filesystem, inner)


@contextlib.contextmanager
def open_standard_output() -> Iterator[BinaryIO]:
    """Open a temporary file that is copied to standard output only if the block succeeds."""
    with tempfile.TemporaryFile(prefix="evenly-") as file:
        with temporary_write_errors():
            yield file
            file.seek(0)
        with stream_errors("write standard output", "Write to a file instead."):
            shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()


def _upload(temporary: str, filesystem: "fsspec.AbstractFileSystem", inner: str) -> None:
    """Upload a file; object stores show it when it is complete."""
    filesystem.put_file(temporary, inner)
    filesystem.invalidate_cache(filesystem._parent(inner))


def _check_is_file(url: str) -> None:
    if is_database(url) or url.endswith("/") or "::" in url or url.startswith(_READ_ONLY):
        raise SourceError(
            "An output must be a file that can be written, such as s3://bucket/x.json. Received: "
            f"{redact_url(url)!r}. Choose another path."
        )


def _unwritable_error(label: str, error: object) -> SourceError:
    """Return the error for a URL that cannot be written."""
    return SourceError(
        f"An output must be writable. Received: {label!r}: {reason(error)}. Choose another URL, "
        "or pass credentials with storage_options=."
    )


def read_first_byte(path: str) -> bytes | None:
    """Return the first byte of an output, which may be empty; None if there is no such file."""
    if not is_url(path):
        if not os.path.isfile(path):
            return None
        with open(path, "rb") as file:
            return file.read(1)
    with open_errors(path):
        filesystem, inner = filesystem_of(path)
        if not filesystem.isfile(inner):
            return None
        with filesystem.open(inner, "rb") as file:
            return bytes(file.read(1))
