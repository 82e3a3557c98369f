"""Match patterns such as ``data/**/part-*.csv``, one path component at a time.

The rules are those of `glob.glob` with three differences: a failure of the system is an error and
not an empty folder, no folder is searched twice, and ``**`` does not follow links, so there are no
infinite loops.
"""

import fnmatch
import glob
import os
import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from evenly.sources.files.folders import FileId, file_id, leads_to_folder, list_if_allowed

_SEPARATORS = re.compile(r"[\\/]+" if os.sep == "\\" else "/+")


def last_steps(pattern: str) -> Iterator[tuple[str, str]]:
    """Yield the folders matched by all but the last step of a pattern, each with that step.

    The step is empty if the pattern ends with ``**`` or a slash and stands for the folder itself.

    Raises
    ------
    SourceError
        If the system fails to read a folder. Folders without access permission are skipped.
    """
    drive, path = os.path.splitdrive(pattern)
    steps = _SEPARATORS.split(path)
    root = drive
    if not steps[0]:
        root, steps = drive + os.sep, steps[1:]
    yield from _descend(root, tuple(steps), set())


def _descend(
    base: str, steps: tuple[str, ...], visited: set[tuple[FileId, int]]
) -> Iterator[tuple[str, str]]:
    step, *rest = steps
    if not step or (step == "**" and not rest):
        yield base, ""
        return
    visit = file_id(base), len(steps)
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
    """Return the names of the subfolders that match a step; links come last."""
    if not glob.has_magic(step):
        return [step] if os.path.isdir(os.path.join(base, step)) else []
    is_match, follow_links = matcher("*" if step == "**" else step), step != "**"
    folders = [
        (entry.is_symlink(), entry.name)
        for entry in list_if_allowed(base)
        if is_match(entry.name)
        and (follow_links or not entry.is_symlink())
        and leads_to_folder(entry)
    ]
    return [name for _, name in sorted(folders)]


@lru_cache(64)
def matcher(step: str) -> Callable[[str], bool]:
    """Return the function that matches names against a step; steps share their functions.

    >>> matcher("*.csv")("a.csv"), matcher("*.csv")(".a.csv"), matcher(".*")(".a.csv")
    (True, False, True)
    """
    match = re.compile(fnmatch.translate(os.path.normcase(step))).match
    hidden = step.startswith(".")

    def matches(name: str) -> bool:
        return (hidden or not name.startswith(".")) and match(os.path.normcase(name)) is not None

    return matches


def match_entries(base: str, step: str) -> Iterator[tuple[str, bool, bool]]:
    """Yield the name of each match of the last step; whether it is a link; whether a folder."""
    if not glob.has_magic(step):
        path = os.path.join(base, step)
        if os.path.lexists(path):
            yield step, os.path.islink(path), os.path.isdir(path)
        return
    is_match = matcher(step)
    for entry in list_if_allowed(base):
        if is_match(entry.name):
            yield entry.name, entry.is_symlink(), leads_to_folder(entry)
