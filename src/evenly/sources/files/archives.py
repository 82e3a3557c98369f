"""Read the data files in zip archives one by one, like separate files."""

import bz2
import io
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO

from evenly.errors import ColumnError, DataError, SourceError, format_names, suggest
from evenly.sources.files.file_ref import is_data_file
from evenly.sources.files.folders import STORE_MARKS
from evenly.sources.files.other_formats import (
    other_image_by_name,
    other_image_error_text,
    reading_advice,
)
from evenly.sources.files.streams import Stream
from evenly.sources.read_errors import decode_errors
from evenly.sources.size_limits import check_size, max_member_bytes

MAGIC = b"PK\x03\x04"
EMPTY_MAGIC = b"PK\x05\x06"
_STEP = 2**16
"""Bytes of a member to read at a time."""


def open_archive(raw: BinaryIO, label: str) -> zipfile.ZipFile:
    """Open the zip archive in a file.

    Raises
    ------
    SourceError
        If the archive is corrupt.
    """
    with decode_errors(label):
        return zipfile.ZipFile(raw)


def is_npz(archive: zipfile.ZipFile) -> bool:
    """Return whether all members are NPY files, as `numpy.savez` writes them."""
    names = archive.namelist()
    return bool(names) and all(name.endswith(".npy") for name in names)


def is_zarr(archive: zipfile.ZipFile) -> bool:
    """Return whether an archive is a Zarr store, by the metadata file at its root."""
    return any(mark in archive.namelist() for mark in STORE_MARKS)


def selected_array(archive: zipfile.ZipFile, select: object, label: str) -> str:
    """Return the name of the member of an NPZ file that holds the array to fit.

    Raises
    ------
    DataError
        If there are several arrays and none was selected.
    ColumnError
        If there is no array with the selected name.
    """
    names = [name.removesuffix(".npy") for name in archive.namelist()]
    if select is None and len(names) == 1:
        return f"{names[0]}.npy"
    if select is None:
        raise DataError(
            "An NPZ file with several arrays needs select= to choose one. "
            f"Received: {label} with {format_names(names)}. Pass select={names[0]!r}, for example."
        )
    if select not in names:
        raise ColumnError(
            f"select= must name an array in the file. Received: select={select!r}; {label} has "
            f"{format_names(names)}.{suggest(str(select), names)}"
        )
    return f"{select}.npy"


def member_names(archive: zipfile.ZipFile, label: str) -> list[tuple[str, str]]:
    """Return the names of the data members, each with its label for messages."""
    names = sorted(info.filename for info in archive.infolist() if not info.is_dir())
    data = [name for name in names if is_data_file(name)]
    if not data:
        if names and all(map(other_image_by_name, names)):
            found = f"an archive of {format_names(names)}"
            raise SourceError(other_image_error_text(label, found))
        raise SourceError(
            f"A zip archive must hold data files. Received: {label}, which holds "
            f"{format_names(names) or 'nothing'}.{reading_advice(label)}"
        )
    return [(name, label if len(data) == 1 else f"{label}/{name}") for name in data]


def member_stream(archive: zipfile.ZipFile, name: str, raw: BinaryIO, label: str) -> Stream:
    """Return a stream of a member; its progress is that of the archive file."""
    with decode_errors(label):
        member = _open_member(archive, archive.getinfo(name), label)
        return Stream(raw, label, io.BufferedReader(member, _STEP), owned=False)


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, label: str) -> bytes:
    """Return the contents of a member whose size has been checked."""
    pieces = []
    with _open_member(archive, info, label) as member:
        while piece := member.read(_STEP):
            pieces.append(piece)
    return b"".join(pieces)


def _open_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, label: str) -> Any:
    """Open a member so that each read decompresses a bounded amount of data.

    zipfile stops at the requested size only for deflate. LZMA expands one read at most about
    7,000 times; bzip2 has no such limit.
    """
    member: Any = archive.open(info)
    if info.compress_type == zipfile.ZIP_BZIP2:
        member._decompressor = _BoundedBZ2Decompressor(label)
    return member


class _BoundedBZ2Decompressor:
    """A bzip2 decompressor for zipfile that limits the output of one call."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._decompressor = bz2.BZ2Decompressor()

    @property
    def eof(self) -> bool:
        """Whether the end of the data has been reached."""
        return self._decompressor.eof

    def decompress(self, data: bytes) -> bytes:
        """Return the decompressed data."""
        result = self._decompressor.decompress(data, max_member_bytes() + 1)
        check_size(len(result), f"{self._label}, unpacked from {len(data)} bytes")
        return result


def iter_members(
    archive: zipfile.ZipFile, raw: BinaryIO, label: str
) -> Iterator[tuple[str, str, Stream]]:
    """Yield the name, label and stream of each data member."""
    for name, member_label in member_names(archive, label):
        yield name, member_label, member_stream(archive, name, raw, member_label)
