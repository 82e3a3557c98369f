"""Check the sizes of Parquet pages before they are decompressed.

PyArrow allocates any size that a page header declares. Page headers are decoded here according to
the compact protocol of Apache Thrift (``doc/specs/thrift-compact-protocol.md`` in its repository);
the fields are those of ``PageHeader`` in ``parquet.thrift``.
"""

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from evenly.sources.read_errors import corrupt_file_error
from evenly.sources.size_limits import check_size, max_member_bytes
from evenly.system.regular_files import RegularFile

_HEADER_BYTES = 2**9
"""Bytes to read of a page header at first."""
_MAX_HEADER_BYTES = 2**20
_UNCOMPRESSED_SIZE, _COMPRESSED_SIZE = 2, 3
_MAX_DEPTH = 16

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)


class PageCheck:
    """Check the pages of the columns of a local Parquet file.

    Parameters
    ----------
    path
        Path of the file.
    metadata
        The file's `pyarrow.parquet.FileMetaData`.
    label
        The file's name, for messages.
    """

    def __init__(self, path: str, metadata: Any, label: str) -> None:
        self._path = path
        self._metadata = metadata
        self._label = label
        self._leaves: dict[str, list[int]] | None = None

    def check(self, group: int, names: Iterable[str]) -> None:
        """Check the sizes of the pages that hold some columns of a row group.

        The footer has the decompressed size of each column chunk. Page headers are read only for
        chunks beyond the limit: for all chunks that would take 12 µs per page, a tenth of a fit.

        Raises
        ------
        TooLargeError
            If a page is larger than ``EVENLY_MAX_MEMBER_BYTES``.
        SourceError
            If the page headers cannot be decoded.
        """
        if self._leaves is None:
            self._leaves = _leaves(self._metadata.schema)
        row_group = self._metadata.row_group(group)
        indices = (index for name in names for index in self._leaves.get(name, ()))
        limit = max_member_bytes()
        chunks = [c for c in map(row_group.column, indices) if c.total_uncompressed_size > limit]
        if not chunks:
            return
        with RegularFile(self._path) as file:
            for chunk in chunks:
                label = f"{self._label}, whose column {chunk.path_in_schema!r} has a page"
                for size in _page_sizes(file, chunk, self._label):
                    check_size(size, label)


def _leaves(schema: Any) -> dict[str, list[int]]:
    """Return the indices of the leaf columns under each name; names may contain dots."""
    indices: dict[str, list[int]] = {}
    for index in range(len(schema)):
        path = schema.column(index).path
        ends = (end for end in range(1, len(path) + 1) if end == len(path) or path[end] == ".")
        for end in ends:
            indices.setdefault(path[:end], []).append(index)
    return indices


def _page_sizes(file: BinaryIO, chunk: Any, label: str) -> Iterator[int]:
    """Yield the uncompressed size of each page."""
    offset = chunk.data_page_offset
    if chunk.has_dictionary_page and chunk.dictionary_page_offset:
        offset = min(offset, chunk.dictionary_page_offset)
    end = offset + chunk.total_compressed_size
    while offset < end:
        fields, length = _page_header(file, offset, label)
        uncompressed, compressed = fields.get(_UNCOMPRESSED_SIZE), fields.get(_COMPRESSED_SIZE)
        if uncompressed is None or compressed is None or uncompressed < 0 or compressed < 0:
            raise corrupt_file_error(label, f"the page header at byte {offset:,} has no size")
        yield uncompressed
        offset += length + compressed


def _page_header(file: BinaryIO, offset: int, label: str) -> tuple[dict[int, int], int]:
    """Return the integer fields of the page header at an offset, and its length in bytes."""
    size = _HEADER_BYTES
    while size <= _MAX_HEADER_BYTES:
        file.seek(offset)
        data = file.read(size)
        try:
            return _struct(data, 0, 0)
        except IndexError:
            if len(data) < size:
                break
            size *= 8
        except ValueError as error:
            raise corrupt_file_error(label, error) from None
    raise corrupt_file_error(label, f"the page header at byte {offset:,} has no end")


def _struct(data: bytes, position: int, depth: int) -> tuple[dict[int, int], int]:
    """Return the integer fields of a struct by their numbers, and the position after it.

    Raises
    ------
    IndexError
        If the struct extends beyond the data.
    ValueError
        If the data is not a valid struct.
    """
    fields: dict[int, int] = {}
    field = 0
    while head := data[position]:
        field_type, delta = head & 15, head >> 4
        position += 1
        if delta:
            field += delta
        else:
            field, position = _integer(data, position)
        if field_type in (_I16, _I32, _I64):
            fields[field], position = _integer(data, position)
        elif field_type not in (_TRUE, _FALSE):  # their value is the type
            position = _skip(data, position, field_type, depth + 1)
    return fields, position + 1


def _skip(data: bytes, position: int, field_type: int, depth: int) -> int:
    """Return the position after a value of a type."""
    if depth > _MAX_DEPTH:
        raise ValueError("a page header that is nested too deeply")
    if field_type in (_TRUE, _FALSE, _BYTE):
        return position + 1
    if field_type in (_I16, _I32, _I64):
        return _varint(data, position)[1]
    if field_type == _DOUBLE:
        return position + 8
    if field_type == _BINARY:
        length, position = _varint(data, position)
        if position + length > len(data):
            raise IndexError
        return position + length
    if field_type == _STRUCT:
        return _struct(data, position, depth)[1]
    if field_type in (_LIST, _SET):
        head = data[position]
        count, position = head >> 4, position + 1
        if count == 15:
            count, position = _varint(data, position)
        if count > len(data):
            raise IndexError
        for _ in range(count):
            position = _skip(data, position, head & 15, depth + 1)
        return position
    raise ValueError(f"a page header with a field of type {field_type}")


def _integer(data: bytes, position: int) -> tuple[int, int]:
    """Return a zigzag integer, and the position after it."""
    value, position = _varint(data, position)
    return (value >> 1) ^ -(value & 1), position


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("a page header with a number of more than 64 bits")
