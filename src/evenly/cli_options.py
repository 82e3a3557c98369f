"""Options and arguments that several commands have."""

import click

from evenly.cli_errors import StderrLog
from evenly.cli_storage import as_path

files_argument = click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, callback=as_path
)
output_option = click.option(
    "-o",
    "--output",
    metavar="OUT",
    required=True,
    callback=as_path,
    help="Write this file, which may be a URL.",
)
quiet_option = click.option(
    "-q", "--quiet", is_flag=True, callback=StderrLog.set_quiet, help="Print nothing but errors."
)
json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print all columns and digits as JSON, for programs, also with --quiet.",
)
