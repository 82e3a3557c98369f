"""Zip and tar archives of images, such as the shards of WebDataset.

Members that are no images are passed over, and counted. An archive that is itself damaged is
an error whatever is to become of broken images: nobody knows how many are missing.
"""

import os
import tarfile
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

from evenly.errors import SourceError
from evenly.sources.files.archives import open_archive
from evenly.sources.files.paths import (
    is_hidden_image,
    is_image,
    is_url,
    open_file,
    suffixes_of,
)
from evenly.sources.files.streams import damaged, decompressed, reading
from evenly.sources.images.pictures import Picture

_BLOCK = 512
"""Bytes of a tar header."""


def zip_holds_images(path: str) -> bool:
    """Whether a zip archive has a member that is an image; one that is damaged has none."""
    try:
        with open_file(path) as raw:
            return any(_is_wanted(name) for name in open_archive(raw, path).namelist())
    except SourceError:
        return False


def of_zip(path: str, passed_over: "Counter[str]") -> Iterator[Picture]:
    """Yield the images of a zip archive; threads may read several at a time."""
    archive = open_archive(open_file(path), path)  # open for as long as a picture is left
    for info in archive.infolist():
        if info.is_dir():
            continue
        if _is_wanted(info.filename):
            place = f"{path}/{info.filename}"
            yield Picture(place, partial(archive.read, info), info.compress_size, path, path)
        else:
            _pass_over(info.filename, passed_over)


def of_tar(path: str, passed_over: "Counter[str]") -> Iterator[Picture]:
    """Yield the images of a tar archive, compressed or not.

    Of one that lies on this machine as it is, threads read several at a time; the others are
    read in order, as they are decompressed or as they come.
    """
    raw = open_file(path)
    head = raw.read(8)
    raw.seek(0)
    packed = decompressed(raw, head)
    if packed is None and not is_url(path) and hasattr(os, "pread"):
        yield from _of_plain_tar(raw, path, passed_over)
        return
    seen = 0
    with raw, _opened(packed or raw, path, "r|") as archive:
        for info in _members(archive, path, passed_over):
            with reading(path):
                content = archive.extractfile(info).read()  # type: ignore[union-attr]
            position = raw.tell()
            place = f"{path}/{info.name}"
            yield Picture(place, partial(_same, content), position - seen, path, path)
            seen = position


def _of_plain_tar(raw: Any, path: str, passed_over: "Counter[str]") -> Iterator[Picture]:
    """Yield pictures that are read at their place in the file, which stays open until then."""
    archive = _opened(raw, path, "r:")
    for info in _members(archive, path, passed_over):
        read = partial(_read_at, raw, info.offset_data, info.size)
        yield Picture(f"{path}/{info.name}", read, info.size + _BLOCK, path, path)
    if 0 < os.fstat(raw.fileno()).st_size - archive.offset < _BLOCK:
        raise damaged(path, "it ends within a header")  # of which tarfile says nothing


def _opened(file: Any, path: str, mode: Any) -> tarfile.TarFile:
    with reading(path):
        return tarfile.open(fileobj=file, mode=mode)


def _members(
    archive: tarfile.TarFile, path: str, passed_over: "Counter[str]"
) -> Iterator[tarfile.TarInfo]:
    """Yield the members that are images."""
    while True:
        with reading(path):
            info = archive.next()
        if info is None:
            return
        archive.members.clear()  # type: ignore[attr-defined] # else it would keep all of them
        if info.isreg() and not info.issparse() and _is_wanted(info.name):
            yield info
        elif not info.isdir():
            _pass_over(info.name, passed_over)


def _is_wanted(name: str) -> bool:
    return is_image(name) and not is_hidden_image(name)


def _pass_over(name: str, passed_over: "Counter[str]") -> None:
    if not is_hidden_image(name):
        passed_over[suffixes_of(name)[0] or "no suffix"] += 1


def _read_at(raw: Any, offset: int, size: int) -> bytes:
    return os.pread(raw.fileno(), size, offset)


def _same(content: bytes) -> bytes:
    return content
