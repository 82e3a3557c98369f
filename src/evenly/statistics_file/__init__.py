"""The statistics file: exact moments in a JSON file, specified in ``docs/format.md``."""

from evenly.statistics_file.column import ColumnRecord as ColumnRecord
from evenly.statistics_file.document import Header as Header
from evenly.statistics_file.document import has_groups as has_groups
from evenly.statistics_file.document import lines as lines
from evenly.statistics_file.document import parse as parse
from evenly.statistics_file.document import parse_document as parse_document
from evenly.statistics_file.document import read as read
from evenly.statistics_file.document import read_bytes as read_bytes
from evenly.statistics_file.manifest import FileRecord as FileRecord
from evenly.statistics_file.manifest import Manifest as Manifest
