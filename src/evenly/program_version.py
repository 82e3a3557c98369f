"""Which version of evenly this is."""

from functools import cache
from importlib.metadata import version


@cache
def program_version() -> str:
    """Return the version of the package that is installed.

    Looking it up takes a millisecond: far longer than to write the moments of some columns.
    """
    return version("evenly")
