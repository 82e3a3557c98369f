"""Read images from zip and tar archives, such as the shards of a WebDataset.

Members that are not images are skipped and counted. A corrupt archive is an error even if broken
images are skipped, because the number of missing images is unknown.
"""

import os
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from evenly.errors import SourceError
from evenly.redaction import redact_url
from evenly.sources.files.archives import open_archive, read_member
from evenly.sources.files.file_ref import (
    is_hidden_image,
    is_image_file,
    is_tar,
    suffixes_of,
)
from evenly.sources.files.filesystems import open_file
from evenly.sources.files.fingerprint import ChangeCheck
from evenly.sources.files.streams import decompressed
from evenly.sources.images.image_file import ImageFile, in_memory, read_remote
from evenly.sources.read_errors import corrupt_file_error, decode_errors
from evenly.sources.size_limits import check_size
from evenly.sources.urls import is_url
from evenly.system.errors import is_system_error

_BLOCK = 512
"""Bytes of a tar header."""
_EXTENDED = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)
_MAX_HEADER_BYTES = 2**20
"""Maximum size of an extended header, for long names, times and attributes."""


def zip_contains_images(path: str) -> bool:
    """Return whether a zip archive contains an image; False for a corrupt archive."""
    try:
        with open_file(path) as raw:
            return any(_is_wanted(name) for name in open_archive(raw, redact_url(path)).namelist())
    except SourceError as error:
        if is_system_error(error):
            raise
        return False


def iter_archive(path: str, skipped: "Counter[str]", check: bool = True) -> Iterator[ImageFile]:
    """Yield the images in an archive, always in the same order.

    Parameters
    ----------
    path
        Path or URL of the archive.
    skipped
        Counter of the other members by suffix.
    check
        Whether to raise an error if the archive changes while it is read.
    """
    return (_iter_tar if is_tar(path) else _iter_zip)(path, skipped, check)


def _iter_zip(path: str, skipped: "Counter[str]", check: bool) -> Iterator[ImageFile]:
    """Yield the images in a zip archive; threads can read several at a time."""
    label = redact_url(path)
    raw = open_file(path)
    unchanged = ChangeCheck(path, raw) if check else None
    archive = open_archive(raw, label)  # stays open until its last image is released
    for info in archive.infolist():
        if info.filename.endswith("/"):  # `is_dir` raises for an empty name
            continue
        if _is_wanted(info.filename):
            member_label = f"{label}/{info.filename}"
            check_size(info.file_size, member_label)
            read: Callable[[], bytes] = partial(read_member, archive, info, member_label)
            read = partial(read_remote, read, member_label, path) if is_url(path) else read
            if unchanged and not is_url(path):
                read = partial(_read_and_check, read, unchanged)
            yield ImageFile(member_label, read, info.compress_size, path)
        else:
            _count_skipped(info.filename, skipped)
    if unchanged and is_url(path):  # only once, because each check is a request
        unchanged.check()


def _read_and_check(read: Callable[[], bytes], unchanged: ChangeCheck) -> bytes:
    """Return the result of `read` after checking that the archive has not changed."""
    content = read()
    unchanged.check()
    return content


def _iter_tar(path: str, skipped: "Counter[str]", check: bool) -> Iterator[ImageFile]:
    """Yield the images in a tar archive, compressed or not.

    Threads can read several members of an uncompressed local archive at a time. Other archives are
    read sequentially and checked at their end.
    """
    raw, label = open_file(path), redact_url(path)
    unchanged = ChangeCheck(path, raw) if check else None
    with decode_errors(label):
        head = raw.read(8)
        raw.seek(0)
    packed = decompressed(raw, head)
    if packed is None and not is_url(path) and hasattr(os, "pread"):
        yield from _iter_plain_tar(raw, path, skipped, unchanged)
        return
    previous = 0
    with raw, _open_tar(packed or raw, label, "r|") as archive:
        for info in _iter_image_members(archive, label, skipped):
            check_size(info.size, f"{label}/{info.name}")
            with decode_errors(label):
                content = archive.extractfile(info).read()  # type: ignore[union-attr]
            position = raw.tell()
            nbytes = position - previous
            yield ImageFile(f"{label}/{info.name}", in_memory(content), nbytes, path)
            previous = position
        if unchanged:
            unchanged.check()


def _iter_plain_tar(
    raw: Any, path: str, skipped: "Counter[str]", unchanged: ChangeCheck | None
) -> Iterator[ImageFile]:
    """Yield the images in an uncompressed local archive, each read at its own offset."""
    archive = _open_tar(raw, path, "r:")
    end = os.fstat(raw.fileno()).st_size
    for info in _iter_image_members(archive, path, skipped):
        if info.offset_data + info.size > end:
            raise corrupt_file_error(path, f"it ends within its member {info.name!r}")
        check_size(info.size, f"{path}/{info.name}")
        read: Callable[[], bytes] = partial(_read_at, raw, info.offset_data, info.size)
        read = partial(_read_and_check, read, unchanged) if unchanged else read
        yield ImageFile(f"{path}/{info.name}", read, info.size + _BLOCK, path)


def _open_tar(file: Any, path: str, mode: Any) -> tarfile.TarFile:
    with decode_errors(path):
        return tarfile.open(fileobj=file, mode=mode, tarinfo=_TarMember)


class _TarMember(tarfile.TarInfo):
    """A tar member with stricter checks of its header.

    tarfile silently takes any corrupt header after the first for the end of the archive; here it
    is an error. tarfile reads extended headers of any declared size; here the size is limited.
    """

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> "_TarMember":
        """Return the next member."""
        try:
            return super().fromtarfile(archive)
        except (tarfile.EOFHeaderError, tarfile.EmptyHeaderError):  # type: ignore[attr-defined]
            raise
        except tarfile.TruncatedHeaderError:  # type: ignore[attr-defined]
            raise tarfile.ReadError("it ends within a header") from None
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from None

    @classmethod
    def frombuf(cls, buf: Any, encoding: str, errors: str) -> "_TarMember":
        """Return the member described by a header.

        Raises
        ------
        tarfile.TarError
            If an extended header is too large.
        """
        member = super().frombuf(buf, encoding, errors)
        if member.type in _EXTENDED and member.size > _MAX_HEADER_BYTES:
            raise tarfile.TarError(
                f"an extended header of {member.size:,} bytes, more than {_MAX_HEADER_BYTES:,}"
            )
        return member


def _iter_image_members(
    archive: tarfile.TarFile, path: str, skipped: "Counter[str]"
) -> Iterator[tarfile.TarInfo]:
    """Yield the members that are images."""
    previous_offset = -1
    while True:
        with decode_errors(path):
            info = archive.next()
        if info is None:
            return
        if info.size < 0 or archive.offset <= previous_offset:  # would be an endless loop
            raise corrupt_file_error(path, f"its member {info.name!r} has a negative size")
        previous_offset = archive.offset
        archive.members.clear()  # type: ignore[attr-defined] # tarfile keeps all members otherwise
        if info.isreg() and not info.issparse() and _is_wanted(info.name):
            yield info
        elif not info.isdir():
            _count_skipped(info.name, skipped)


def _is_wanted(name: str) -> bool:
    return is_image_file(name) and not is_hidden_image(name)


def _count_skipped(name: str, skipped: "Counter[str]") -> None:
    if not is_hidden_image(name):
        skipped[suffixes_of(name)[0] or "no suffix"] += 1


def _read_at(raw: Any, offset: int, size: int) -> bytes:
    return os.pread(raw.fileno(), size, offset)
