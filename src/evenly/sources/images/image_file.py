"""A picture: where it comes from, and how to get its bytes, or Pillow's image of it."""

import lzma
import os
import sys
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

from evenly.errors import SourceError
from evenly.redaction import redact, redact_url
from evenly.sources.files.fingerprint import ChangeCheck, ChangedError, Fingerprint
from evenly.sources.files.locate import filesystem_of, is_url, open_in
from evenly.sources.images.decode import UnreadableError
from evenly.sources.read_errors import reason
from evenly.sources.size_limits import TooLargeError
from evenly.system.errors import (
    MISSING_OR_FORBIDDEN,
    OUT_OF_DESCRIPTORS,
    is_system_error,
    system_error,
)
from evenly.system.regular_files import open_regular


class ImageFile(NamedTuple):
    """One image that has not been read yet.

    Attributes
    ----------
    label
        Its name, for messages.
    read
        Gives its file's bytes, or an image of Pillow's. Any thread may call it.
    nbytes
        The bytes that it takes of its source's; None when that is what is read.
    file
        The path of the file that it is, or lies in.
    """

    label: str
    read: Callable[[], Any]
    nbytes: int | None = None
    file: str = ""

    @property
    def archive(self) -> str:
        """The path of the archive that it is in; empty for a file of its own."""
        return self.file if self.nbytes is not None else ""


def of_file(path: str) -> ImageFile:
    """Return the picture in a file; it is opened when it is read."""
    return ImageFile(redact_url(path), partial(_read_bytes, path), None, path)


def of_images(images: Iterable[Any]) -> Iterator[ImageFile]:
    """Yield Pillow's images as pictures."""
    for number, image in enumerate(images):
        yield ImageFile(f"image {number}", partial(_identity, image), 0)


def is_pillow_image(x: Any) -> bool:
    """Whether it is an image of Pillow's: who holds one has imported Pillow."""
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(x, pillow.Image)


class Reader:
    """Reads for several threads; for one at a time once the system ran out of descriptors."""

    def __init__(self) -> None:
        self._scarce = False
        self._alone = threading.Lock()

    def read(self, read: Callable[[ImageFile], Any], picture: ImageFile) -> Any:
        """Return what `read` returns of a picture.

        Raises
        ------
        SourceError
            When too many files are open, also after those that this reader opens are closed.
        """
        if not self._scarce:
            try:
                return read(picture)
            except SourceError as error:
                if error.errno not in OUT_OF_DESCRIPTORS:
                    raise
                self._scarce = True
        with self._alone:
            return _read_with_retries(read, picture)


_RETRY_DELAYS = 0.001, 0.01, 0.1, 0.5
"""Seconds to wait for other threads, and other libraries, to close files."""


def _read_with_retries(read: Callable[[ImageFile], Any], picture: ImageFile) -> Any:
    for pause in _RETRY_DELAYS:
        try:
            return read(picture)
        except SourceError as error:
            if error.errno not in OUT_OF_DESCRIPTORS:
                raise
            time.sleep(pause)
    return read(picture)


def read(picture: ImageFile) -> Any:
    """Return what a picture reads: bytes, or an image of Pillow's.

    Raises
    ------
    UnreadableError
        When its file is gone or may not be read, or its member of an archive is damaged.
    SourceError
        When the system cannot read it now, its archive has changed, or it is too large.
    """
    try:
        return picture.read()
    except (ImportError, ChangedError, TooLargeError):
        raise
    except Exception as error:  # damaged members make zipfile and codecs raise almost anything
        if is_system_error(error):
            if isinstance(error, SourceError):
                raise
            raise system_error(picture.label, error, url=picture.file) from None
        raise UnreadableError(redact(reason(error), picture.file)) from None


_DAMAGE = zlib.error, zipfile.BadZipFile, lzma.LZMAError, EOFError, RuntimeError, ValueError
"""What the decoders of archives raise; RuntimeError for encrypted members."""


def read_remote(read: Callable[[], bytes], label: str, url: str) -> bytes:
    """Return what `read` returns from a file system far away, whose own failures are the system's.

    They are of any class: of aiohttp, botocore, requests and others.

    Raises
    ------
    SourceError
        When it fails, but for files that are missing, forbidden or damaged.
    """
    try:
        return read()
    except (SourceError, ImportError, *MISSING_OR_FORBIDDEN, *_DAMAGE):
        raise
    except Exception as error:
        raise system_error(label, error, url=url) from None


def _identity(image: Any) -> Any:
    return image


def _read_bytes(path: str) -> bytes:
    if is_url(path):
        return read_remote(partial(_remote_content, path), redact_url(path), path)
    return read_file(path)[0]


def read_file(path: str) -> tuple[bytes, Fingerprint]:
    """Return the bytes of a file on this machine, and its stamp.

    Raises
    ------
    UnreadableError
        When it changes meanwhile.
    """
    # Each call to the system lets go of Python's lock, for which the other threads wait: so
    # there are few, and `open` would make twice as many.
    descriptor, before = open_regular(path)
    try:
        pieces = [os.read(descriptor, before.st_size + 1)]
        while pieces[-1] and len(pieces[0]) != before.st_size:  # it grows, or a read returns less
            pieces.append(os.read(descriptor, 1 << 20))
        stamp = Fingerprint(before.st_size, before.st_mtime_ns)
        now = os.fstat(descriptor)
        if stamp != Fingerprint(now.st_size, now.st_mtime_ns):
            raise UnreadableError("it changed while it was read")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces), stamp
    finally:
        os.close(descriptor)


def _remote_content(path: str) -> bytes:
    filesystem, inner = filesystem_of(path)
    with open_in(filesystem, inner) as file:
        if (getattr(file, "size", None) or 0) <= getattr(file, "blocksize", 0):
            return file.read()  # type: ignore[no-any-return]
        check = ChangeCheck(path)  # reading takes several requests
        content: bytes = file.read()
    try:
        check.check()
    except ChangedError:
        raise UnreadableError("it changed while it was read") from None
    return content
