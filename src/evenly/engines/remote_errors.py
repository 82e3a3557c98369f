"""What went wrong in another process, found in the text that its engine made of it."""

import re

from evenly import errors
from evenly.errors import EvenlyError, MissingExtraError

_OURS = re.compile(r"evenly\.errors\.([A-Za-z]+): (.*)")
_NOT_THERE = re.compile(r"ModuleNotFoundError: No module named '(evenly[\w.]*|pyarrow)'")


def unwrap_remote_error(error: Exception, engine: str) -> Exception:
    r"""Return the error that evenly raised on another machine; else the engine's own.

    Parameters
    ----------
    engine
        Whose processes they are, for the message: ``"Spark's executors"``.

    Examples
    --------
    >>> text = "Traceback ...\nevenly.errors.DataError: Every value must be finite."
    >>> unwrap_remote_error(RuntimeError(text), "Spark's executors")
    DataError('Every value must be finite.')
    >>> unwrap_remote_error(RuntimeError("No module named 'torch'"), "Spark's executors")
    RuntimeError("No module named 'torch'")
    """
    text = str(error)
    if found := _OURS.search(text):
        kind = getattr(errors, found[1], None)
        if isinstance(kind, type) and issubclass(kind, EvenlyError):
            return kind(found[2].strip())
    if found := _NOT_THERE.search(text):
        return _missing_on_worker_error(found[1].partition(".")[0], engine)
    return error


def _missing_on_worker_error(package: str, engine: str) -> MissingExtraError:
    return MissingExtraError(
        f"The work is sent to {engine}, so evenly and pyarrow must be installed there too. "
        f"Received: a process without {package}. Install it in the Python that they run "
        '(pip install "evenly[files]"), in the same version as here.',
        name=package,
    )
