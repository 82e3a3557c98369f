"""Zip archives: each member that is data is read like a file of its own, one by one."""

import bz2
import io
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO

from evenly.errors import ColumnError, DataError, SourceError, format_names, suggest
from evenly.sources.files.locate import is_data_file
from evenly.sources.files.streams import Stream
from evenly.sources.read_errors import decode_errors
from evenly.sources.size_limits import check_size, max_member_bytes
from evenly.sources.stores import zarr

MAGIC = b"PK\x03\x04"
EMPTY_MAGIC = b"PK\x05\x06"
_STEP = 2**16
"""Bytes that are read of a member at a time."""


def open_archive(raw: BinaryIO, label: str) -> zipfile.ZipFile:
    """Return the archive in a file.

    Raises
    ------
    SourceError
        When it is damaged.
    """
    with decode_errors(label):
        return zipfile.ZipFile(raw)


def is_npz(archive: zipfile.ZipFile) -> bool:
    """Whether all members are NPY files, as `numpy.savez` writes them."""
    names = archive.namelist()
    return bool(names) and all(name.endswith(".npy") for name in names)


def is_zarr(archive: zipfile.ZipFile) -> bool:
    """Whether it is a Zarr store: at its root is a file that says so."""
    return any(mark in archive.namelist() for mark in zarr.MARKS)


def selected_array(archive: zipfile.ZipFile, select: object, label: str) -> str:
    """Return the member of an NPZ file that holds the array to be fitted.

    Raises
    ------
    DataError
        When there are several and none was selected.
    ColumnError
        When there is none of that name.
    """
    names = [name.removesuffix(".npy") for name in archive.namelist()]
    if select is None and len(names) == 1:
        return f"{names[0]}.npy"
    if select is None:
        raise DataError(
            "Of an NPZ file with several arrays one must be selected. "
            f"Received: {label} with {format_names(names)}. Pass select={names[0]!r}, for example."
        )
    if select not in names:
        raise ColumnError(
            f"There must be an array of that name. Received: select={select!r}; {label} has "
            f"{format_names(names)}.{suggest(str(select), names)}"
        )
    return f"{select}.npy"


def member_names(archive: zipfile.ZipFile, label: str) -> list[tuple[str, str]]:
    """Return the names of the members that are data, with their places for messages."""
    names = sorted(info.filename for info in archive.infolist() if not info.is_dir())
    data = [name for name in names if is_data_file(name)]
    if not data:
        raise SourceError(
            "A zip archive must hold data files. "
            f"Received: {label}, which holds {format_names(names) or 'nothing'}."
        )
    return [(name, label if len(data) == 1 else f"{label}/{name}") for name in data]


def member_stream(archive: zipfile.ZipFile, name: str, raw: BinaryIO, label: str) -> Stream:
    """Return a member's bytes; its progress is that of the archive's file."""
    with decode_errors(label):
        member = _open_member(archive, archive.getinfo(name), label)
        return Stream(raw, label, io.BufferedReader(member, _STEP), owned=False)


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, label: str) -> bytes:
    """Return the whole content of a member whose size has been checked."""
    parts = []
    with _open_member(archive, info, label) as member:
        while part := member.read(_STEP):
            parts.append(part)
    return b"".join(parts)


def _open_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, label: str) -> Any:
    """Return a member for reading, in steps that are unpacked within bounds.

    zipfile stops at the size asked for only when it unpacks deflated data. A step of LZMA becomes
    at most some 7,000 times as large; for bzip2 there is no such limit.
    """
    member: Any = archive.open(info)
    if info.compress_type == zipfile.ZIP_BZIP2:
        member._decompressor = _Bzip2(label)
    return member


class _Bzip2:
    """A decompressor for zipfile that refuses to unpack more than the bound in one step."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._decompressor = bz2.BZ2Decompressor()

    @property
    def eof(self) -> bool:
        """Whether the end of the data has been reached."""
        return self._decompressor.eof

    def decompress(self, data: bytes) -> bytes:
        """Return what some bytes stand for."""
        result = self._decompressor.decompress(data, max_member_bytes() + 1)
        check_size(len(result), f"{self._label}, unpacked from {len(data)} bytes")
        return result


def iter_members(
    archive: zipfile.ZipFile, raw: BinaryIO, label: str
) -> Iterator[tuple[str, str, Stream]]:
    """Yield each member that is data: its name, its label, its bytes."""
    for name, member_label in member_names(archive, label):
        yield name, member_label, member_stream(archive, name, raw, member_label)
