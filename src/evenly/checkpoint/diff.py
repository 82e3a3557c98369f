"""Compare the source files with the files of a manifest."""

import os
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from evenly.checkpoint.errors import (
    changed_error,
    duplicate_error,
    incomplete_error,
    missing_error,
    moved_error,
)
from evenly.checkpoint.relative_paths import PathMapper
from evenly.sources.files.digest import file_digest
from evenly.sources.files.fingerprint import Fingerprint, fingerprint
from evenly.sources.urls import is_url
from evenly.statistics_file import FileRecord

Rule = Literal["checkpoint", "update"]
"""``"checkpoint"``: the given files are all files, and a missing one is an error. ``"update"``:
the given files are those that may be new."""


class FileDiff(NamedTuple):
    """The files that remain to be read, and the number of those that do not.

    Attributes
    ----------
    paths, files
        The files to read, in this order: their paths, and their records so far.
    skipped
        The number of given files that are already included.
    renewed
        The new records of those with another modification time or version than before: their
        content is the same, or the caller accepts that it has changed.
    accepted
        The paths of those that the caller accepts.
    nbytes
        The size of all files to read; None when unknown.
    """

    paths: list[str]
    files: list[FileRecord]
    skipped: int
    renewed: list[FileRecord]
    accepted: list[str]
    nbytes: int | None


def compare(
    given: Sequence[str],
    known: dict[str, FileRecord],
    names: PathMapper,
    rule: Rule,
    checkpoint: str,
    *,
    accept_changed: bool = False,
    fingerprint_of: Callable[[str], Fingerprint] = fingerprint,
) -> FileDiff:
    """Return the files that remain to be read.

    With ``"update"``, a partly read file that is not given is finished first if it is below the
    folder of the checkpoint. No other file or URL that only the checkpoint names is accessed,
    since the checkpoint may come from an untrusted source.

    Parameters
    ----------
    given
        The paths of the source files.
    known
        The files of the manifest by their stored paths.
    names
        Converts between paths and stored paths.
    rule
        The meaning of the given files.
    checkpoint
        The path of the statistics file, for messages.
    accept_changed
        Whether the included rows of completely read files stay as they are when the file has
        changed since.
    fingerprint_of
        Returns the fingerprint of a file.

    Raises
    ------
    SourceError
        When a file has changed since it was read, is given twice, is missing (with
        ``"checkpoint"``), was moved to where it would be read again, or was partly read and must
        be given again.
    """
    given_paths = _paths_by_stored(given, names)
    missing = [file for file in known.values() if file.path not in given_paths]
    unfinished = _unfinished_paths(missing, names, rule, checkpoint)
    moved = _MovedFiles(missing, names, checkpoint)
    paths: list[str] = []
    files: list[FileRecord] = []
    skipped = 0
    renewed: list[FileRecord] = []
    accepted: list[str] = []
    for stored, path in (unfinished | given_paths).items():
        now, file = fingerprint_of(path), known.get(stored)
        if file is None:
            file = FileRecord(stored, *now, 0, False)
            moved.check(file, path)
        elif now != (file.bytes, file.modified):
            same = _has_same_content(path, file, now)
            if not (same or (accept_changed and file.complete)):
                raise changed_error(path, file, now, checkpoint)
            digest = file.digest if same else file_digest(path)
            renewed.append(file._replace(bytes=now.bytes, modified=now.modified, digest=digest))
            accepted += [] if same else [path]
        if file.complete:
            skipped += 1
        else:
            paths.append(path)
            files.append(file)
    sizes = [file.bytes for file in files]
    nbytes = None if None in sizes else sum(filter(None, sizes))
    return FileDiff(paths, files, skipped, renewed, accepted, nbytes)


def _unfinished_paths(
    missing: Sequence[FileRecord], names: PathMapper, rule: Rule, checkpoint: str
) -> dict[str, str]:
    """Return the paths of partly read files that are not given, by their stored paths.

    Raises
    ------
    SourceError
        When a file is missing, or must be given again.
    """
    if rule == "checkpoint" and missing:
        raise missing_error(missing, names, checkpoint)
    incomplete = [file for file in missing if not file.complete]
    if outside := [file for file in incomplete if not names.is_below(file.path)]:
        raise incomplete_error(outside, names, checkpoint)
    return {file.path: names.path(file.path) for file in incomplete}


def _has_same_content(path: str, file: FileRecord, now: Fingerprint) -> bool:
    """Return whether a file has the content of its record, although its time has changed."""
    return bool(file.digest) and now.bytes == file.bytes and file_digest(path) == file.digest


def _paths_by_stored(given: Sequence[str], names: PathMapper) -> dict[str, str]:
    """Return the paths by their stored paths."""
    paths: dict[str, str] = {}
    for path in given:
        stored = names.to_stored(path)
        if stored in paths:
            raise duplicate_error(paths[stored], path)
        paths[stored] = path
    return paths


Stamp = tuple[int | None, int | str | None]


class _MovedFiles:
    """Included files that are not among the sources, which may have been moved or renamed.

    Parameters
    ----------
    missing
        The records of these files.
    names
        Converts between paths and stored paths.
    checkpoint
        The path of the statistics file, for messages.
    """

    def __init__(self, missing: Sequence[FileRecord], names: PathMapper, checkpoint: str) -> None:
        self._names = names
        self._checkpoint = checkpoint
        self._by_stamp: dict[Stamp, list[FileRecord]] = {}
        for file in missing:
            if not is_url(file.path):
                self._by_stamp.setdefault(_stamp(file), []).append(file)

    def check(self, new: FileRecord, path: str) -> None:
        """Reject a new file that seems to be an included file, whose rows would count twice.

        Its size and time are those of the included file, and so is its name or its content.
        """
        for file in self._by_stamp.get(_stamp(new), ()):
            before = self._names.path(file.path)
            if not self._names.is_below(file.path):
                status = "not among the sources"
            elif not os.path.exists(before):
                status = "no longer there"
            else:
                continue
            if _name(file) == _name(new):
                raise moved_error(path, before, "name", status, self._checkpoint)
            if file.digest and file.digest == file_digest(path):
                raise moved_error(path, before, "content", status, self._checkpoint)


def _stamp(file: FileRecord) -> Stamp:
    """Return the properties that a file keeps when it is moved or renamed: size and time."""
    return file.bytes, file.modified


def _name(file: FileRecord) -> str:
    return file.path.rpartition("/")[2]
