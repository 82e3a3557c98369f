"""The command line: parses, wires and prints; no arithmetic.

Everything heavy is imported by the command that needs it, so that ``evenly --version`` and
``evenly --help`` answer at once. The table goes to stdout; progress and remarks to stderr.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from evenly.cli_errors import OK, exit_now, run_command
from evenly.printable import printable, printable_json
from evenly.redaction import redact_url

if TYPE_CHECKING:
    from evenly.moments import GroupedMoments, Moments
    from evenly.typing import Infinite

Names = tuple[str, ...]
Command = TypeVar("Command", bound=Callable[..., Any])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Without arguments the process is that of the command, and a command that failed ends it here.
    """
    code = run_command(lambda: _run(list(sys.argv[1:] if arguments is None else arguments)))
    if arguments is None and code != OK:
        exit_now(code)
    return code


def _run(arguments: list[str]) -> None:
    try:
        with evenly.make_context("evenly", arguments) as context:
            evenly.invoke(context)
    finally:
        sys.stdout.flush()


def _version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        click.echo(f"evenly {version('evenly')}")
        context.exit()


def _split(_: click.Context, __: click.Parameter, given: Names) -> Names:
    """Names come as options repeated, or as one with commas, or both."""
    return tuple(name for text in given for name in text.split(",") if name)


def _names(option: str, help_text: str) -> Callable[[Command], Command]:
    return click.option(option, multiple=True, callback=_split, metavar="A,B", help=help_text)


_statistics = click.argument("statistics", metavar="FILE")
_several = click.argument("files", metavar="FILE...", nargs=-1, required=True)
_output = click.option("-o", "--output", metavar="OUT", required=True, help="Write this file.")
_quiet = click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
_feature_axis = click.option(
    "--feature-axis",
    type=int,
    default=-1,
    show_default=True,
    metavar="AXIS",
    help="Axis of an array along which its columns lie: 1 for images N×C×H×W.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Print the version and exit.",
)
def evenly() -> None:
    """Mean 0 and variance 1 for your data: exactly, from wherever it lives.

    Exit status: 0 done, 1 bad data, 2 wrong usage, 130 interrupted.
    """


@evenly.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("-o", "--output", metavar="FILE", help="Save the statistics in this file (JSON).")
@_names("--columns", "Fit only these columns. Timestamps are fitted only when named here.")
@_names("--exclude", "Fit all columns but these.")
@click.option("--weights", metavar="COLUMN", help="Weigh rows: 2 equals the row twice.")
@click.option("--select", metavar="NAME", help="The array to fit, of NPZ, Zarr and HDF5.")
@_names("--by", "Fit each group of rows apart: those with one value in this column, or in these.")
@_feature_axis
@click.option(
    "--infinite",
    type=click.Choice(["error", "missing"]),
    default="error",
    show_default=True,
    help="What becomes of infinities; choose missing when they stand for no value.",
)
@click.option(
    "--mode",
    type=click.Choice(["RGB", "L", "native"]),
    default="RGB",
    show_default=True,
    help="What images count as: colours, one column of grey, or whatever each is.",
)
@click.option("--strict", is_flag=True, help="Stop at an image that cannot be read.")
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many threads. The statistics are the same bits for any number.",
)
@click.option(
    "--checkpoint",
    metavar="FILE",
    help="Save the statistics so far in FILE every few seconds; the same command goes on from it.",
)
@click.option(
    "--update",
    metavar="FILE",
    help="Add to the statistics in FILE those of the sources that are new; the daily job.",
)
@_quiet
def fit(
    sources: Names,
    output: str | None,
    checkpoint: str | None,
    update: str | None,
    columns: Names,
    exclude: Names,
    by: Names,
    infinite: "Infinite",
    strict: bool,
    threads: int | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Print the exact statistics of files.

    They may be Parquet, Arrow, CSV, NPY, NPZ, Zarr and HDF5; or images, also in zip and tar
    archives. A SOURCE is a file, a folder, a pattern such as 'day-*.csv', or a URL, also of a
    table: 'duckdb:///x.db?table=t'. Several are fitted as one. Text columns, and images that
    cannot be read, are left out, and named.
    """
    from evenly.fit import fit as fit_source
    from evenly.fitting.resume import open_resumed
    from evenly.report.progress_bar import ProgressBar
    from evenly.sources import open_source
    from evenly.sources.files import expand_all
    from evenly.sources.images import contains_images

    paths = list(sources) if contains_images(sources) else expand_all(sources)
    for file in (output, checkpoint, update):
        _check_statistics(file, paths)
    _check_output(output, list(filter(None, [checkpoint, update])))
    source: Any = list(sources) if len(sources) > 1 else sources[0]
    options["columns"] = _parse_columns(columns, paths) or None
    options["exclude"] = _parse_columns(exclude, paths)
    options |= {"broken": "error" if strict else "skip", "by": _parse_by(by)}
    if checkpoint or update:
        source = open_resumed(source, checkpoint, update, infinite=infinite, **options)
    source = open_source(source, **options)
    with ProgressBar(sys.stderr, quiet=quiet) as progress:
        how: dict[str, Any] = {"infinite": infinite, "threads": threads, "by": options["by"]}
        moments = fit_source(source, progress=progress, **how)
    _save_and_print(moments, output, quiet)
    if not quiet:
        _print_left_out(source.left_out)
        _print_note(getattr(source, "remarks", list)())
        _print_notes_of(source)


@evenly.command()
@_statistics
@click.option("--json", "as_json", is_flag=True, help="All columns and digits, for programs.")
def show(statistics: str, as_json: bool) -> None:
    """Print a statistics file as a table."""
    from evenly.moments import load

    moments = load(statistics)
    if as_json:
        import json

        from evenly.report.as_json import group_to_dict, to_dict

        document_of = group_to_dict if hasattr(moments, "by") else to_dict
        click.echo(printable_json(json.dumps(document_of(moments), indent=2, ensure_ascii=False)))
    else:
        _print(moments)


@evenly.command()
@_statistics
@click.argument("source")
@_output
@click.option("--inverse", is_flag=True, help="Undo it: from normalised values to the old ones.")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float64"]),
    help="Type of the result. [default: that of the column; float32 for integers]",
)
@click.option(
    "--missing",
    type=click.Choice(["keep", "zero"]),
    default="keep",
    show_default=True,
    help="What becomes of missing values; zero puts them at the mean.",
)
@click.option(
    "--unknown",
    type=click.Choice(["error", "missing", "total"]),
    default="error",
    show_default=True,
    help="With statistics by group: rows of other groups; total takes those of all rows.",
)
@_feature_axis
@_quiet
def apply(statistics: str, source: str, output: str, quiet: bool, **options: Any) -> None:
    """Normalise a file into another; with statistics by group, each row by its own group's.

    OUT is Parquet, Arrow, CSV or NPY, as its name says. Columns that the statistics do not
    have pass through as they are. The file is read and written in pieces, and OUT appears
    when it is whole.
    """
    from evenly.apply import apply as apply_file
    from evenly.apply import input_files
    from evenly.moments import load
    from evenly.report.progress_bar import ProgressBar

    if options["inverse"] and options["missing"] != "keep":
        raise click.UsageError("--missing is for normalising; with --inverse missing values stay.")
    _check_output(output, [statistics, *input_files(source)])
    moments = load(statistics)
    with ProgressBar(sys.stderr, quiet=quiet) as progress:
        apply_file(moments, source, output, progress=progress, **options)


@evenly.command()
@_several
@_output
@_quiet
def merge(files: Names, output: str, quiet: bool) -> None:
    """Add up statistics files.

    The result is the statistics of all their rows together, bit for bit.
    """
    from evenly.moments import load
    from evenly.moments import merge as merge_all

    _check_statistics(output, files)
    _save_and_print(merge_all(map(load, files)), output, quiet)


@evenly.command()
@click.argument("whole", metavar="A")
@click.argument("part", metavar="B")
@_output
@_quiet
def subtract(whole: str, part: str, output: str, quiet: bool) -> None:
    """Take the rows of B out of A again.

    They must have been added once. What remains is the same bits as if they had not been,
    but for min and max, which become bounds.
    """
    from evenly.moments import load

    _check_statistics(output, [whole, part])
    _save_and_print(load(whole) - load(part), output, quiet)


def _parse_by(by: Names) -> str | list[str] | None:
    """Return what ``by=`` takes: keys of one column are values, those of several tuples."""
    return None if not by else by[0] if len(by) == 1 else list(by)


def _parse_columns(columns: Names, paths: Sequence[str]) -> tuple[str | int, ...]:
    """Return columns as they are known: those of an array have positions, and no names."""
    from evenly.sources.files.locate import suffixes_of

    arrays = suffixes_of(paths[0])[0] in (".npy", ".npz", ".zarr", ".h5", ".hdf5", ".nc")
    return tuple(int(name) if arrays and name.isdecimal() else name for name in columns)


def _check_statistics(output: str | None, inputs: Sequence[str]) -> None:
    """Refuse to put statistics in the place of data, as ``fit -o *.csv`` would."""
    _check_output(output, inputs)
    if output is not None and os.path.isfile(output):
        with open(output, "rb") as file:
            if file.read(1) not in (b"", b"{"):
                raise click.UsageError(
                    "Statistics replace only statistics. "
                    f"Received: -o {redact_url(output)!r}, which is another file. "
                    "Choose another name."
                )


def _check_output(output: str | None, inputs: Sequence[str]) -> None:
    """Refuse an output that is also an input, before anything is read."""
    for path in inputs if output is not None else ():
        with contextlib.suppress(OSError):
            if os.path.samefile(path, str(output)):
                raise click.UsageError(
                    "The output must be another file than the input. "
                    f"Received: {redact_url(str(output))!r} as both. Choose another name after -o."
                )


def _save_and_print(moments: "Moments | GroupedMoments", output: str | None, quiet: bool) -> None:
    """Save first, then print: what was computed is safe before anyone reads the table."""
    if output is not None:
        moments.save(output)
    if not quiet:
        _print(moments)


def _print(moments: "Moments | GroupedMoments") -> None:
    from evenly.moments import Moments
    from evenly.report.table import group_table, table

    shown = table(moments) if isinstance(moments, Moments) else group_table(moments)
    click.echo(printable(shown, keep="\n"))


def _print_note(lines: Sequence[str]) -> None:
    from evenly.cli_errors import to_cli_options

    for line in lines:
        click.echo(printable(to_cli_options(line)), err=True)


def _print_notes_of(source: Any) -> None:
    """Say what a checkpoint had already, so that nobody wonders at a quick end."""
    if getattr(source, "before", ""):
        click.echo(printable(source.before), err=True)


def _print_left_out(columns: dict[str, str]) -> None:
    from evenly.report.table import format_skipped

    if columns:
        click.echo(printable(format_skipped(columns)), err=True)
