"""The statistics file: exact moments in a JSON file, specified in ``docs/format.md``.

The names are imported on first use, since most programs that use moments read no file.
"""

from typing import TYPE_CHECKING

from evenly.lazy_names import importer

if TYPE_CHECKING:
    from evenly.statistics_file.column import ColumnRecord as ColumnRecord
    from evenly.statistics_file.document import KEY_VERSION as KEY_VERSION
    from evenly.statistics_file.document import Header as Header
    from evenly.statistics_file.document import has_groups as has_groups
    from evenly.statistics_file.document import lines as lines
    from evenly.statistics_file.document import parse as parse
    from evenly.statistics_file.document import parse_document as parse_document
    from evenly.statistics_file.document import read as read
    from evenly.statistics_file.document import read_bytes as read_bytes
    from evenly.statistics_file.manifest import FileRecord as FileRecord
    from evenly.statistics_file.manifest import Manifest as Manifest

_DOCUMENT = ("KEY_VERSION", "Header", "has_groups", "lines", "parse", "parse_document", "read")
_MODULES = {
    "ColumnRecord": "column",
    **dict.fromkeys((*_DOCUMENT, "read_bytes"), "document"),
    **dict.fromkeys(("FileRecord", "Manifest"), "manifest"),
}
__all__ = list(_MODULES)
__getattr__ = importer(__name__, _MODULES)
