"""``-`` on the command line: standard input and standard output."""

import os
import sys
from typing import TYPE_CHECKING

import click

from evenly.cli.decorators import Command

if TYPE_CHECKING:
    from evenly.moments import GroupedMoments, Moments, MomentsByKey
    from evenly.sources.files.standard_input import Pipe


STANDARD_STREAM = "-"
_SUFFIXES = {
    "csv": ".csv",
    "tsv": ".tsv",
    "arrow": ".arrows",
    "parquet": ".parquet",
    "npy": ".npy",
}


def open_closed_streams() -> None:
    """Open standard streams that the caller has closed, so that no file gets their descriptors.

    Reading standard input and writing standard output are still errors. What is written to
    standard error is lost.
    """
    streams = ("stdin", "r", os.O_WRONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_RDWR)
    for name, mode, flags in streams:
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, flags)  # the lowest one that is free
            setattr(sys, name, open(descriptor, mode, closefd=False))  # noqa: SIM115


def input_format_option(command: Command) -> Command:
    """Add ``--input-format`` to a command."""
    return click.option(
        "--input-format",
        type=click.Choice(list(_SUFFIXES)),
        help="The format of standard input, for the source -. [default: recognized by its first "
        "bytes; text is CSV]",
    )(command)


def output_format_option(command: Command) -> Command:
    """Add ``--output-format`` to a command."""
    return click.option(
        "--output-format",
        type=click.Choice([name for name in _SUFFIXES if name != "tsv"]),
        help="The format of standard output, or of the files in a folder. [default: that of the "
        "source]",
    )(command)


def open_input(sources: tuple[str, ...], input_format: str | None) -> "Pipe | None":
    """Return standard input if it is the source, and None otherwise."""
    if STANDARD_STREAM not in sources:
        if input_format is not None:
            raise click.UsageError("--input-format is for standard input, the source -.")
        return None
    if len(sources) > 1:
        raise click.UsageError("Standard input, the source -, must be the only source.")
    from evenly.sources.files.standard_input import Pipe

    pipe = Pipe(sys.stdin.buffer, _SUFFIXES[input_format or "csv"])
    click.get_current_context().call_on_close(pipe.close)
    return pipe


def output_suffix(output: str, output_format: str | None, source: str) -> str | None:
    """Return the suffix of the format of standard output; None for an output file.

    Parameters
    ----------
    source
        The suffix of the source.
    """
    from evenly.sinks import SUFFIXES

    if output != STANDARD_STREAM:
        if output_format is not None:
            raise click.UsageError(
                "--output-format is for standard output, -o -, and for folders, -o out/."
            )
        return None
    suffix = _SUFFIXES[output_format] if output_format else source
    if suffix in SUFFIXES:
        return ".arrows" if suffix in (".arrow", ".feather", ".ipc") else suffix
    return ".csv"


def is_folder(output: str) -> bool:
    """Return whether an output is a folder: it exists, or its path ends with a slash."""
    return output.endswith(("/", os.sep)) or os.path.isdir(output)


def folder_suffix(output_format: str | None) -> str | None:
    """Return the suffix of the files in an output folder; None for that of each source."""
    suffix = _SUFFIXES[output_format] if output_format else None
    return ".arrow" if suffix == ".arrows" else suffix


def load_statistics(file: str) -> "Moments | GroupedMoments | MomentsByKey":
    """Load a statistics file, which may be standard input."""
    from evenly.moments import load
    from evenly.moments.load import from_bytes
    from evenly.system.stream_errors import stream_errors

    if file == STANDARD_STREAM:
        with stream_errors("read standard input"):
            content = sys.stdin.buffer.read()
        return from_bytes(content)
    moments: Moments | GroupedMoments | MomentsByKey = load(file)
    return moments


def without_keys(
    moments: "Moments | GroupedMoments | MomentsByKey", command: str, advice: str
) -> "Moments | GroupedMoments":
    """Return statistics unchanged.

    Raises
    ------
    DataError
        If they are by key.
    """
    from evenly.errors import DataError
    from evenly.moments import MomentsByKey
    from evenly.printable import counted

    if isinstance(moments, MomentsByKey):
        raise DataError(
            f"evenly {command} needs the statistics of one table. Received: statistics of "
            f"{counted(len(moments), 'key')}. {advice}."
        )
    return moments
