"""Expand the numbers in braces of names such as ``shard-{000000..000003}.tar``."""

import os
import re
from collections.abc import Iterator

from evenly.errors import SourceError
from evenly.redaction import redact_url
from evenly.sources.sql.url import is_database
from evenly.sources.urls import StorageUrl, is_url

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_MAX_FILES = 1_000_000


def expand_braces(source: str) -> list[str]:
    """Return the paths or URLs that a source with numbers in braces stands for.

    The numbers have the width of the longer end if one of them begins with a zero, as in Bash. A
    file of exactly that name has priority.

    Raises
    ------
    SourceError
        If there are more than a million.

    >>> expand_braces("s3://b/{train,x}-{08..11}.tar")[:2]
    ['s3://b/{train,x}-08.tar', 's3://b/{train,x}-09.tar']
    """
    if "{" not in source or (is_url(source) and is_database(source)):
        return [source]
    if not is_url(source) and os.path.lexists(source):
        return [source]
    total = 1
    for first, last in _RANGE.findall(source):
        total *= abs(int(last) - int(first)) + 1
    if total > _MAX_FILES:
        raise SourceError(
            f"Braces may stand for at most {_MAX_FILES:,} files. Received: {redact_url(source)!r}, "
            f"which are {total:,}. Pass a folder or a pattern."
        )
    if not isinstance(source, StorageUrl):
        return list(_expand(source))
    return [StorageUrl(url, source.storage_options) for url in _expand(source)]


def _expand(text: str) -> Iterator[str]:
    match = _RANGE.search(text)
    if match is None:
        yield text
        return
    rests = list(_expand(text[match.end() :]))
    for number in _numbers(*match.groups()):
        for rest in rests:
            yield f"{text[: match.start()]}{number}{rest}"


def _numbers(first: str, last: str) -> Iterator[str]:
    """Yield the numbers of a range, also of a descending one.

    >>> list(_numbers("9", "11")), list(_numbers("2", "01"))
    (['9', '10', '11'], ['02', '01'])
    """
    padded = any(len(end) > 1 and end.startswith("0") for end in (first, last))
    width = max(len(first), len(last)) if padded else 0
    step = 1 if int(first) <= int(last) else -1
    for number in range(int(first), int(last) + step, step):
        yield f"{number:0{width}d}"
