"""The files that are there now, against those of a ledger."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

from evenly.checkpoint.errors import (
    changed_error,
    duplicate_error,
    incomplete,
    missing_error,
    moved,
)
from evenly.checkpoint.relative_paths import PathMapper
from evenly.sources.files.fingerprint import Fingerprint, fingerprint
from evenly.sources.files.locate import FileList, is_url
from evenly.statistics_file import FileRecord

Rule = Literal["checkpoint", "update"]
"""What the files that are given stand for: all that the sums shall have (``"checkpoint"``: one
that is missing is an error), or what may be new (``"update"``)."""


class FileDiff(NamedTuple):
    """What is still to be read, and what is not.

    Attributes
    ----------
    paths, files
        To be read, in this order: the path, and what the ledger has of it so far.
    skipped
        How many of those given are in the sums already.
    nbytes
        Of all that are to be read; None when unknown.
    """

    paths: list[str]
    files: list[FileRecord]
    skipped: int
    nbytes: int | None


def compare(
    given: Sequence[str],
    known: dict[str, FileRecord],
    names: PathMapper,
    rule: Rule,
    checkpoint: str,
    *,
    fingerprint_of: Callable[[str], Fingerprint] = fingerprint,
) -> FileDiff:
    """Return what is to be read of the files given, after the rule.

    With ``"update"``, a file that was begun and is not given is finished first, if it is below the
    folder of the checkpoint. No other file or URL that only the checkpoint names is looked at: it
    may come from somebody else. `fingerprint` looks at a file.

    Raises
    ------
    SourceError
        When a file has changed since it was read, is given twice, has vanished (with
        ``"checkpoint"``), was moved to where it would be read again, or was begun and is to be
        given.
    """
    there = _named(given, names)
    missing = [file for file in known.values() if file.path not in there]
    if rule == "checkpoint" and missing:
        raise missing_error(missing, names, checkpoint)
    begun = [file for file in missing if not file.complete]
    if distant := [file for file in begun if not names.is_below(file.path)]:
        raise incomplete(distant, names, checkpoint)
    unfinished = {file.path: names.path(file.path) for file in begun}
    paths, files, skipped = FileList(), [], 0
    elsewhere = _by_looks(missing)
    for stored, path in (unfinished | there).items():
        stamp, file = fingerprint_of(path), known.get(stored)
        if file is None:
            file = FileRecord(stored, *stamp, 0, False)
            _check_not_moved(file, path, elsewhere, names, checkpoint)
        elif stamp != (file.bytes, file.modified):
            raise changed_error(path, file, stamp, checkpoint)
        if file.complete:
            skipped += 1
        else:
            paths.append(path)
            files.append(file)
    sizes = [file.bytes for file in files]
    return FileDiff(paths, files, skipped, None if None in sizes else sum(filter(None, sizes)))


def _named(given: Sequence[str], names: PathMapper) -> dict[str, str]:
    """Return the paths by their names in the ledger."""
    there: dict[str, str] = {}
    for path in given:
        stored = names.to_stored(path)
        if stored in there:
            raise duplicate_error(there[stored], path)
        there[stored] = path
    return there


Looks = tuple[str, int | None, int | str | None]


def _by_looks(files: Iterable[FileRecord]) -> dict[Looks, FileRecord]:
    """Return the files of the ledger by what a file keeps when it is moved."""
    return {_looks(file): file for file in files}


def _looks(file: FileRecord) -> Looks:
    return file.path.rpartition("/")[2], file.bytes, file.modified


def _check_not_moved(
    new: FileRecord,
    path: str,
    elsewhere: dict[Looks, FileRecord],
    names: PathMapper,
    checkpoint: str,
) -> None:
    """Refuse a file that looks as one in the sums which is no longer where it was.

    Nothing but its path would tell that it is not new, and its rows would count twice.
    """
    file = elsewhere.get(_looks(new))
    if file is None or is_url(file.path):
        return
    before = names.path(file.path)
    if not names.is_below(file.path):
        raise moved(path, before, "not among the sources", checkpoint)
    if not os.path.exists(before):
        raise moved(path, before, "no longer there", checkpoint)
