"""The command apply."""

import sys
from typing import TYPE_CHECKING, Any

import click

from evenly.cli.csv_options import csv_options, parse_csv
from evenly.cli.method_options import method_options
from evenly.cli.options import (
    Names,
    output_option,
    quiet_option,
    sources_argument,
    statistics_argument,
)
from evenly.cli.outputs import check_output, check_outputs
from evenly.cli.parts import parse_axis
from evenly.cli.pipes import (
    STANDARD_STREAM,
    folder_suffix,
    input_format_option,
    is_folder,
    load_statistics,
    open_input,
    output_format_option,
    output_suffix,
    without_keys,
)
from evenly.cli.storage import storage_option
from evenly.redaction import redact_url

if TYPE_CHECKING:
    from evenly.moments import GroupedMoments, Moments


@click.command("apply")
@statistics_argument
@sources_argument
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
def apply_command(
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
    input, and -o - standard output. Columns that the statistics do not have are copied. With
    statistics by group, each row is normalized by the statistics of its group. If OUT is a folder,
    or ends with a slash, each file of the sources becomes a file in it, at the same relative path.
    A file is read and written in chunks, and an output is replaced only when it is complete.
    """
    from evenly.apply import apply_files, scan_tables
    from evenly.report.progress_bar import ProgressBar
    from evenly.sources.files.standard_input import LABEL

    if options["inverse"]:
        _check_inverse(options)
        del options["clip"]
    options["csv"] = parse_csv(options)
    if statistics == STANDARD_STREAM and STANDARD_STREAM in sources:
        raise click.UsageError("Standard input cannot be both the statistics and the source.")
    moments = without_keys(
        load_statistics(statistics),
        "apply",
        "In Python, evenly.load(FILE).normalize(batch) scales batches",
    )
    if is_folder(output):
        suffix = folder_suffix(output_format)
        _apply_into_folder(moments, statistics, sources, output, suffix, quiet, options)
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
            progress=progress,
            **options,
        )


def _check_inverse(options: dict[str, Any]) -> None:
    """Check that no option is given that ``--inverse`` does not have."""
    if options["missing"] != "keep":
        raise click.UsageError(
            "--missing cannot be used with --inverse, which keeps missing values."
        )
    if options["clip"] is not None:
        raise click.UsageError("--clip cannot be used with --inverse, which limits nothing.")


def _apply_into_folder(
    moments: "Moments | GroupedMoments",
    statistics: str,
    sources: Names,
    folder: str,
    suffix: str | None,
    quiet: bool,
    options: dict[str, Any],
) -> None:
    """Normalize each file of the sources into a file in a folder."""
    from evenly.apply_folder import apply_into_folder, find_targets
    from evenly.report.progress_bar import ProgressBar

    targets = find_targets(sources, folder, suffix)
    inputs = [statistics, *(target.file.path for target in targets)]
    check_outputs([target.output for target in targets], inputs)
    with ProgressBar(sys.stderr, quiet=quiet) as progress:
        apply_into_folder(moments, targets, progress=progress, **options)
