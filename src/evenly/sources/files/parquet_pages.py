"""Check the sizes of Parquet pages before they are decompressed.

PyArrow allocates any size that a page header declares. The core reads the headers
(``cpp/base/parquet_pages.h``), which takes 1 µs for each page.
"""

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

    def check(self, group: int, names: Iterable[str]) -> None:
        """Check the sizes of the pages that hold some columns of a row group.

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
        with RegularFile(self._path) as file:
            for chunk in map(row_group.column, indices):
                size = _largest_page(file.fileno(), chunk, limit)
                if size < 0:
                    raise corrupt_file_error(
                        self._label, f"the page headers of column {chunk.path_in_schema!r}"
                    )
                check_size(size, f"{self._label}, whose column {chunk.path_in_schema!r} has a page")


def _leaves(schema: Any) -> dict[str, list[int]]:
    """Return the indices of the leaf columns under each name; names may contain dots."""
    indices: dict[str, list[int]] = {}
    for index in range(len(schema)):
        path = schema.column(index).path
        ends = (end for end in range(1, len(path) + 1) if end == len(path) or path[end] == ".")
        for end in ends:
            indices.setdefault(path[:end], []).append(index)
    return indices


def _largest_page(file: int, chunk: Any, limit: int) -> int:
    """Return the largest uncompressed size of a column chunk's pages; -1 for invalid headers."""
    if not chunk.num_values:  # whose offset of data pages is 0
        return 0
    start = chunk.data_page_offset
    if chunk.has_dictionary_page and chunk.dictionary_page_offset:
        start = min(start, chunk.dictionary_page_offset)
    return _core.largest_parquet_page(file, start, start + chunk.total_compressed_size, limit)
