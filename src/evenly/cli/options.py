"""Options and arguments that several commands have, and their values."""

import re
from collections.abc import Callable

import click

from evenly.cli.decorators import Command
from evenly.cli.errors import StderrLog
from evenly.cli.storage import as_path

Names = tuple[str, ...]

statistics_argument = click.argument("statistics", metavar="FILE", callback=as_path)
sources_argument = click.argument(
    "sources", nargs=-1, required=True, metavar="SOURCE...", callback=as_path
)
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


def names_option(option: str, help_text: str) -> Callable[[Command], Command]:
    """Return an option for names, separated by commas; it may be repeated."""
    return click.option(option, multiple=True, callback=_split_names, metavar="A,B", help=help_text)


def _split_names(_: click.Context, __: click.Parameter, values: Names) -> Names:
    """Split names at commas, which may have spaces around them; the option may be repeated."""
    if not all(value.strip(" ,") for value in values):
        raise click.BadParameter("it names no column. Name one, or omit the option.")
    return tuple(name for value in values for name in re.split(r"\s*,\s*", value) if name)


def parse_columns(columns: Names, arrays: bool) -> tuple[str | int, ...]:
    """Return column names, as positions if the data are arrays."""
    return tuple(int(name) if arrays and name.isdecimal() else name for name in columns)
