"""The commands that show statistics as a web page, or compare them."""

from collections.abc import Iterable
from itertools import chain, starmap
from typing import TYPE_CHECKING

import click

from evenly.cli.options import Names, files_argument, json_option, output_option, quiet_option
from evenly.cli.outputs import check_page, print_json, write_page
from evenly.cli.pipes import STANDARD_STREAM, load_statistics, without_keys
from evenly.cli.storage import as_path, storage_option
from evenly.printable import printable
from evenly.redaction import redact_url

if TYPE_CHECKING:
    from evenly.moments import GroupedMoments, Moments, MomentsByKey

_LIMIT = 0.1


@click.command("diff")
@files_argument
@click.option(
    "--fail-over",
    type=click.FloatRange(min=0),
    metavar="LIMIT",
    help="Exit with status 1 if a column is over this limit: 0.1 is a tenth of a standard "
    "deviation, 10 % more or less spread, or 10 percentage points of missing values. "
    "[default: mark columns over 0.1, and exit with status 0]",
)
@json_option
@click.option(
    "--report",
    metavar="HTML",
    callback=as_path,
    help="Also write the comparison as a web page, which needs no other file.",
)
@storage_option
@quiet_option
def diff_command(
    files: Names, fail_over: float | None, as_json: bool, report: str | None, quiet: bool
) -> None:
    """Compare the columns of two statistics files: diff TRAIN SERVE.

    A column is over the limit when the confidence bound nearest to "the same" is, at 99 %
    confidence for all columns together. So two halves of one data set are not, at any size.
    Columns are sorted by how much they changed. With more files, diff DAY... TODAY, the last one
    is compared with all others together, and what is usual among those is not over the limit.
    """
    from evenly.drift import compare

    if len(files) < 2:
        raise click.UsageError("A comparison needs at least two statistics files. Received: one.")
    _check_standard_input(files)
    if report == STANDARD_STREAM:
        raise click.UsageError("--report needs a file, such as --report diff.html.")
    check_page(report, files)
    advice = "In Python, evenly.compare(a[key], b[key]) compares one key"
    *before, after = (without_keys(load_statistics(file), "diff", advice) for file in files)
    comparison = compare(
        before[0] if len(before) == 1 else before,
        after,
        limit=_LIMIT if fail_over is None else fail_over,
    )
    if report is not None:
        write_page(comparison.to_html(_titles(files)), report)
    if as_json:
        print_json(comparison.to_dict())
    elif not quiet:
        click.echo(printable(repr(comparison), keep="\n"))
    if fail_over is not None and comparison.over:
        click.get_current_context().exit(1)


@click.command("report")
@files_argument
@output_option
@storage_option
@quiet_option
def report_command(files: Names, output: str, quiet: bool) -> None:
    """Write statistics files as a web page, to look at each column.

    The page is one file that loads nothing. It has a row for each column with its numbers, remarks
    on what needs attention, such as constants and missing values, and its histogram and quantiles
    if it was fitted with --distribution. Rows can be searched and sorted.
    """
    from evenly.report.pages import report_page

    _check_standard_input(files)
    check_page(output, files)
    data = zip(_titles(files), map(load_statistics, files), strict=True)
    write_page(report_page(chain.from_iterable(starmap(_sections, data))), output)


def write_report(
    title: str, moments: "Moments | GroupedMoments | MomentsByKey", output: str
) -> None:
    """Write statistics as a web page."""
    from evenly.report.pages import report_page

    write_page(report_page(_sections(title, moments)), output)


def _sections(
    title: str, moments: "Moments | GroupedMoments | MomentsByKey"
) -> "Iterable[tuple[str, Moments | GroupedMoments]]":
    """Return the statistics of a file with their titles: of each key, if there are keys."""
    from evenly.moments import MomentsByKey

    if isinstance(moments, MomentsByKey):
        return [(f"{title}: {key}", part) for key, part in moments.items()]
    return [(title, moments)]


def _check_standard_input(files: Names) -> None:
    if files.count(STANDARD_STREAM) > 1:
        raise click.UsageError("Only one of the files can be standard input, -.")


def _titles(files: Names) -> list[str]:
    """Return the names of the files, without passwords of URLs."""
    return ["standard input" if file == STANDARD_STREAM else redact_url(file) for file in files]
