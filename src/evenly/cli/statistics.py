"""The commands for statistics files: show, merge and subtract."""

from typing import Any

import click

from evenly.cli.options import (
    Names,
    files_argument,
    names_option,
    output_option,
    parse_columns,
    quiet_option,
    statistics_argument,
)
from evenly.cli.outputs import check_statistics, print_json
from evenly.cli.pipes import load_statistics, without_keys
from evenly.cli.results import Results, print_statistics
from evenly.cli.storage import as_path, storage_option


@click.command("show")
@statistics_argument
@click.option("--json", "as_json", is_flag=True, help="All columns and digits, for programs.")
@click.option(
    "--format",
    "layout",
    type=click.Choice(["lerobot", "openpi"]),
    help="Print statistics by key as LeRobot's meta/stats.json or openpi's norm_stats.json.",
)
@storage_option
def show_command(statistics: str, as_json: bool, layout: str | None) -> None:
    """Print a statistics file, or standard input for -, as a table."""
    if layout is not None and as_json:
        raise click.UsageError("--format and --json print different JSON. Choose one.")
    moments: Any = load_statistics(statistics)  # the layouts check the type
    if layout is None:
        print_statistics(moments, as_json=as_json)
        return
    from evenly.robotics import lerobot_stats, openpi_norm_stats

    convert = lerobot_stats if layout == "lerobot" else openpi_norm_stats
    print_json(convert(moments))


@click.command("merge")
@files_argument
@output_option
@names_option("--columns", "Keep only these columns, for files with other columns besides.")
@storage_option
@quiet_option
def merge_command(files: Names, output: str, columns: Names, quiet: bool) -> None:
    """Add statistics files.

    The result is bit for bit the statistics of all their rows.
    """
    from evenly.moments import merge as merge_all

    def load_columns(file: str) -> Any:  # moments of one kind, which `merge` checks
        if not columns:
            return load_statistics(file)
        moments = without_keys(load_statistics(file), "merge --columns", "Omit --columns")
        names = parse_columns(columns, arrays=moments.columns is None)
        return moments.select(names)

    check_statistics(output, files)
    Results(output=output, quiet=quiet).publish(merge_all(map(load_columns, files)))


@click.command("subtract")
@click.argument("whole", metavar="A", callback=as_path)
@click.argument("part", metavar="B", callback=as_path)
@output_option
@storage_option
@quiet_option
def subtract_command(whole: str, part: str, output: str, quiet: bool) -> None:
    """Remove the rows of B from A.

    They must have been added before. The result has the same bits as if they had never been
    added, except min and max, which become bounds.
    """
    check_statistics(output, [whole, part])
    difference = load_statistics(whole) - load_statistics(part)  # type: ignore[operator]
    Results(output=output, quiet=quiet).publish(difference)
