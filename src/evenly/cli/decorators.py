"""Decorators that add options to a command."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

Command = TypeVar("Command", bound=Callable[..., Any])
Option: TypeAlias = Callable[[Any], Any]
"""What ``click.option`` returns."""


def add_options(command: Command, options: Sequence[Option]) -> Command:
    """Add options to a command; its help lists them in this order."""
    for option in reversed(options):
        command = option(command)
    return command
