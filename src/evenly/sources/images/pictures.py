"""A picture: where it comes from, and how to get its bytes, or Pillow's image of it."""

import os
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

from evenly.sources.files.paths import is_url, open_file
from evenly.sources.files.stamps import Stamp
from evenly.sources.images.decoding import UnreadableError


class Picture(NamedTuple):
    """One image that has not been read yet.

    Attributes
    ----------
    place
        Its name, for messages.
    read
        Gives its file's bytes, or an image of Pillow's. Any thread may call it.
    nbytes
        The bytes that it takes of its source's; None when that is what is read.
    file
        The path of the file that it is, or lies in.
    archive
        The same of an image in an archive; nothing of others.
    """

    place: str
    read: Callable[[], Any]
    nbytes: int | None = None
    file: str = ""
    archive: str = ""


def of_file(path: str) -> Picture:
    """Return the picture in a file; it is opened when it is read."""
    return Picture(path, partial(_content, path), None, path)


def of_images(images: Iterable[Any]) -> Iterator[Picture]:
    """Yield Pillow's images as pictures."""
    for number, image in enumerate(images):
        yield Picture(f"image {number}", partial(_itself, image), 0)


def is_image(x: Any) -> bool:
    """Whether it is an image of Pillow's: who holds one has imported Pillow."""
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(x, pillow.Image)


def content_of(picture: Picture) -> Any:
    """Return what a picture reads: bytes, or an image of Pillow's.

    Raises
    ------
    UnreadableError
        When its file is gone or may not be read, or its member of an archive is damaged.
    """
    try:
        return picture.read()
    except (OSError, ValueError, RuntimeError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UnreadableError(text.rstrip(".")) from None


def _itself(image: Any) -> Any:
    return image


def _content(path: str) -> bytes:
    if is_url(path):
        with open_file(path) as file:
            return file.read()
    return read_file(path)[0]


def read_file(path: str) -> tuple[bytes, Stamp]:
    """Return the bytes of a file on this machine, and its stamp.

    Raises
    ------
    UnreadableError
        When it changes meanwhile.
    """
    # Each call to the system lets go of Python's lock, for which the other threads wait: so
    # there are few, and `open` would make twice as many.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        before = os.fstat(descriptor)
        pieces = [os.read(descriptor, before.st_size + 1)]
        while pieces[-1] and len(pieces[0]) != before.st_size:  # it grows, or is no plain file
            pieces.append(os.read(descriptor, 1 << 20))
        stamp = Stamp(before.st_size, before.st_mtime_ns)
        now = os.fstat(descriptor)
        if stamp != Stamp(now.st_size, now.st_mtime_ns):
            raise UnreadableError("it changed while it was read")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces), stamp
    finally:
        os.close(descriptor)
