"""The command line options that describe how CSV files are written."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from evenly.cli.decorators import Command, add_options

if TYPE_CHECKING:
    from evenly.typing import CsvOptions


_OPTIONS = (
    click.option("--delimiter", metavar="CHAR", help="The character between fields of CSV files."),
    click.option("--decimal", type=click.Choice([".", ","]), help="The decimal mark of CSV files."),
    click.option(
        "--thousands", metavar="CHAR", help="The character between groups of digits: 1,234.5."
    ),
    click.option("--encoding", metavar="NAME", help="The encoding of CSV files, such as latin-1."),
    click.option("--comment", metavar="TEXT", help="The text that begins a comment in CSV files."),
    click.option(
        "--header",
        type=click.IntRange(min=0),
        metavar="N",
        help="Number of lines before the header of CSV files.",
    ),
    click.option("--no-header", is_flag=True, help="The first line of CSV files is a row."),
)


def csv_options(*missing: str) -> Callable[[Command], Command]:
    """Add the options to a command, which passes them to `parse_csv`.

    Parameters
    ----------
    missing
        The names of the option for fields that mean a missing value.
    """
    marks = click.option(
        *missing,
        "missing_marks",
        multiple=True,
        metavar="TEXT",
        help="A field of CSV files that means a missing value, such as '?'. May be repeated.",
    )

    def decorate(command: Command) -> Command:
        return add_options(command, [*_OPTIONS, marks])

    return decorate


def parse_csv(options: dict[str, Any]) -> "CsvOptions | None":
    """Remove the options of `csv_options` from those of a command; return them as ``csv=``."""
    marks = options.pop("missing_marks")
    names = ("delimiter", "decimal", "thousands", "encoding", "comment", "header")
    given = {name: options.pop(name) for name in names}
    no_header = options.pop("no_header")
    if no_header and given["header"] is not None:
        raise click.UsageError(
            "A file has a header or none. Received: --header and --no-header. Omit one."
        )
    if no_header:
        given["header"] = False
    if marks:
        given["missing"] = marks
    csv: Any = {name: value for name, value in given.items() if value is not None}
    return csv or None
