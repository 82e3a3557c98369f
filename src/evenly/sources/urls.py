"""Parse URLs: chains of file systems, the link that names the file, and its query.

In a chain such as ``zip://*.csv::simplecache::https://host/x.zip``, each link is a URL inside the
file that the next link names. The first link with a path names the file.
"""

import glob
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote

from evenly.errors import DataError, format_names
from evenly.redaction import redact_url
from evenly.sources.sql.url import is_database
from evenly.typing import StorageOptions

_CACHES = frozenset(("blockcache", "cached", "filecache", "simplecache"))
"""File systems that cache the file of the next link."""

_MIN_SECRET = 6
"""Shorter values of options, such as a region, are not masked in messages."""

_QUERIES = frozenset(("http", "https"))
"""Schemes in which every question mark begins a query."""
_QUERY = re.compile(r"\?[\w.%~\-]+=")
"""The beginning of a query in other schemes, after the last slash: ``?versionId=``. Any other
question mark is a wildcard for one character."""


class StorageUrl(str):
    """A URL with the options of its file system, such as keys and endpoints.

    It can be passed to every function that takes the path of a file.

    Attributes
    ----------
    storage_options
        Keyword arguments of fsspec's file system.
    """

    storage_options: dict[str, object]

    def __new__(cls, url: str, storage_options: StorageOptions) -> "StorageUrl":
        """Return the URL with its options."""
        self = super().__new__(cls, url)
        self.storage_options = dict(storage_options)
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return StorageUrl, (str(self), self.storage_options)


def with_storage(
    paths: Iterable[str | os.PathLike[str]], storage_options: StorageOptions | None
) -> list[str]:
    """Return paths whose URLs have the options of their file system.

    Raises
    ------
    DataError
        If there are options and no URL, for which they would do nothing.
    """
    texts = [os.fspath(path) for path in paths]
    if not storage_options:
        return texts
    if not isinstance(storage_options, Mapping):
        raise DataError(
            "storage_options= takes a dict of options of the file system. Received: a value of "
            f"type {type(storage_options).__name__}."
        )
    if not any(is_url(text) and not is_database(text) for text in texts):
        raise DataError(
            "storage_options= is for URLs of files, such as s3://bucket/x.csv. Received: "
            f"{format_names(map(redact_url, texts), 3)}. Omit it."
        )
    return [StorageUrl(text, storage_options) if is_url(text) else text for text in texts]


def storage_options_of(url: str) -> dict[str, object]:
    """Return the options of the file system of a URL."""
    return url.storage_options if isinstance(url, StorageUrl) else {}


def storage_secrets(url: str) -> Iterator[str]:
    """Yield the values in the options of a URL, which may be secret, for `redact`."""
    pending: list[object] = [storage_options_of(url)]
    while pending:
        value = pending.pop()
        if isinstance(value, Mapping):
            pending.extend(value.values())
        elif isinstance(value, list | tuple):
            pending.extend(value)
        elif isinstance(value, str) and len(value) >= _MIN_SECRET:
            yield value


def is_url(path: str) -> bool:
    """Return whether a path is a URL: ``memory://x.csv``, ``zip://*.csv::s3://bucket/x.zip``."""
    return "://" in path


def without_caches(url: str) -> str:
    """Return a chain without its cache links.

    >>> without_caches("simplecache::s3://bucket/x.csv")
    's3://bucket/x.csv'
    """
    links = url.split("::")
    kept = [link for link in links[:-1] if link.removesuffix("://") not in _CACHES]
    return _with_options_of(url, "::".join([*kept, links[-1]]))


def names_in(url: str) -> Iterator[str]:
    """Yield possible file names in a URL: its path, then the values in its query.

    >>> list(names_in("zip://days/1.csv::https://host/x.zip?sig=0f3c"))
    ['zip://days/1.csv']
    >>> list(names_in("https://host/download?file=x.csv&id=3"))
    ['https://host/download', 'x.csv', '3']
    """
    links = url.split("::")
    path, query = split_query(links[_naming_index(links)])
    yield path
    for parameter in filter(None, re.split("[?&#]", query)):
        yield unquote(parameter.partition("=")[2]).strip("\"'")


def is_pattern(url: str) -> bool:
    """Return whether the path of a URL is a pattern; its query is not searched.

    >>> is_pattern("s3://bucket/day-*.csv"), is_pattern("https://host/x.csv?columns=[a]&q=*")
    (True, False)
    """
    links = url.split("::")
    path, _ = split_query(links[_naming_index(links)])
    return glob.has_magic(path)


def split_query(link: str) -> tuple[str, str]:
    """Split a URL into the part before the query and fragment, and the rest."""
    if link.partition("://")[0].lower() in _QUERIES:
        end = min(
            (position for mark in "?#" if (position := link.find(mark)) >= 0), default=len(link)
        )
    else:
        position = link.find("?", link.rfind("/") + 1)
        end = position if position >= 0 and _QUERY.match(link, position) else len(link)
    return link[:end], link[end:]


def with_path(url: str, inner: str, path: str) -> str:
    """Return the URL of another file of the same file system.

    Parameters
    ----------
    url, inner
        A URL, and its path in the file system.
    path
        Another path in the same file system.

    >>> with_path("ftp://me@host/days/*.csv", "/days/*.csv", "/days/1.csv")
    'ftp://me@host/days/1.csv'
    >>> with_path("abfs://box@account.net/*.csv", "box/*.csv", "box/1.csv")
    'abfs://box@account.net/1.csv'
    """
    links = url.split("::")
    index = _naming_index(links)
    links[index] = _link_with_path(links[index], inner, path)
    return _with_options_of(url, "::".join(links))


def with_child(url: str, path: str) -> str:
    """Return the URL of a file in the folder of a URL.

    >>> with_child("s3://bucket/out/", "days/1.csv")
    's3://bucket/out/days/1.csv'
    """
    return _with_options_of(url, f"{str(url).rstrip('/')}/{path.replace(os.sep, '/')}")


def _with_options_of(url: str, other: str) -> str:
    return StorageUrl(other, url.storage_options) if isinstance(url, StorageUrl) else other


def _link_with_path(link: str, inner: str, path: str) -> str:
    scheme = link.partition("://")[0]  # a link can be only a scheme: zip::file.zip
    link = link if "://" in link else f"{link}://"
    link = link.rstrip("/") if link.rstrip("/") != f"{scheme}:" else f"{scheme}://"
    inner = inner.rstrip("/")
    if link.endswith(inner):
        return link[: len(link) - len(inner)] + path
    top, slash, below = inner.partition("/")
    if top and slash and link.endswith(slash + below) and path.startswith(top + slash):
        return link[: len(link) - len(below)] + path[len(top) + 1 :]
    return f"{scheme}://{path}"


def _naming_index(links: list[str]) -> int:
    """Return the index of the link that names the file."""
    for index, link in enumerate(links):
        if link.removesuffix("://") not in _CACHES:
            return index
    return len(links) - 1
