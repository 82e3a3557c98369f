"""The parts of URLs: chains of file systems, the link that names the file, and its query.

In a chain such as ``zip://*.csv::simplecache::https://host/x.zip`` each link is a URL in the one
after it. The first one that has a path names the file.
"""

import glob
import re
from collections.abc import Iterator
from urllib.parse import unquote

_CACHES = frozenset(("blockcache", "cached", "filecache", "simplecache"))
"""File systems that keep copies of what the next link leads to."""

_QUERIES = frozenset(("http", "https"))
"""Schemes in which any question mark begins a query."""
_QUERY = re.compile(r"\?[\w.%~\-]+=")
"""What begins a query elsewhere, after the last slash: ``?versionId=``. Any other question mark
stands for one character."""


def is_url(path: str) -> bool:
    """Return whether a path is for fsspec: ``memory://x.csv``, ``zip://*.csv::s3://bucket/x.zip``."""
    return "://" in path


def without_caches(url: str) -> str:
    """Return a chain without its links that only keep copies.

    >>> without_caches("simplecache::s3://bucket/x.csv")
    's3://bucket/x.csv'
    """
    links = url.split("::")
    kept = [link for link in links[:-1] if link.removesuffix("://") not in _CACHES]
    return "::".join([*kept, links[-1]])


def names_in(url: str) -> Iterator[str]:
    """Yield what may name the file of a URL: its path, then the values in its query.

    >>> list(names_in("zip://days/1.csv::https://host/x.zip?sig=0f3c"))
    ['zip://days/1.csv']
    >>> list(names_in("https://host/download?file=x.csv&id=3"))
    ['https://host/download', 'x.csv', '3']
    """
    links = url.split("::")
    path, query = split_query(links[_naming(links)])
    yield path
    for parameter in filter(None, re.split("[?&#]", query)):
        yield unquote(parameter.partition("=")[2]).strip("\"'")


def is_pattern(url: str) -> bool:
    """Return whether a URL stands for several files; what is in its query is no pattern.

    >>> is_pattern("s3://bucket/day-*.csv"), is_pattern("https://host/x.csv?columns=[a]&q=*")
    (True, False)
    """
    links = url.split("::")
    path, _ = split_query(links[_naming(links)])
    return glob.has_magic(path)


def split_query(link: str) -> tuple[str, str]:
    """Return a URL without its query and fragment, and these."""
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
        A URL, and the path that its file system takes from it.
    path
        Another path of this file system.

    >>> with_path("ftp://me@host/days/*.csv", "/days/*.csv", "/days/1.csv")
    'ftp://me@host/days/1.csv'
    >>> with_path("abfs://box@account.net/*.csv", "box/*.csv", "box/1.csv")
    'abfs://box@account.net/1.csv'
    """
    links = url.split("::")
    index = _naming(links)
    links[index] = _link_with_path(links[index], inner, path)
    return "::".join(links)


def _link_with_path(link: str, inner: str, path: str) -> str:
    scheme = link.partition("://")[0]  # also of a link that is nothing else: zip::file.zip
    link = link if "://" in link else f"{link}://"
    link = link.rstrip("/") if link.rstrip("/") != f"{scheme}:" else f"{scheme}://"
    inner = inner.rstrip("/")
    if link.endswith(inner):
        return link[: len(link) - len(inner)] + path
    top, slash, rest = inner.partition("/")
    if top and slash and link.endswith(slash + rest) and path.startswith(top + slash):
        return link[: len(link) - len(rest)] + path[len(top) + 1 :]
    return f"{scheme}://{path}"


def _naming(links: list[str]) -> int:
    """Return which link of a chain names the file."""
    for index, link in enumerate(links):
        if link.removesuffix("://") not in _CACHES:
            return index
    return len(links) - 1
