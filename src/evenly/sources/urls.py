"""Parse URLs: chains of file systems, the link that names the file, and its query.

In a chain such as ``zip://*.csv::simplecache::https://host/x.zip``, each link is a URL inside the
file that the next link names. The first link with a path names the file.
"""

import glob
import re
from collections.abc import Iterator
from urllib.parse import unquote

_CACHES = frozenset(("blockcache", "cached", "filecache", "simplecache"))
"""File systems that cache the file of the next link."""

_QUERIES = frozenset(("http", "https"))
"""Schemes in which every question mark begins a query."""
_QUERY = re.compile(r"\?[\w.%~\-]+=")
"""The beginning of a query in other schemes, after the last slash: ``?versionId=``. Any other
question mark is a wildcard for one character."""


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
    return "::".join([*kept, links[-1]])


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
    return "::".join(links)


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
