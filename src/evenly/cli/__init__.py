"""The command line interface: it parses arguments, calls the library and prints.

Commands import large modules themselves, so that ``evenly --version`` and ``evenly --help`` are
fast. Tables are printed to stdout, progress and notes to stderr.
"""

import sys
from collections.abc import Sequence

import click

from evenly.cli.apply import apply_command
from evenly.cli.errors import OK, StderrLog, exit_now, run_command
from evenly.cli.fit import fit_command
from evenly.cli.pages import diff_command, report_command
from evenly.cli.pipes import open_closed_streams
from evenly.cli.statistics import merge_command, show_command, subtract_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Without `arguments` it runs ``sys.argv``, and a command that failed ends the process.
    """
    if arguments is None:
        open_closed_streams()
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


for command in (
    fit_command,
    show_command,
    apply_command,
    merge_command,
    subtract_command,
    diff_command,
    report_command,
):
    evenly.add_command(command)
