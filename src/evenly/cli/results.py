"""The statistics that commands save and print."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from evenly.cli.outputs import print_json
from evenly.cli.pages import write_report
from evenly.cli.pipes import STANDARD_STREAM
from evenly.printable import printable

if TYPE_CHECKING:
    from evenly.moments import GroupedMoments, Moments, MomentsByKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What a command does with the statistics it computed.

    Attributes
    ----------
    output
        The statistics file; ``-`` for standard output; None to save nothing.
    report
        The web page to write, and the title of it; None for no page.
    as_json
        Whether to print JSON instead of a table, also if ``quiet``.
    quiet
        Whether to print no table.
    """

    output: str | None
    report: tuple[str, str] | None = None
    as_json: bool = False
    quiet: bool

    def publish(self, moments: "Moments | GroupedMoments | MomentsByKey") -> None:
        """Write the page and the file first, so that a failed print loses nothing."""
        if self.report is not None:
            path, title = self.report
            write_report(title, moments, path)
        if self.output == STANDARD_STREAM:
            sys.stdout.buffer.write(moments.to_bytes())
            return
        if self.output is not None:
            moments.save(self.output)
        if self.as_json or not self.quiet:
            print_statistics(moments, as_json=self.as_json)


def print_statistics(
    moments: "Moments | GroupedMoments | MomentsByKey", *, as_json: bool = False
) -> None:
    """Print statistics as a table, or as JSON."""
    from evenly.report.as_json import as_document
    from evenly.report.table import any_table

    if as_json:
        print_json(as_document(moments))
        return
    click.echo(printable(any_table(moments), keep="\n"))
