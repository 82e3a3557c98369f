"""The command line option for the file systems of URLs."""

import functools
import json
from typing import Any

import click

from evenly.cli.decorators import Command

_OPTIONS, _USED = "evenly.storage_options", "evenly.storage_options_used"


def storage_option(command: Command) -> Command:
    """Add ``--storage-option`` to a command, whose path parameters have `as_path` as callback."""

    @functools.wraps(command)
    def checked(*args: object, **kwargs: object) -> Any:
        meta = click.get_current_context().meta
        if meta.get(_OPTIONS) and not meta.get(_USED):
            raise click.UsageError(
                "--storage-option is for URLs of files, such as s3://bucket/x.csv. Received: none. "
                "Omit it."
            )
        return command(*args, **kwargs)

    return click.option(  # type: ignore[return-value]
        "--storage-option",
        multiple=True,
        is_eager=True,  # before the paths
        expose_value=False,
        callback=_keep_options,
        metavar="KEY=VALUE",
        help="An option of the file system of URLs, such as anon=true. May be repeated.",
    )(checked)


def as_path(context: click.Context, _: click.Parameter, value: Any) -> Any:
    """Return a path, or several, whose URLs have the options of their file system."""
    options = context.meta.get(_OPTIONS)
    if not value or not options:
        return value
    from evenly.sources.sql.url import is_database
    from evenly.sources.urls import is_url, with_storage

    if isinstance(value, tuple):
        return tuple(as_path(context, _, path) for path in value)
    if not is_url(value) or is_database(value):
        return value
    context.meta[_USED] = True
    return with_storage([value], options)[0]


def _keep_options(context: click.Context, _: click.Parameter, values: tuple[str, ...]) -> None:
    context.meta[_OPTIONS] = dict(map(_parse, values))


def _parse(text: str) -> tuple[str, object]:
    """Return the key and the value, which may be JSON: true, 3 or an object.

    >>> _parse('client_kwargs={"region_name": "eu"}'), _parse("anon=true"), _parse("key=a")
    (('client_kwargs', {'region_name': 'eu'}), ('anon', True), ('key', 'a'))
    """
    key, mark, value = text.partition("=")
    if not mark or not key:
        raise click.BadParameter(f"{text!r} must be KEY=VALUE, such as anon=true.")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value
