"""Check the sizes of Parquet pages before they are decompressed.

PyArrow allocates any size that a page header declares. The core reads the footer and the headers
(``cpp/base/parquet_pages.h``), which takes 1 µs for each page.
"""

import os
from collections.abc import Iterable
from typing import Any

from evenly import _core
from evenly.sources.read_errors import corrupt_file_error
from evenly.sources.size_limits import check_size, max_member_bytes
from evenly.system.regular_files import RegularFile


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
        self._chunks: list[tuple[int, int]] = []

    def check(self, group: int, names: Iterable[str]) -> None:
        """Check the sizes of the pages that hold some columns of a row group.

        Raises
        ------
        TooLargeError
            If a page is larger than ``EVENLY_MAX_MEMBER_BYTES``.
        SourceError
            If the footer or the page headers cannot be decoded.
        """
        limit = max_member_bytes()
        with RegularFile(self._path) as file:
            leaves = self._leaves or self._read_footer(file)
            width = len(self._metadata.schema)
            for index in (index for name in names for index in leaves.get(name, ())):
                column = self._metadata.schema.column(index).path
                start, stop = self._chunks[group * width + index]
                size = _core.largest_parquet_page(file.fileno(), start, stop, limit)
                if size < 0:
                    raise corrupt_file_error(self._label, f"the page headers of column {column!r}")
                check_size(size, f"{self._label}, whose column {column!r} has a page")

    def _read_footer(self, file: RegularFile) -> dict[str, list[int]]:
        """Read the ranges of the column chunks, and return the leaf columns by name."""
        schema, groups = self._metadata.schema, self._metadata.num_row_groups
        chunks = _core.parquet_chunks(file.fileno(), os.fstat(file.fileno()).st_size)
        if chunks is None or len(chunks) != groups * len(schema):
            raise corrupt_file_error(self._label, "the footer")
        self._chunks = chunks
        self._leaves = _leaves(schema)
        return self._leaves


def _leaves(schema: Any) -> dict[str, list[int]]:
    """Return the indices of the leaf columns under each name; names may contain dots."""
    indices: dict[str, list[int]] = {}
    for index in range(len(schema)):
        path = schema.column(index).path
        ends = (end for end in range(1, len(path) + 1) if end == len(path) or path[end] == ".")
        for end in ends:
            indices.setdefault(path[:end], []).append(index)
    return indices
