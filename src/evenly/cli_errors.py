"""How a command ends: its exit status, and the one line that says why."""

import contextlib
import io
import os
import re
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

import click

from evenly.errors import EvenlyError
from evenly.printable import printable
from evenly.redaction import redact

OK, BAD_DATA, INTERRUPTED, TERMINATED = 0, 1, 130, 143
"""Exit statuses; wrong usage is click's 2, and SIGTERM 143, as of a shell."""

_OPTION = re.compile(
    r"\b(columns|exclude|weights|infinite|select|threads|feature_axis|dtype|mode|by|unknown|checkpoint|update)="
    r"(?:\[([^]]*)\]|\"([^\"]*)\"|'([^']*)'|(-?\w+))?"
)

_STRICT = {
    "broken='error'": "--strict",
    "pass broken='skip'": "leave --strict away",
    "broken='skip'": "no --strict",
}


def run_command(command: Callable[[], None]) -> int:
    """Run a command and return its exit status; bad data is a message, no traceback.

    What is no fault of the data or the user is a fault of ours, and keeps its traceback.
    """
    with contextlib.suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        command()
    except click.exceptions.Exit as end:  # --help, --version
        return end.exit_code
    except click.ClickException as error:
        text = io.StringIO()
        error.show(text)
        click.echo(printable(text.getvalue(), keep="\n"), nl=False, err=True)
        return error.exit_code
    except _TerminatedError:
        return TERMINATED
    except (KeyboardInterrupt, click.Abort) as end:
        return _fail(str(end) or "interrupted; nothing half-written was left.", INTERRUPTED)
    except BrokenPipeError:
        return _on_broken_pipe()
    except MemoryError:
        return _fail("not enough memory. Take fewer columns at a time: --columns.", BAD_DATA)
    except Exception as error:
        if not isinstance(error, EvenlyError | OSError):
            raise
        return _fail(to_cli_options(str(error)), BAD_DATA)
    return OK


def exit_now(code: int) -> NoReturn:
    """End the process of a failed command at once, without finalizing Python.

    PyArrow's threads may still let go of Python's objects. One that does so while Python ends
    aborts the process: "terminate called without an active exception".
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _fail(message: str, code: int) -> int:
    click.echo(printable(f"evenly: {redact(message)}"), err=True)
    return code


def to_cli_options(message: str) -> str:
    """Return a message whose advice is what one types here, and not in Python.

    >>> to_cli_options("stop at it: broken='error'; or pass mode='L'.")
    'stop at it: --strict; or pass --mode L.'
    """
    for python, typed in _STRICT.items():
        message = message.replace(python, typed)
    return _OPTION.sub(_to_flag, message)


def _to_flag(option: re.Match[str]) -> str:
    """Return an option that a message advises, as it is typed here and not in Python.

    >>> _OPTION.sub(_to_flag, "leave it out: exclude=['b'].")
    'leave it out: --exclude b.'
    """
    value = next(filter(None, option.groups()[1:]), "").replace("'", "").replace(", ", ",")
    return f"--{option[1].replace('_', '-')} {value}".rstrip()


def _on_broken_pipe() -> int:
    """Whoever reads our output has enough (``evenly show x.json | head``): that is no error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return OK


def _on_sigterm(*_: object) -> None:
    """Unwind on SIGTERM as on Ctrl-C, so that a half-written file is removed."""
    raise _TerminatedError(TERMINATED)


class _TerminatedError(SystemExit):
    """SIGTERM has come."""
