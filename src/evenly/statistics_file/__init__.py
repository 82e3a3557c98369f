"""The statistics file: exact moments as one JSON file. Its format: ``docs/format.md``."""

from evenly.statistics_file.column import ColumnRecord as ColumnRecord
from evenly.statistics_file.file import Header as Header
from evenly.statistics_file.file import content_of as content_of
from evenly.statistics_file.file import document_of as document_of
from evenly.statistics_file.file import lines as lines
from evenly.statistics_file.file import parse as parse
from evenly.statistics_file.file import read as read
from evenly.statistics_file.ledger import FileRecord as FileRecord
from evenly.statistics_file.ledger import Ledger as Ledger
