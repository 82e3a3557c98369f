"""The command line interface: it parses arguments, calls the library and prints.

Commands import large modules themselves, so that ``evenly --version`` and ``evenly --help`` are
fast. The table is printed to stdout, progress and notes to stderr.
"""

import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from evenly.cli_csv import csv_options, parse_csv
from evenly.cli_errors import OK, StderrLog, exit_now, run_command
from evenly.cli_keys import (
    explaining_equals,
    feature_axis_option,
    parse_axes,
    parse_axis,
    select_option,
)
from evenly.cli_methods import method_options
from evenly.cli_options import files_argument, json_option, output_option, quiet_option
from evenly.cli_outputs import (
    check_output,
    check_outputs,
    check_page,
    check_statistics,
    print_json,
)
from evenly.cli_pages import diff, report_command, write_report
from evenly.cli_pipes import (
    STANDARD,
    folder_suffix,
    input_format_option,
    is_folder,
    load_statistics,
    open_input,
    output_format_option,
    output_suffix,
    without_keys,
)
from evenly.cli_storage import as_path, storage_option
from evenly.printable import printable
from evenly.redaction import redact_url

if TYPE_CHECKING:
    from evenly.fitting.checkpoint import Checkpoint
    from evenly.moments import GroupedMoments, Moments, MomentsByKey
    from evenly.sources import Source
    from evenly.sources.scan import FileScan

Names = tuple[str, ...]
Command = TypeVar("Command", bound=Callable[..., Any])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Without `arguments` it runs ``sys.argv``, and a command that failed ends the process.
    """
    code = run_command(lambda: _run(list(sys.argv[1:] if arguments is None else arguments)))
    if arguments is None and code != OK:
        exit_now(code)
    return code


def _run(arguments: list[str]) -> None:
    try:
        with StderrLog(), evenly.make_context("evenly", arguments) as context:
            evenly.invoke(context)
    finally:
        sys.stdout.flush()


def _print_version(context: click.Context, _: click.Parameter, requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        click.echo(f"evenly {version('evenly')}")
        context.exit()


def _split_names(_: click.Context, __: click.Parameter, values: Names) -> Names:
    """Split names at commas, which may have spaces around them; the option may be repeated."""
    return tuple(name for value in values for name in re.split(r"\s*,\s*", value) if name)


def _names_option(option: str, help_text: str) -> Callable[[Command], Command]:
    return click.option(option, multiple=True, callback=_split_names, metavar="A,B", help=help_text)


_statistics_argument = click.argument("statistics", metavar="FILE", callback=as_path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version and exit.",
)
def evenly() -> None:
    """Mean 0 and variance 1 for your data: exactly, from wherever it lives.

    Exit status: 0 success, 1 bad data, 2 usage error, 130 interrupted.
    """


@evenly.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...", callback=as_path)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    callback=as_path,
    help="Save the statistics in this file (JSON), which may be a URL.",
)
@_names_option("--columns", "Fit only these columns. Timestamps are fitted only if named here.")
@_names_option("--exclude", "Fit all columns except these.")
@click.option(
    "--weights",
    metavar="COLUMN",
    help="Weight each row by this column: a weight of 2 counts as two rows.",
)
@select_option
@_names_option("--by", "Fit each group of rows separately, grouped by the values of these columns.")
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
def fit(
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
    from evenly.distribution.option import most_bins
    from evenly.fitting.by_key import fit_by_key
    from evenly.fitting.resume import open_resumed
    from evenly.fitting.run import fit_source
    from evenly.report.progress_bar import ProgressBar
    from evenly.sources import FitOptions, open_source
    from evenly.sources.scan import FileScan

    if bins is not None and not distribution:
        raise click.UsageError(
            "--bins is the number of bins of a distribution. Pass --distribution."
        )
    if as_json and output == STANDARD:
        raise click.UsageError("--json and -o - both print to standard output. Choose one.")
    if report == STANDARD:
        raise click.UsageError("--report needs a file, such as --report report.html.")
    keys = select if isinstance(select, dict) else None
    if STANDARD in sources and keys is not None:
        raise click.UsageError(
            "Standard input cannot be fitted with --select KEY=PATH, which reads a source once for "
            "each key. Pass a file."
        )
    axes = parse_axes(feature_axis, select)
    pipe = open_input(sources, input_format)
    if pipe is not None and (checkpoint or update):
        raise click.UsageError(
            "Standard input cannot be fitted with --checkpoint or --update, which record files."
        )
    if accept_changed and not (checkpoint or update):
        raise click.UsageError("--accept-changed needs --checkpoint or --update.")
    scan = FileScan(() if pipe else sources, allow_empty=allow_empty)
    _print_empty(scan, quiet)
    if not scan.sources and pipe is None:
        _keep_statistics(scan, output, checkpoint, update, as_json=as_json, quiet=quiet)
        return
    files = [] if scan.decide() == "images" else scan.tables()
    inputs = [file.path for file in files] or scan.sources
    for path in (output, checkpoint, update):
        check_statistics(path, inputs)
    check_output(output, list(filter(None, [checkpoint, update])))
    check_page(report, [*inputs, *filter(None, [output, checkpoint, update])])
    arrays = pipe.is_array if pipe else bool(files) and files[0].is_array
    arrays = arrays or select is not None
    options = FitOptions(
        columns=_parse_columns(columns, arrays) or None,
        exclude=_parse_columns(exclude, arrays),
        broken="error" if strict else "skip",
        by=_parse_by(by),
        select=None if keys else select,
        feature_axis=None if isinstance(axes, dict) else axes,
        csv=parse_csv(others),
        distribution=most_bins(distribution if bins is None else bins),
        **others,
    )
    if keys is not None:
        given = {"columns": columns, "exclude": exclude, "by": by, "weights": options.weights}
        given |= {"checkpoint": checkpoint, "update": update}
        refused = {name: value or None for name, value in given.items()}
        with ProgressBar(sys.stderr, quiet=quiet) as progress, explaining_equals(keys):
            by_key = fit_by_key(scan, options, keys, axes, progress=progress, refused=refused)
        _publish(by_key, output, report, sources[0], quiet, as_json=as_json)
        return
    saved: Checkpoint | None = None
    if checkpoint or update:
        source, saved = open_resumed(
            scan, checkpoint, update, options=options, accept_changed=accept_changed
        )
    else:
        source = open_source(pipe or scan, options)
    with ProgressBar(sys.stderr, quiet=quiet) as progress:
        moments = fit_source(source, options, progress=progress, checkpoint=saved)
    _publish(moments, output, report, sources[0], quiet, as_json=as_json)
    if not quiet:
        _print_notes(source, saved.files.skipped if saved else "")


@evenly.command()
@_statistics_argument
@click.option("--json", "as_json", is_flag=True, help="All columns and digits, for programs.")
@click.option(
    "--format",
    "layout",
    type=click.Choice(["lerobot", "openpi"]),
    help="Print statistics by key as LeRobot's meta/stats.json or openpi's norm_stats.json.",
)
@storage_option
def show(statistics: str, as_json: bool, layout: str | None) -> None:
    """Print a statistics file, or standard input for -, as a table."""
    if layout is not None and as_json:
        raise click.UsageError("--format and --json print different JSON. Choose one.")
    moments: Any = load_statistics(statistics)  # the layouts check the type
    if layout is None:
        _print(moments, as_json=as_json)
        return
    from evenly.robotics import lerobot_stats, openpi_norm_stats

    convert = lerobot_stats if layout == "lerobot" else openpi_norm_stats
    print_json(convert(moments))


@evenly.command()
@_statistics_argument
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...", callback=as_path)
@output_option
@click.option(
    "--inverse", is_flag=True, help="Convert normalized values back to the original ones."
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float64"]),
    help="Type of the result. [default: the type of the column; for integers float32 up to 16 "
    "bits, float64 above]",
)
@click.option(
    "--missing",
    type=click.Choice(["keep", "zero"]),
    default="keep",
    show_default=True,
    help="How to treat missing values; zero replaces them with the mean.",
)
@click.option(
    "--unknown",
    type=click.Choice(["error", "missing", "total"]),
    default="error",
    show_default=True,
    help="How to treat rows of unknown groups; total uses the statistics of all rows.",
)
@method_options
@csv_options("--missing-mark")
@click.option(
    "--feature-axis",
    callback=lambda _, __, value: None if value is None else parse_axis(value),
    metavar="AXIS",
    help="Axis of an array that holds its columns, as in fit.",
)
@input_format_option
@output_format_option
@storage_option
@quiet_option
def apply(
    statistics: str,
    sources: Names,
    output: str,
    input_format: str | None,
    output_format: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Normalize files or a database table, and write the result to OUT.

    The suffix of OUT determines its format: Parquet, Arrow, CSV or NPY. A source - is standard
    input, and -o - standard output. Columns that the
    statistics do not have are copied. With statistics by group, each row is normalized by the
    statistics of its group. If OUT is a folder, or ends with a slash, each file of the sources
    becomes a file in it, at the same relative path. A file is read and written in chunks, and an
    output is replaced only when it is complete.
    """
    from evenly.apply import apply_files, scan_tables
    from evenly.apply_folder import apply_into_folder, find_targets
    from evenly.report.progress_bar import ProgressBar
    from evenly.sources.files.standard_input import LABEL

    if options["inverse"] and options["missing"] != "keep":
        raise click.UsageError(
            "--missing cannot be used with --inverse, which keeps missing values."
        )
    if options["inverse"] and options["clip"] is not None:
        raise click.UsageError("--clip cannot be used with --inverse, which limits nothing.")
    if options["inverse"]:
        del options["clip"]
    csv = parse_csv(options)
    if statistics == STANDARD and STANDARD in sources:
        raise click.UsageError("Standard input cannot be both the statistics and the source.")
    moments = load_statistics(statistics)
    moments = without_keys(
        moments, "apply", "In Python, evenly.load(FILE).normalize(batch) scales batches"
    )
    if is_folder(output):
        targets = find_targets(sources, output, folder_suffix(output_format))
        inputs = [statistics, *(target.file.path for target in targets)]
        check_outputs([target.output for target in targets], inputs)
        with ProgressBar(sys.stderr, quiet=quiet) as progress:
            apply_into_folder(moments, targets, csv=csv, progress=progress, **options)
        return
    if len(sources) > 1:
        raise click.UsageError(
            "Several sources are normalized into a folder, one file each. "
            f"Received: -o {redact_url(output)}. Pass -o {redact_url(output)}/ for a folder."
        )
    pipe = open_input(sources, input_format)
    files = [] if pipe else scan_tables(sources[0])
    check_output(output, [statistics, *(file.path for file in files)])
    suffix = output_suffix(output, output_format, pipe.format_suffix if pipe else files[0].suffix)
    with ProgressBar(sys.stderr, quiet=quiet) as progress:
        apply_files(
            moments,
            LABEL if pipe else sources[0],
            pipe or files,
            output,
            standard_output=suffix,
            csv=csv,
            progress=progress,
            **options,
        )


@evenly.command()
@files_argument
@output_option
@_names_option("--columns", "Keep only these columns, for files with other columns besides.")
@storage_option
@quiet_option
def merge(files: Names, output: str, columns: Names, quiet: bool) -> None:
    """Add statistics files.

    The result is bit for bit the statistics of all their rows.
    """
    from evenly.moments import merge as merge_all

    def load_columns(file: str) -> Any:  # moments of one kind, which `merge` checks
        if not columns:
            return load_statistics(file)
        moments = without_keys(load_statistics(file), "merge --columns", "Omit --columns")
        names = _parse_columns(columns, arrays=moments.columns is None)
        return moments.select(names)

    check_statistics(output, files)
    _save_and_print(merge_all(map(load_columns, files)), output, quiet)


@evenly.command()
@click.argument("whole", metavar="A", callback=as_path)
@click.argument("part", metavar="B", callback=as_path)
@output_option
@storage_option
@quiet_option
def subtract(whole: str, part: str, output: str, quiet: bool) -> None:
    """Remove the rows of B from A.

    They must have been added before. The result has the same bits as if they had never been
    added, except min and max, which become bounds.
    """
    check_statistics(output, [whole, part])
    difference = load_statistics(whole) - load_statistics(part)  # type: ignore[operator]
    _save_and_print(difference, output, quiet)


evenly.add_command(diff)
evenly.add_command(report_command)


def _parse_by(by: Names) -> str | list[str] | None:
    """Return the value for ``by=``: a name for one column, a list for several."""
    return None if not by else by[0] if len(by) == 1 else list(by)


def _parse_columns(columns: Names, arrays: bool) -> tuple[str | int, ...]:
    """Return column names, as positions if the data are arrays."""
    return tuple(int(name) if arrays and name.isdecimal() else name for name in columns)


def _print_empty(scan: "FileScan", quiet: bool) -> None:
    """Print which sources have no files."""
    for source in () if quiet else scan.empty:
        click.echo(printable(f"no files: {redact_url(source)}"), err=True)


def _keep_statistics(
    scan: "FileScan",
    output: str | None,
    checkpoint: str | None,
    update: str | None,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    """Print the statistics to be updated, which do not change without files.

    Raises
    ------
    NoFilesError
        For a checkpoint that has files: the source must still have them.
    """
    from evenly.moments import load

    if checkpoint is not None and os.path.exists(checkpoint):
        raise next(iter(scan.empty.values()))
    kept = update is not None and os.path.exists(update)
    if kept:
        check_output(output, [str(update)])
        _save_and_print(load(str(update)), output, quiet, as_json=as_json)
    if not quiet:
        line = f"{update} is unchanged" if kept else "no statistics were written"
        click.echo(printable(f"nothing to fit: {line}"), err=True)


def _publish(
    moments: "Moments | GroupedMoments | MomentsByKey",
    output: str | None,
    report: str | None,
    source: str,
    quiet: bool,
    *,
    as_json: bool,
) -> None:
    """Write the page and the statistics file of a fit, and print its table."""
    if report is not None:
        write_report(redact_url(output or source), moments, report)
    _save_and_print(moments, output, quiet, as_json=as_json)


def _save_and_print(
    moments: "Moments | GroupedMoments | MomentsByKey",
    output: str | None,
    quiet: bool,
    *,
    as_json: bool = False,
) -> None:
    """Save the moments first, then print them, so that a failed print loses nothing."""
    if output == STANDARD:
        sys.stdout.buffer.write(moments.to_bytes())
        return
    if output is not None:
        moments.save(output)
    if as_json or not quiet:
        _print(moments, as_json=as_json)


def _print(moments: "Moments | GroupedMoments | MomentsByKey", *, as_json: bool = False) -> None:
    from evenly.report.as_json import as_document
    from evenly.report.table import any_table

    if as_json:
        print_json(as_document(moments))
        return
    click.echo(printable(any_table(moments), keep="\n"))


def _print_notes(source: "Source", skipped: str) -> None:
    """Print remarks on images, and which files a checkpoint already included."""
    from evenly.cli_errors import to_cli_options
    from evenly.sources.images.source import ImageSource

    if isinstance(source, ImageSource):
        first, *others = map(to_cli_options, source.remarks())
        for line in (f"in this run: {first}" if skipped else first, *others):
            click.echo(printable(line), err=True)
    if skipped:
        click.echo(printable(skipped), err=True)
