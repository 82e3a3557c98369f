"""The statistics file: exact moments as one JSON file. Its format: ``docs/format.md``."""

from evenly.statistics_file.column import ColumnRecord as ColumnRecord
from evenly.statistics_file.document import Header as Header
from evenly.statistics_file.document import content_of as content_of
from evenly.statistics_file.document import document_of as document_of
from evenly.statistics_file.document import lines as lines
from evenly.statistics_file.document import parse as parse
from evenly.statistics_file.document import read as read
from evenly.statistics_file.manifest import FileRecord as FileRecord
from evenly.statistics_file.manifest import Ledger as Ledger
