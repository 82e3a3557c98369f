"""Zip and tar archives of images, such as the shards of WebDataset.

Members that are no images are passed over, and counted. An archive that is itself damaged is
an error whatever is to become of broken images: nobody knows how many are missing.
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
from evenly.sources.files.fingerprint import ChangeCheck
from evenly.sources.files.locate import (
    is_hidden_image,
    is_image_file,
    is_url,
    open_file,
    suffixes_of,
)
from evenly.sources.files.streams import decompressed
from evenly.sources.images.image_file import ImageFile, read_remote
from evenly.sources.read_errors import corrupt_file_error, decode_errors
from evenly.sources.size_limits import check_size
from evenly.system.errors import is_system_error

_BLOCK = 512
"""Bytes of a tar header."""
_EXTENDED = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)
_LONGEST_HEADER = 2**20
"""Bytes of an extended header: long names, times, attributes."""


def zip_contains_images(path: str) -> bool:
    """Whether a zip archive has a member that is an image; one that is damaged has none."""
    try:
        with open_file(path) as raw:
            return any(_is_wanted(name) for name in open_archive(raw, redact_url(path)).namelist())
    except SourceError as error:
        if is_system_error(error):
            raise
        return False


def iter_zip(path: str, passed_over: "Counter[str]", check: bool = True) -> Iterator[ImageFile]:
    """Yield the images of a zip archive; threads may read several at a time.

    Parameters
    ----------
    path
        Path or URL of the archive.
    passed_over
        Counts the other members by their suffix.
    check
        Whether to check after each image that the archive has not changed.
    """
    label = redact_url(path)
    raw = open_file(path)
    unchanged = ChangeCheck(path, raw) if check else None
    archive = open_archive(raw, label)  # open for as long as a picture is left
    for info in archive.infolist():
        if info.filename.endswith("/"):  # `is_dir` raises for an empty name
            continue
        if _is_wanted(info.filename):
            member_label = f"{label}/{info.filename}"
            check_size(info.file_size, member_label)
            read: Callable[[], bytes] = partial(read_member, archive, info, member_label)
            read = partial(read_remote, read, member_label, path) if is_url(path) else read
            if unchanged and not is_url(path):
                read = partial(_checked, read, unchanged)
            yield ImageFile(member_label, read, info.compress_size, path)
        else:
            _count_skipped(info.filename, passed_over)
    if unchanged and is_url(path):  # once: each check is a request
        unchanged.check()


def _checked(read: Callable[[], bytes], unchanged: ChangeCheck) -> bytes:
    """Return what `read` returns, after checking the archive that it reads from."""
    content = read()
    unchanged.check()
    return content


def iter_tar(path: str, passed_over: "Counter[str]", check: bool = True) -> Iterator[ImageFile]:
    """Yield the images of a tar archive, compressed or not.

    Threads read several members of an uncompressed local archive at a time. Other archives are
    read in order. The parameters are those of `iter_zip`; other archives are checked at their end.
    """
    raw, label = open_file(path), redact_url(path)
    unchanged = ChangeCheck(path, raw) if check else None
    with decode_errors(label):
        head = raw.read(8)
        raw.seek(0)
    packed = decompressed(raw, head)
    if packed is None and not is_url(path) and hasattr(os, "pread"):
        yield from _of_plain_tar(raw, path, passed_over, unchanged)
        return
    seen = 0
    with raw, _opened(packed or raw, label, "r|") as archive:
        for info in _members(archive, label, passed_over):
            check_size(info.size, f"{label}/{info.name}")
            with decode_errors(label):
                content = archive.extractfile(info).read()  # type: ignore[union-attr]
            position = raw.tell()
            yield ImageFile(
                f"{label}/{info.name}", partial(_identity, content), position - seen, path
            )
            seen = position
        if unchanged:
            unchanged.check()


def _of_plain_tar(
    raw: Any, path: str, passed_over: "Counter[str]", unchanged: ChangeCheck | None
) -> Iterator[ImageFile]:
    """Yield pictures that are read at their place in the file, which stays open until then."""
    archive = _opened(raw, path, "r:")
    end = os.fstat(raw.fileno()).st_size
    for info in _members(archive, path, passed_over):
        if info.offset_data + info.size > end:
            raise corrupt_file_error(path, f"it ends within its member {info.name!r}")
        check_size(info.size, f"{path}/{info.name}")
        read: Callable[[], bytes] = partial(_read_at, raw, info.offset_data, info.size)
        read = partial(_checked, read, unchanged) if unchanged else read
        yield ImageFile(f"{path}/{info.name}", read, info.size + _BLOCK, path)


def _opened(file: Any, path: str, mode: Any) -> tarfile.TarFile:
    with decode_errors(path):
        return tarfile.open(fileobj=file, mode=mode, tarinfo=_Member)


class _Member(tarfile.TarInfo):
    """A member of a tar archive; a damaged header is an error, and extended ones are bounded.

    tarfile takes all damaged headers but the first for the end of the archive, and says nothing.
    Extended headers are read whole, whatever size they declare.
    """

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> "_Member":
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
    def frombuf(cls, buf: Any, encoding: str, errors: str) -> "_Member":
        """Return the member that a header describes.

        Raises
        ------
        tarfile.TarError
            For an extended header that no archive needs.
        """
        member = super().frombuf(buf, encoding, errors)
        if member.type in _EXTENDED and member.size > _LONGEST_HEADER:
            raise tarfile.TarError(
                f"an extended header of {member.size:,} bytes, more than {_LONGEST_HEADER:,}"
            )
        return member


def _members(
    archive: tarfile.TarFile, path: str, passed_over: "Counter[str]"
) -> Iterator[tarfile.TarInfo]:
    """Yield the members that are images."""
    last = -1
    while True:
        with decode_errors(path):
            info = archive.next()
        if info is None:
            return
        if info.size < 0 or archive.offset <= last:  # which tarfile would read again and again
            raise corrupt_file_error(path, f"its member {info.name!r} has a negative size")
        last = archive.offset
        archive.members.clear()  # type: ignore[attr-defined] # else it would keep all of them
        if info.isreg() and not info.issparse() and _is_wanted(info.name):
            yield info
        elif not info.isdir():
            _count_skipped(info.name, passed_over)


def _is_wanted(name: str) -> bool:
    return is_image_file(name) and not is_hidden_image(name)


def _count_skipped(name: str, passed_over: "Counter[str]") -> None:
    if not is_hidden_image(name):
        passed_over[suffixes_of(name)[0] or "no suffix"] += 1


def _read_at(raw: Any, offset: int, size: int) -> bytes:
    return os.pread(raw.fileno(), size, offset)


def _identity(content: bytes) -> bytes:
    return content
