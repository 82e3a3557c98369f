"""Recover an evenly error from the text of an engine's error."""

import re

from evenly import errors
from evenly.errors import EvenlyError, MissingExtraError

_EVENLY_ERROR = re.compile(r"evenly\.errors\.([A-Za-z]+): (.*)")
_MISSING_PACKAGE = re.compile(r"ModuleNotFoundError: No module named '(evenly[\w.]*|pyarrow)'")


def unwrap_remote_error(error: Exception, engine: str) -> Exception:
    r"""Return the error that evenly raised on a worker, or `error` if there is none.

    Parameters
    ----------
    engine
        Name of the worker processes for the message, such as ``"Spark's executors"``.

    Examples
    --------
    >>> text = "Traceback ...\nevenly.errors.DataError: Every value must be finite."
    >>> unwrap_remote_error(RuntimeError(text), "Spark's executors")
    DataError('Every value must be finite.')
    >>> unwrap_remote_error(RuntimeError("No module named 'torch'"), "Spark's executors")
    RuntimeError("No module named 'torch'")
    """
    text = str(error)
    if match := _EVENLY_ERROR.search(text):
        error_class = getattr(errors, match[1], None)
        if isinstance(error_class, type) and issubclass(error_class, EvenlyError):
            return error_class(match[2].strip())
    if match := _MISSING_PACKAGE.search(text):
        return _missing_on_worker_error(match[1].partition(".")[0], engine)
    return error


def _missing_on_worker_error(package: str, engine: str) -> MissingExtraError:
    return MissingExtraError(
        f"evenly and pyarrow must also be installed for {engine}, where the work is done. "
        f"Received: a process without {package}. Install it in their Python environment "
        '(pip install "evenly[files]"), in the same version as here.',
        name=package,
    )
