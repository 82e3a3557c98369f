"""Outputs of commands: they must not overwrite data."""

from collections.abc import Sequence
from typing import Any

import click

from evenly.cli.pipes import STANDARD_STREAM
from evenly.printable import printable_json
from evenly.redaction import redact_url


def check_output(output: str | None, inputs: Sequence[str]) -> None:
    """Check that the output is not also an input, before anything is read."""
    if output is not None and output != STANDARD_STREAM:
        check_outputs([output], inputs)


def check_outputs(outputs: Sequence[str], inputs: Sequence[str]) -> None:
    """Check that no output is also an input, before anything is read."""
    from evenly.sources.files.identity import identity

    files = {identity(path) for path in inputs if path != STANDARD_STREAM}
    for output in outputs:
        if identity(output) in files:
            raise click.UsageError(
                "The output and the input must be different files. "
                f"Received: {redact_url(output)!r} as both. Choose another name after -o."
            )


def check_statistics(output: str | None, others: Sequence[str]) -> None:
    """Check that statistics do not overwrite data, as in ``fit -o *.csv``."""
    _check_content(output, others, b"{", "a statistics file", "statistics")


def check_page(output: str | None, others: Sequence[str]) -> None:
    """Check that a web page does not overwrite data, another output, or any other file."""
    _check_content(output, others, b"<", "a web page", "a web page")


def _check_content(
    output: str | None, others: Sequence[str], start: bytes, kind: str, content: str
) -> None:
    """Check that the output differs from the other files, and is new, empty or of the same kind.

    Parameters
    ----------
    start
        The first byte of files of this kind.
    """
    from evenly.outputs import read_first_byte

    if output is None or output == STANDARD_STREAM:
        return
    check_output(output, others)
    if read_first_byte(output) not in (None, b"", start):
        raise click.UsageError(
            f"Only {kind} can be overwritten with {content}. "
            f"Received: {redact_url(output)!r}, which is not {kind}. Choose another name."
        )


def write_page(page: str, output: str) -> None:
    """Write a web page to a file, a URL or standard output."""
    from evenly.outputs import open_output, open_standard_output

    with open_standard_output() if output == STANDARD_STREAM else open_output(output) as file:
        file.write(page.encode())


def print_json(document: dict[str, Any]) -> None:
    """Print a document as JSON that a terminal shows safely."""
    import json

    click.echo(printable_json(json.dumps(document, indent=2, ensure_ascii=False)))
