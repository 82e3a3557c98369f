"""Image files: where an image comes from, and how to read its bytes."""

import lzma
import os
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from evenly.errors import SourceError
from evenly.group_keys import Key
from evenly.redaction import redact, redact_url
from evenly.sources.files.filesystems import filesystem_of, open_in
from evenly.sources.files.fingerprint import ChangeCheck, ChangedError, Fingerprint
from evenly.sources.images.decode import UnreadableError
from evenly.sources.read_errors import reason
from evenly.sources.size_limits import TooLargeError
from evenly.sources.urls import is_url
from evenly.system.errors import (
    MISSING_OR_FORBIDDEN,
    OUT_OF_DESCRIPTORS,
    is_system_error,
    system_error,
)
from evenly.system.regular_files import open_regular

if TYPE_CHECKING:
    import PIL.Image


T = TypeVar("T")


class ImageFile(NamedTuple):
    """An image that has not been read yet.

    Attributes
    ----------
    label
        The name of the image, for messages.
    read
        Return the contents of the file, or a Pillow image. Any thread may call it.
    nbytes
        The size of the image in its source; None if it is the size of the contents.
    file
        The path of the file or of the archive that contains it.
    group
        The key of its group; None without groups.
    """

    label: str
    read: "Callable[[], bytes | PIL.Image.Image]"
    nbytes: int | None = None
    file: str = ""
    group: Key | None = None

    @property
    def archive(self) -> str:
        """The path of the archive that contains the image; empty for a separate file."""
        return self.file if self.nbytes is not None else ""


def from_path(path: str) -> ImageFile:
    """Return the image in a file, which is opened when the image is read."""
    return ImageFile(redact_url(path), partial(_read_bytes, path), None, path)


def from_images(images: Iterable[Any]) -> Iterator[ImageFile]:
    """Yield Pillow images as `ImageFile` objects."""
    for number, image in enumerate(images):
        yield ImageFile(f"image {number}", in_memory(image), 0)


class ImageReader:
    """Read images in several threads, or in one at a time after file descriptors run out."""

    def __init__(self) -> None:
        self._out_of_descriptors = False
        self._lock = threading.Lock()

    def read(
        self, read: Callable[[ImageFile], Any], image_file: ImageFile
    ) -> "bytes | PIL.Image.Image":
        """Return the result of `read` for an image.

        Raises
        ------
        SourceError
            If too many files are open even after this reader has closed all of its own.
        """
        if not self._out_of_descriptors:
            try:
                return read(image_file)
            except SourceError as error:
                if error.errno not in OUT_OF_DESCRIPTORS:
                    raise
                self._out_of_descriptors = True
        with self._lock:
            return _read_with_retries(read, image_file)


_RETRY_DELAYS = 0.001, 0.01, 0.1, 0.5
"""Seconds to wait for other threads and libraries to close files."""


def _read_with_retries(read: Callable[[ImageFile], Any], image_file: ImageFile) -> Any:
    for delay in _RETRY_DELAYS:
        try:
            return read(image_file)
        except SourceError as error:
            if error.errno not in OUT_OF_DESCRIPTORS:
                raise
            time.sleep(delay)
    return read(image_file)


def read(image_file: ImageFile) -> "bytes | PIL.Image.Image":
    """Read an image: return the contents of its file, or a Pillow image.

    Raises
    ------
    UnreadableError
        If the file is missing or not accessible, or the archive member is corrupt.
    SourceError
        If the system fails to read the file, the archive has changed, or the file is too large.
    """
    try:
        return image_file.read()
    except (ImportError, ChangedError, TooLargeError):
        raise
    except Exception as error:  # zipfile and codecs raise almost any class for corrupt members
        if is_system_error(error):
            if isinstance(error, SourceError):
                raise
            raise system_error(image_file.label, error, url=image_file.file) from None
        raise UnreadableError(redact(reason(error), image_file.file)) from None


_CORRUPT_DATA = zlib.error, zipfile.BadZipFile, lzma.LZMAError, EOFError, RuntimeError, ValueError
"""Exceptions of archive decoders for corrupt data; RuntimeError for encrypted members."""


def read_remote(read: Callable[[], bytes], label: str, url: str) -> bytes:
    """Return the result of `read` from a remote file system; its failures are system errors.

    Their classes are those of aiohttp, botocore, requests and others.

    Raises
    ------
    SourceError
        If the file system fails. Missing, forbidden and corrupt files are other errors.
    """
    try:
        return read()
    except (SourceError, ImportError, *MISSING_OR_FORBIDDEN, *_CORRUPT_DATA):
        raise
    except Exception as error:
        raise system_error(label, error, url=url) from None


def in_memory(content: T) -> Callable[[], T]:
    """Return a function that returns contents that have been read."""
    return lambda: content


def _read_bytes(path: str) -> bytes:
    if is_url(path):
        return read_remote(partial(_read_url, path), redact_url(path), path)
    return read_file(path)[0]


def read_file(path: str) -> tuple[bytes, Fingerprint]:
    """Return the contents and the fingerprint of a local file.

    Raises
    ------
    UnreadableError
        If the file changes while it is read.
    """
    # Each system call releases the GIL, and must wait for other threads to acquire it again. So
    # use as few calls as possible; `open` would make twice as many.
    descriptor, before = open_regular(path)
    try:
        pieces = [os.read(descriptor, before.st_size + 1)]
        # It has grown, or a read returned less than the file has.
        while pieces[-1] and len(pieces[0]) != before.st_size:
            pieces.append(os.read(descriptor, 1 << 20))
        fingerprint = Fingerprint(before.st_size, before.st_mtime_ns)
        after = os.fstat(descriptor)
        if fingerprint != Fingerprint(after.st_size, after.st_mtime_ns):
            raise UnreadableError("it changed while it was read")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces), fingerprint
    finally:
        os.close(descriptor)


def _read_url(path: str) -> bytes:
    filesystem, inner = filesystem_of(path)
    with open_in(filesystem, inner) as file:
        if (getattr(file, "size", None) or 0) <= getattr(file, "blocksize", 0):
            return file.read()  # type: ignore[no-any-return]
        check = ChangeCheck(path)  # reading needs several requests
        content: bytes = file.read()
    try:
        check.check()
    except ChangedError:
        raise UnreadableError("it changed while it was read") from None
    return content
