"""The options of the command line for parts of a source: an array, or several parts by key."""

import contextlib
import re
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

import click

from evenly.cli.decorators import Command
from evenly.errors import EvenlyError

if TYPE_CHECKING:  # imports NumPy
    from evenly.typing import FeatureAxis

Values = tuple[str, ...]
Axes: TypeAlias = "FeatureAxis | dict[str, FeatureAxis]"


def select_option(command: Command) -> Command:
    """Add ``--select`` to a command: a path, or a dict of a path for each key."""
    return click.option(
        "--select",
        multiple=True,
        callback=parse_select,
        metavar="[KEY=]PATH",
        help="The array to fit in an NPZ, Zarr or HDF5 file, or the column of vectors or images. "
        "With KEY=PATH, once for each key, several parts are fitted, e.g. "
        "state=observation.state. A path that has = is written =PATH.",
    )(command)


def feature_axis_option(command: Command) -> Command:
    """Add ``--feature-axis`` to a command, as text: see `parse_axes`."""
    return click.option(
        "--feature-axis",
        multiple=True,
        metavar="[KEY=]AXIS",
        help="Axis of an array that holds its columns: 1 for images N×C×H×W, -1 for N×H×W×C, or "
        "the name of a dimension. Required for three and more dimensions. KEY=AXIS is for one key "
        "of --select.",
    )(command)


def parse_select(
    _: click.Context, __: click.Parameter, values: Values
) -> str | dict[str, str] | None:
    """Return the only path, or the path of each key; None without any.

    >>> parse_select(None, None, ("=a=b",)), parse_select(None, None, ("state=s", "action=a/b"))
    ('a=b', {'state': 's', 'action': 'a/b'})
    """
    pairs = [value.partition("=") for value in values]
    if len(values) == 1 and not (pairs[0][0] and pairs[0][1]):
        return values[0].removeprefix("=")
    parts = {key: path for key, _, path in pairs}
    if not all(key and path for key, path in parts.items()) or len(parts) != len(values):
        raise click.UsageError(
            "--select takes one path, or KEY=PATH for each of several different keys. Received: "
            f"{_listed('--select', values)}. Pass --select state=observation.state --select "
            "action=action, for example."
        )
    return parts or None


@contextlib.contextmanager
def explaining_equals(select: dict[str, str]) -> Iterator[None]:
    """Add to an error about a single KEY=PATH how to choose an array whose name has ``=``."""
    try:
        yield
    except EvenlyError as error:
        if len(select) > 1 or not re.search(r"\bselect\b", str(error)):
            raise
        ((key, path),) = select.items()
        flag = f"--select {shlex.quote(f'={key}={path}')}"
        raise type(error)(
            f"{error} If {key}={path} is the name of an array, pass {flag}."
        ) from None


def parse_axis(value: str) -> int | str:
    """Return the number of an axis, or its name."""
    return int(value) if value.removeprefix("-").isdecimal() else value


def parse_axes(values: Values, select: str | dict[str, str] | None) -> Axes:
    """Return the axis of all parts, or the axes of some keys; None without any.

    >>> parse_axes(("-1",), None), parse_axes(("image=1",), {"image": "i", "state": "s"})
    (-1, {'image': 1})
    """
    if not isinstance(select, dict) or not any("=" in value for value in values):
        if len(values) > 1:
            raise _axes_error(values)
        return parse_axis(values[0]) if values else None
    pairs = [value.partition("=") for value in values]
    axes: dict[str, FeatureAxis] = {key: parse_axis(axis) for key, _, axis in pairs}
    if not all(key and axis for key, _, axis in pairs) or len(axes) != len(values):
        raise _axes_error(values)
    return axes


def _axes_error(values: Values) -> click.UsageError:
    return click.UsageError(
        "--feature-axis takes one axis, or KEY=AXIS for different keys of --select KEY=PATH. "
        f"Received: {_listed('--feature-axis', values)}."
    )


def _listed(option: str, values: Values) -> str:
    return " ".join(f"{option} {value}" for value in values)
