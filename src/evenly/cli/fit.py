"""The command fit."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from evenly.cli.csv_options import csv_options, parse_csv
from evenly.cli.options import (
    Names,
    json_option,
    names_option,
    parse_columns,
    quiet_option,
    sources_argument,
)
from evenly.cli.outputs import check_output, check_page, check_statistics
from evenly.cli.parts import Axes, explaining_equals, feature_axis_option, parse_axes, select_option
from evenly.cli.pipes import STANDARD_STREAM, input_format_option, open_input
from evenly.cli.results import Results
from evenly.cli.storage import as_path, storage_option
from evenly.printable import printable
from evenly.redaction import redact_url

if TYPE_CHECKING:
    from evenly.fitting.checkpoint import Checkpoint
    from evenly.sources import FitOptions, Source
    from evenly.sources.files.standard_input import Pipe
    from evenly.sources.scan import FileScan


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedState:
    """The files in which a fit saves statistics, so that a later one can continue.

    Attributes
    ----------
    checkpoint, update, accept_changed
        The options of the command.
    """

    checkpoint: str | None
    update: str | None
    accept_changed: bool

    def __post_init__(self) -> None:
        if self.accept_changed and not self:
            raise click.UsageError("--accept-changed needs --checkpoint or --update.")

    def __bool__(self) -> bool:
        return bool(self.checkpoint or self.update)

    @property
    def files(self) -> list[str]:
        """The names of the files."""
        return [file for file in (self.checkpoint, self.update) if file]


@click.command("fit")
@sources_argument
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    callback=as_path,
    help="Save the statistics in this file (JSON), which may be a URL.",
)
@names_option("--columns", "Fit only these columns. Timestamps are fitted only if named here.")
@names_option("--exclude", "Fit all columns except these.")
@click.option(
    "--weights",
    metavar="COLUMN",
    help="Weight each row by this column: a weight of 2 counts as two rows.",
)
@select_option
@names_option("--by", "Fit each group of rows separately, grouped by the values of these columns.")
@feature_axis_option
@csv_options("--missing", "--missing-mark")
@click.option(
    "--infinite",
    type=click.Choice(["error", "missing"]),
    default="error",
    show_default=True,
    help="How to treat infinities; choose missing if they mean that there is no value.",
)
@click.option(
    "--mode",
    type=click.Choice(["RGB", "L", "native"]),
    default="RGB",
    show_default=True,
    help="Mode in which images are read: color, one gray column, or the mode of each image.",
)
@click.option(
    "--distribution",
    is_flag=True,
    help="Also count the values of each column in bins, for quantiles and histograms.",
)
@click.option(
    "--bins",
    type=int,
    metavar="N",
    help="The maximum number of bins of a --distribution. [default: 1024]",
)
@click.option("--strict", is_flag=True, help="Stop at an image that cannot be read.")
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of threads. It does not change a bit of the statistics.",
)
@click.option(
    "--checkpoint",
    metavar="FILE",
    help="Save intermediate statistics in FILE every few seconds; the same command resumes.",
)
@click.option(
    "--update",
    metavar="FILE",
    help="Add sources that are not yet included to the statistics in FILE, e.g. every day.",
)
@click.option(
    "--accept-changed",
    is_flag=True,
    help="Keep the included rows of files that have changed since they were read.",
)
@click.option(
    "--allow-empty",
    is_flag=True,
    help="Succeed if there are no files: patterns without a match, folders without data files.",
)
@json_option
@click.option(
    "--report",
    metavar="HTML",
    callback=as_path,
    help="Also write the statistics as a web page, as the command report does.",
)
@input_format_option
@storage_option
@quiet_option
def fit_command(
    sources: Names,
    output: str | None,
    checkpoint: str | None,
    update: str | None,
    accept_changed: bool,
    columns: Names,
    exclude: Names,
    by: Names,
    select: str | dict[str, str] | None,
    feature_axis: Names,
    distribution: bool,
    bins: int | None,
    strict: bool,
    allow_empty: bool,
    as_json: bool,
    report: str | None,
    input_format: str | None,
    quiet: bool,
    **others: Any,
) -> None:
    """Print the exact statistics of files.

    Formats are Parquet, Arrow, CSV, NPY, NPZ, Zarr, HDF5, and images, also in zip and tar
    archives. A SOURCE is a file, a folder, a pattern such as 'day-*.csv', or a URL, also of a
    database table: 'duckdb:///x.db?table=t'; or - for standard input. Several sources are
    fitted as one. Text columns and images that cannot be read are left out and reported. With
    --select KEY=PATH the statistics are by key, such as those of the state and the action of a
    robot, for 'show --format lerobot'.
    """
    from evenly.sources import FitOptions
    from evenly.sources.scan import FileScan

    number_of_bins = _parse_distribution(distribution, bins)
    keys = select if isinstance(select, dict) else None
    state = SavedState(checkpoint=checkpoint, update=update, accept_changed=accept_changed)
    _check_results(output, report, as_json)
    _check_standard_input(sources, keys, state)
    axes = parse_axes(feature_axis, select)
    pipe = open_input(sources, input_format)
    scan = FileScan(() if pipe else sources, allow_empty=allow_empty)
    _print_empty(scan, quiet)
    page = None if report is None else (report, redact_url(output or sources[0]))
    results = Results(output=output, report=page, as_json=as_json, quiet=quiet)
    if not scan.sources and pipe is None:
        _keep_statistics(scan, state, results)
        return
    files = [] if scan.decide() == "images" else scan.tables()
    _check_files(output, report, state, [file.path for file in files] or scan.sources)
    arrays = pipe.is_array if pipe else bool(files) and files[0].is_array
    arrays = arrays or select is not None
    options = FitOptions(
        columns=parse_columns(columns, arrays) or None,
        exclude=parse_columns(exclude, arrays),
        broken="error" if strict else "skip",
        by=_parse_by(by),
        select=None if keys else select,
        feature_axis=None if isinstance(axes, dict) else axes,
        csv=parse_csv(others),
        distribution=number_of_bins,
        **others,
    )
    if keys is None:
        _fit(pipe or scan, state, options, results)
        return
    refused = {"columns": columns, "exclude": exclude, "by": by, "weights": options.weights}
    refused |= {"checkpoint": checkpoint, "update": update}
    _fit_by_key(scan, options, keys, axes, refused, results)


def _fit(
    sources: "Pipe | FileScan", state: SavedState, options: "FitOptions", results: Results
) -> None:
    """Fit sources, or what a checkpoint does not include yet, and publish the statistics."""
    from evenly.fitting.run import fit_source
    from evenly.report.progress_bar import ProgressBar

    source, checkpoint = _open(sources, state, options)
    with ProgressBar(sys.stderr, quiet=results.quiet) as progress:
        moments = fit_source(source, options, progress=progress, checkpoint=checkpoint)
    results.publish(moments)
    if not results.quiet:
        _print_notes(source, checkpoint.files.skipped if checkpoint else "")


def _fit_by_key(
    scan: "FileScan",
    options: "FitOptions",
    select: dict[str, str],
    axes: "Axes",
    refused: dict[str, object],
    results: Results,
) -> None:
    """Fit several parts of the same files, and publish the statistics by key.

    Parameters
    ----------
    refused
        The options that cannot be combined with keys: all must be empty.
    """
    from evenly.fitting.by_key import fit_by_key
    from evenly.report.progress_bar import ProgressBar

    given = {name: value or None for name, value in refused.items()}
    with ProgressBar(sys.stderr, quiet=results.quiet) as progress, explaining_equals(select):
        moments = fit_by_key(scan, options, select, axes, progress=progress, refused=given)
    results.publish(moments)


def _check_results(output: str | None, report: str | None, as_json: bool) -> None:
    """Check that standard output has one document at most."""
    if as_json and output == STANDARD_STREAM:
        raise click.UsageError("--json and -o - both print to standard output. Choose one.")
    if report == STANDARD_STREAM:
        raise click.UsageError("--report needs a file, such as --report report.html.")


def _check_standard_input(sources: Names, keys: dict[str, str] | None, state: SavedState) -> None:
    """Check the options that need files, which can be read again."""
    if STANDARD_STREAM in sources and keys is not None:
        raise click.UsageError(
            "Standard input cannot be fitted with --select KEY=PATH, which reads a source once for "
            "each key. Pass a file."
        )
    if STANDARD_STREAM in sources and state:
        raise click.UsageError(
            "Standard input cannot be fitted with --checkpoint or --update, which record files."
        )


def _check_files(
    output: str | None, report: str | None, state: SavedState, inputs: Sequence[str]
) -> None:
    """Check that the files to write are different, and do not overwrite data."""
    for path in (output, state.checkpoint, state.update):
        check_statistics(path, inputs)
    check_output(output, state.files)
    check_page(report, [*inputs, *filter(None, [output]), *state.files])


def _parse_by(by: Names) -> str | list[str] | None:
    """Return the value for ``by=``: a name for one column, a list for several."""
    return None if not by else by[0] if len(by) == 1 else list(by)


def _parse_distribution(distribution: bool, bins: int | None) -> int:
    """Return the number of bins of a distribution; 0 for none."""
    from evenly.distribution.option import most_bins

    if bins is not None and not distribution:
        raise click.UsageError(
            "--bins is the number of bins of a distribution. Pass --distribution."
        )
    return most_bins(distribution if bins is None else bins)


def _open(
    sources: "Pipe | FileScan", state: SavedState, options: "FitOptions"
) -> "tuple[Source, Checkpoint | None]":
    """Return the source of what remains to be read, and its checkpoint, if any."""
    from evenly.fitting.resume import open_resumed
    from evenly.sources import open_source

    if not state:
        return open_source(sources, options), None
    return open_resumed(
        sources,
        state.checkpoint,
        state.update,
        options=options,
        accept_changed=state.accept_changed,
    )


def _print_empty(scan: "FileScan", quiet: bool) -> None:
    """Print which sources have no files."""
    for source in () if quiet else scan.empty:
        click.echo(printable(f"no files: {redact_url(source)}"), err=True)


def _keep_statistics(scan: "FileScan", state: SavedState, results: Results) -> None:
    """Print the statistics to be updated, which do not change without files.

    Raises
    ------
    NoFilesError
        For a checkpoint that has files: the source must still have them.
    """
    from evenly.moments import load

    if state.checkpoint is not None and os.path.exists(state.checkpoint):
        raise next(iter(scan.empty.values()))
    kept = state.update is not None and os.path.exists(state.update)
    if kept:
        check_output(results.output, [str(state.update)])
        results.publish(load(str(state.update)))
    if not results.quiet:
        line = f"{state.update} is unchanged" if kept else "no statistics were written"
        click.echo(printable(f"nothing to fit: {line}"), err=True)


def _print_notes(source: "Source", skipped: str) -> None:
    """Print remarks on images, and which files a checkpoint already included."""
    from evenly.cli.errors import to_cli_options
    from evenly.sources.images.source import ImageSource

    if isinstance(source, ImageSource):
        first, *others = map(to_cli_options, source.remarks())
        for line in (f"in this run: {first}" if skipped else first, *others):
            click.echo(printable(line), err=True)
    if skipped:
        click.echo(printable(skipped), err=True)
