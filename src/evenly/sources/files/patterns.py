"""Patterns such as ``data/**/part-*.csv``: the folders that they lead to, step by step.

As `glob.glob` has it, with three differences: a failure of the system is an error and not an empty
folder, no folder is searched twice, and ``**`` does not follow links, so that no loop is entered.
"""

import fnmatch
import glob
import os
import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from evenly.sources.files.folders import Identity, identity, leads_to_folder, scan_if_allowed

_SEPARATORS = re.compile(r"[\\/]+" if os.sep == "\\" else "/+")


def last_steps(pattern: str) -> Iterator[tuple[str, str]]:
    """Yield each folder that all but the last step of a pattern lead to, and that step.

    The step is empty where the folder itself is meant: the pattern ends with ``**`` or a slash.

    Raises
    ------
    SourceError
        When the system cannot read a folder. One that may not be read leads nowhere.
    """
    drive, rest = os.path.splitdrive(pattern)
    steps = _SEPARATORS.split(rest)
    root = drive
    if not steps[0]:
        root, steps = drive + os.sep, steps[1:]
    yield from _descend(root, tuple(steps), set())


def _descend(
    base: str, steps: tuple[str, ...], visited: set[tuple[Identity, int]]
) -> Iterator[tuple[str, str]]:
    step, *rest = steps
    if not step or (step == "**" and not rest):
        yield base, ""
        return
    visit = identity(base), len(steps)
    if visit in visited:
        return
    visited.add(visit)
    if not rest:
        yield base, step
        return
    for name in _folders(base, step):
        yield from _descend(os.path.join(base, name), steps if step == "**" else steps[1:], visited)
    if step == "**":
        yield from _descend(base, steps[1:], visited)


def _folders(base: str, step: str) -> list[str]:
    """Return the names of the folders in a folder that a step matches; links come last."""
    if not glob.has_magic(step):
        return [step] if os.path.isdir(os.path.join(base, step)) else []
    rule, links = matcher("*" if step == "**" else step), step != "**"
    found = [
        (entry.is_symlink(), entry.name)
        for entry in scan_if_allowed(base)
        if rule(entry.name) and (links or not entry.is_symlink()) and leads_to_folder(entry)
    ]
    return [name for _, name in sorted(found)]


@lru_cache(64)
def matcher(step: str) -> Callable[[str], bool]:
    """Return whether a step of a pattern matches a name; the same function for the same step.

    >>> matcher("*.csv")("a.csv"), matcher("*.csv")(".a.csv"), matcher(".*")(".a.csv")
    (True, False, True)
    """
    match = re.compile(fnmatch.translate(os.path.normcase(step))).match
    hidden = step.startswith(".")

    def matches(name: str) -> bool:
        return (hidden or not name.startswith(".")) and match(os.path.normcase(name)) is not None

    return matches


def matched(base: str, step: str) -> Iterator[tuple[str, bool, bool]]:
    """Yield what the last step matches in a folder: its name, if it is a link, if a folder."""
    if not glob.has_magic(step):
        path = os.path.join(base, step)
        if os.path.lexists(path):
            yield step, os.path.islink(path), os.path.isdir(path)
        return
    rule = matcher(step)
    for entry in scan_if_allowed(base):
        if rule(entry.name):
            yield entry.name, entry.is_symlink(), leads_to_folder(entry)
