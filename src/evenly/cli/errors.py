"""Exit status and error messages of commands."""

import ast
import contextlib
import io
import logging
import os
import re
import shlex
import signal
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

import click

from evenly.errors import EvenlyError, system_message
from evenly.printable import printable
from evenly.redaction import redact

OK, BAD_DATA, INTERRUPTED, TERMINATED = 0, 1, 130, 143
"""Exit statuses; click uses 2 for usage errors, and shells 143 for SIGTERM."""

_OPTION = re.compile(
    r"(?<![\w?&])(columns|exclude|weights|infinite|select|threads|feature_axis|dtype|mode|by|unknown"
    r"|checkpoint|update|distribution|constant|method|range|q|clip)="
    r"(?!\{)(?:\[([^]]*)\]|\(([^)]*)\)|\"([^\"]*)\"|'([^']*)'|(-?\w+(?:\.\d+)?))?"
)

_KEYS = re.compile(r"\b(select|feature_axis)=(\{[^{}]*\})")
_CSV = re.compile(r"csv=\{([^{}]*)\}")
_CSV_OPTION = re.compile(r"'(\w+)': (\[[^]]*\]|'[^']*'|\"[^\"]*\"|\w+)")
_TEXT = re.compile(r"'[^']*'|\"[^\"]*\"")

_FLAGS = {"q": "quantiles", "clip True": "clip range"}
"""Options with another name on the command line, and other values there."""
_TEXTS = {
    "columns=[...]": "--columns NAME",
    "evenly.fit(x, distribution=True)": "evenly fit --distribution",
    "or True for a method with a range": "or the word range for a method with one",
    "moments.select(...)": "--columns",
    "moments[key].select(...)": "in Python moments[key].select(...)",
    "A dict for select=": "--select KEY=PATH",
    "a dict for select=": "--select KEY=PATH",
    "dict for select=": "--select KEY=PATH",
    "A dict for feature_axis=": "--feature-axis KEY=AXIS",
    "accept_changed=True": "--accept-changed",
    "broken='error'": "--strict",
    "pass broken='skip'": "omit --strict",
    "broken='skip'": "no --strict",
}
"""Texts about options in messages, and their equivalents on the command line."""


class StderrLog(logging.Handler):
    """Print what evenly logs to stderr while a command runs, with the options of the command.

    Attributes
    ----------
    quiet
        Whether only errors are printed.
    """

    quiet = False

    @classmethod
    def set_quiet(cls, _: click.Context, __: click.Parameter, quiet: bool) -> bool:
        """Set whether only errors are printed, as the callback of an option."""
        cls.quiet = quiet
        return quiet

    def __enter__(self) -> None:
        StderrLog.quiet = False
        logging.getLogger("evenly").addHandler(self)

    def __exit__(self, *_: object) -> None:
        logging.getLogger("evenly").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Print a message."""
        if record.levelno >= (logging.ERROR if self.quiet else logging.WARNING):
            click.echo(printable(redact(to_cli_options(record.getMessage()))), err=True)


def run_command(command: Callable[[], None]) -> int:
    """Run a command and return its exit status.

    Errors of the data and of usage are printed without a traceback; other exceptions are bugs
    of evenly and propagate.
    """
    with contextlib.suppress(ValueError):  # outside the main thread
        signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        _unwrap_interrupts(command)
    except click.exceptions.Exit as exit_request:  # --help, --version
        return exit_request.exit_code
    except click.ClickException as error:
        text = io.StringIO()
        error.show(text)
        click.echo(printable(text.getvalue(), keep="\n"), nl=False, err=True)
        return error.exit_code
    except _TerminatedError:
        return TERMINATED
    except (KeyboardInterrupt, click.Abort) as interrupt:
        return _fail(str(interrupt) or "interrupted. No partial output was left.", INTERRUPTED)
    except BrokenPipeError:
        return _on_broken_pipe()
    except MemoryError:
        return _fail("not enough memory. Fit fewer columns at a time: --columns.", BAD_DATA)
    except Exception as error:
        if not isinstance(error, EvenlyError | OSError):
            raise
        return _fail(_describe(error), BAD_DATA)
    return OK


def _describe(error: Exception) -> str:
    """Return the message of an error; that of a failed write to standard output names it."""
    if isinstance(error, OSError) and not isinstance(error, EvenlyError) and not error.filename:
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        modules = [str(frame.f_globals.get("__name__")) for frame in frames]
        ours = [name for name in modules if name.startswith("evenly.")]
        if ours and ours[-1].startswith("evenly.cli"):  # other modules name what they write
            return f"Cannot write standard output: {system_message(error)}."
    return to_cli_options(str(error))


def _unwrap_interrupts(command: Callable[[], None]) -> None:
    """Run a command, and raise an interrupt itself where it is the cause of another exception.

    Python raises a RuntimeError in its place if a signal arrives while a class is created, as
    during an import.
    """
    try:
        command()
    except Exception as error:
        cause: BaseException | None = error
        while isinstance(cause, Exception):
            # Our own errors suppress the context, which is that of a library.
            cause = cause.__cause__ or (cause.__context__ if cause.__suppress_context__ else None)
        if isinstance(cause, KeyboardInterrupt | _TerminatedError):
            raise cause from None
        raise


def exit_now(code: int) -> NoReturn:
    """End the process of a failed command immediately, without finalizing Python.

    PyArrow's threads may still release Python objects. Doing so while Python is finalized aborts
    the process: "terminate called without an active exception".
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _fail(message: str, code: int) -> int:
    click.echo(printable(f"evenly: {redact(message)}"), err=True)
    return code


def to_cli_options(message: str) -> str:
    """Return a message with Python options replaced by command line options.

    >>> to_cli_options("stop at it: broken='error'; or pass mode='L'.")
    'stop at it: --strict; or pass --mode L.'
    """
    for python_text, cli_text in _TEXTS.items():
        message = message.replace(python_text, cli_text)
    message = _KEYS.sub(_to_key_flags, _CSV.sub(_to_csv_flags, message))
    return _OPTION.sub(_to_flag, message)


def _to_key_flags(option: re.Match[str]) -> str:
    """Return the command line form of an option with a dict.

    >>> to_cli_options("pass select={'a': 'b', 'c': ('d', 'e')} and feature_axis={'c': 1}.")
    'pass --select a=b --select c=d/e and --feature-axis c=1.'
    """
    try:
        parts = ast.literal_eval(option[2])
    except (ValueError, SyntaxError):
        return option[0]
    paths = {key: path if isinstance(path, tuple) else (path,) for key, path in parts.items()}
    flag = option[1].replace("_", "-")
    return " ".join(
        f"--{flag} " + shlex.quote(f"{key}=" + "/".join(map(str, path)))
        for key, path in paths.items()
    )


def _to_csv_flags(csv: re.Match[str]) -> str:
    """Return the command line form of ``csv={...}``.

    >>> to_cli_options("pass csv={'decimal': ',', 'missing': ['?', 'n a']} or csv={'header': 2}.")
    "pass --decimal , --missing-mark '?' --missing-mark 'n a' or --header 2."
    """
    flags = []
    for name, value in _CSV_OPTION.findall(csv[1]):
        if name == "missing":
            flags += [f"--missing-mark {_quoted(text)}" for text in _TEXT.findall(value)]
        elif name == "header" and value == "False":
            flags.append("--no-header")
        else:
            flags.append(f"--{name} {_quoted(value)}")
    return " ".join(flags) or csv[0]


def _quoted(literal: str) -> str:
    """Return a Python literal as a word of a shell."""
    text = literal[1:-1] if literal[:1] in ("'", '"') else literal
    return shlex.quote(text)


def _to_flag(option: re.Match[str]) -> str:
    """Return the command line form of a matched Python option.

    >>> _OPTION.sub(_to_flag, "leave it out: exclude=['b'].")
    'leave it out: --exclude b.'
    >>> _OPTION.sub(_to_flag, "distribution=True or distribution=64, in Python csv={}")
    '--distribution or --distribution --bins 64, in Python csv={}'
    """
    value = next(filter(None, option.groups()[1:]), "").replace("'", "").replace(", ", ",")
    if option[1] == "distribution":
        return f"--distribution --bins {value}" if value.isdecimal() else "--distribution"
    name = _FLAGS.get(option[1], option[1]).replace("_", "-")
    flag = f"{name} {value}".rstrip()
    return f"--{_FLAGS.get(flag, flag)}"


def _on_broken_pipe() -> int:
    """Return success if the reader closed the pipe, as in ``evenly show x.json | head``."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return OK


def _on_sigterm(*_: object) -> None:
    """Unwind the stack on SIGTERM as on Ctrl-C, so that partial files are removed."""
    raise _TerminatedError(TERMINATED)


class _TerminatedError(SystemExit):
    """Raised by the handler of SIGTERM."""
