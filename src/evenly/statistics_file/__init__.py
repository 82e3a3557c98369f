"""The statistics file: exact moments as one JSON file. Its format: ``docs/format.md``."""

from evenly.statistics_file.column import ColumnRecord as ColumnRecord
from evenly.statistics_file.file import Header as Header
from evenly.statistics_file.file import content_of as content_of
from evenly.statistics_file.file import document_of as document_of
from evenly.statistics_file.file import lines as lines
from evenly.statistics_file.file import load as load
from evenly.statistics_file.file import parse as parse
from evenly.statistics_file.file import read as read
from evenly.statistics_file.file import save as save
from evenly.statistics_file.groups import GroupRecord as GroupRecord
from evenly.statistics_file.groups import has_groups as has_groups
from evenly.statistics_file.groups import lines as group_lines
from evenly.statistics_file.groups import parse as parse_groups
from evenly.statistics_file.groups import read as read_groups
from evenly.statistics_file.groups import save as save_groups
