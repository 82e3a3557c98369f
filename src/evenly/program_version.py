"""The version of evenly."""

from functools import cache
from importlib.metadata import version


@cache
def program_version() -> str:
    """Return the version of the installed package.

    It is cached, since the lookup takes a millisecond, far longer than saving a few columns.
    """
    return version("evenly")
