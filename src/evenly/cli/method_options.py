"""The options of the command line for the method of normalization."""

import click

from evenly.cli.decorators import Command, add_options


def parse_pair(
    _: click.Context, __: click.Parameter, value: str | None
) -> tuple[float, float] | None:
    """Return two numbers that are separated by a comma.

    >>> parse_pair(None, None, "-1, 1")
    (-1.0, 1.0)
    """
    if value is None:
        return None
    try:
        low, high = map(float, value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not two numbers, such as 0,1.") from None
    return low, high


def parse_clip(_: click.Context, __: click.Parameter, value: str | None) -> float | bool | None:
    """Return the value of ``clip=``: a number, or True for the word range.

    >>> parse_clip(None, None, "2.5"), parse_clip(None, None, "range")
    (2.5, True)
    """
    try:
        return None if value is None else True if value == "range" else float(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is neither a number nor range.") from None


_OPTIONS = (
    click.option(
        "--method",
        type=click.Choice(["standard", "minmax", "maxabs", "robust", "quantile"]),
        default="standard",
        show_default=True,
        help="standard: mean 0 and standard deviation 1. minmax: minimum 0 and maximum 1. maxabs: "
        "largest absolute value 1. robust: median 0 and interquartile range 1. quantile: two "
        "quantiles become -1 and 1. The last two need statistics fitted with --distribution.",
    ),
    click.option(
        "--range",
        callback=parse_pair,
        metavar="A,B",
        help="The ends of the result of minmax and quantile. [default: 0,1 and -1,1]",
    ),
    click.option(
        "--quantiles",
        "q",
        callback=parse_pair,
        metavar="A,B",
        help="The quantiles of robust and quantile. [default: 0.25,0.75 and 0.01,0.99]",
    ),
    click.option(
        "--clip",
        callback=parse_clip,
        metavar="SIZE|range",
        help="Limit the results to [-SIZE, SIZE], or to the range of minmax, maxabs or quantile.",
    ),
    click.option(
        "--constant",
        type=click.Choice(["zero", "center", "error"]),
        default="zero",
        show_default=True,
        help="How to treat columns of equal values: set to 0, subtract the mean only, or stop.",
    ),
)


def method_options(command: Command) -> Command:
    """Add ``--method`` and its options to a command."""
    return add_options(command, _OPTIONS)
