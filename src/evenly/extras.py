"""Import optional packages, with an error message that says how to install them."""

from importlib import import_module
from types import ModuleType

from evenly.errors import MissingExtraError


def require(module: str, *, extra: str, feature: str) -> ModuleType:
    """Import an optional package and return it.

    Parameters
    ----------
    module
        The full name of the module, such as ``"pyarrow.parquet"``.
    extra
        The extra of evenly that installs it, such as ``"files"``.
    feature
        The feature that needs it, as the start of a sentence: ``"Reading Parquet"``.

    Raises
    ------
    MissingExtraError
        When it is not installed. A broken installation raises its own ImportError, since
        installing the package again may not help.

    >>> require("no_such_package", extra="files", feature="Reading Parquet")
    Traceback (most recent call last):
    evenly.errors.MissingExtraError: Reading Parquet needs the package no_such_package.
    It is not installed. Run: pip install "evenly[files]"
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != package:
            raise
    raise MissingExtraError(
        f"{feature} needs the package {package}. It is not installed. "
        f'Run: pip install "evenly[{extra}]"',
        name=package,
    )
