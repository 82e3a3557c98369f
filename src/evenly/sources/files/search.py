"""Search folders and patterns for files, so that each file occurs once.

The same rules hold for folders and patterns, and for tables and images. A link to a folder is
followed only if the user names it, as a source or by a component of a pattern other than ``**``.
That is also what Bash does; it avoids infinite loops. A link to a file stands for that file: if the
file itself, or another link to it, belongs to the same source, it occurs once.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from stat import S_ISDIR
from typing import NamedTuple

from evenly.sources.files.file_ref import FileRef, file_kind, file_ref
from evenly.sources.files.folders import FileId, file_id, is_store_folder, list_folder
from evenly.sources.files.patterns import last_steps, match_entries, matcher
from evenly.sources.files.table_logs import LOG_FOLDERS, check_folder

NamePredicate = Callable[[str], object]
"""Return whether a file in a folder belongs to the source, by its name."""


class Search:
    """The search for the files of one source.

    Attributes
    ----------
    skipped_hidden
        Whether a file or folder was skipped, or is internal, because of its name.
    """

    def __init__(self) -> None:
        self.skipped_hidden = False
        self._predicates: dict[FileId, list[NamePredicate]] = {}  # by folder, already applied
        self._links: list[FileRef] = []  # links to files; resolved after all folders are known
        self._targets: set[FileId] = set()  # targets of links that were yielded
        self._checked: set[str] = set()  # folders that are not tables with a log

    def below(self, folders: Iterable[str]) -> Iterator[FileRef]:
        """Yield the files below folders, at any depth, in arbitrary order.

        Raises
        ------
        SourceError
            If a folder cannot be read.
        """
        pending = [_Folder(folder, named=True) for folder in folders]
        while pending:
            yield from self._in_folder(pending.pop(), pending)
        self._links.sort(key=lambda link: (not link.named, link.internal, link.path))
        for link in self._links:
            if link.named or link.kind != "other":
                yield from self._resolve_link(link)
            else:
                yield link

    def matching(self, pattern: str) -> Iterator[FileRef]:
        """Yield the files that a pattern matches, and the files below matching folders.

        Raises
        ------
        SourceError
            If a matching folder cannot be read, or the system fails to read another one.
        """
        folders: list[str] = []
        for base, step in last_steps(pattern):
            if not step:
                folders.append(base or os.curdir)
            elif self._add_predicate(base, matcher(step)):
                yield from self._match_files(base, step, folders)
        # If several paths lead to one folder, the first one processed names its files.
        yield from self.below(sorted(folders, key=lambda path: (os.path.islink(path), path))[::-1])

    def _in_folder(self, folder: "_Folder", pending: "list[_Folder]") -> Iterator[FileRef]:
        """Yield the files in a folder; add the folders in it to `pending`."""
        before = tuple(self._predicates.get(file_id(folder.path), ()))
        predicate = is_image_or_archive if folder.internal else is_wanted
        if is_wanted in before or not self._add_predicate(folder.path, predicate):
            return
        if is_store_folder(folder.path):
            yield _store_ref(folder)
            return
        if folder.named:
            self._check_parents(folder.path)
        for entry in list_folder(folder.path):
            name = entry.name
            if name in LOG_FOLDERS:
                check_folder(folder.path)
            internal = folder.internal or name.startswith("_")
            self.skipped_hidden |= is_hidden(name) or internal
            if is_hidden(name):
                continue
            if entry.is_symlink():
                self._links.append(file_ref(entry.path, named=False, internal=internal))
            elif entry.is_dir(follow_symlinks=False):
                pending.append(_Folder(entry.path, internal=internal))
            elif not any(is_match(name) for is_match in before):
                yield file_ref(entry.path, named=False, internal=internal)

    def _match_files(self, base: str, step: str, folders: list[str]) -> Iterator[FileRef]:
        """Yield the files in a folder that match the last step; add folders to `folders`."""
        self._check_parents(base)
        for name, is_link, is_folder in match_entries(base, step):
            path = os.path.join(base, name)
            if is_folder:
                folders.append(path)
                continue
            file = file_ref(path, named=True)
            if is_link:
                self._links.append(file)
            else:
                yield file

    def _check_parents(self, folder: str) -> None:
        """Check that a folder is not a table with a log, or a part of one."""
        path = os.path.abspath(folder)
        while path not in self._checked:
            self._checked.add(path)
            check_folder(path)
            path = os.path.dirname(path)

    def _add_predicate(self, folder: str, predicate: NamePredicate) -> bool:
        """Record that a predicate was applied to a folder; return whether it is new."""
        predicates = self._predicates.setdefault(file_id(folder), [])
        if predicate in predicates:
            return False
        predicates.append(predicate)
        return True

    def _resolve_link(self, link: FileRef) -> Iterator[FileRef]:
        """Yield a link to a file, unless the file is found under another name."""
        try:
            status = os.stat(link.path)
            target = status.st_dev, status.st_ino
            if S_ISDIR(status.st_mode):
                if not is_store_folder(link.path):
                    yield link._replace(kind="folder link")
                elif self._add_predicate(link.path, is_wanted):
                    yield link._replace(kind="store")
            elif target not in self._targets:
                found = self._find_target(link.path)
                if found is None:
                    self._targets.add(target)
                    yield link
                elif found.internal and link.kind == "zip" and not link.internal:
                    yield link._replace(kind="table")  # its images are read under its own name
        except OSError:
            yield link  # opening it raises the error

    def _find_target(self, link: str) -> FileRef | None:
        """Return the target of a link if it is found under its own name."""
        target = os.path.join(os.path.dirname(link), os.readlink(link))
        if os.path.islink(target):
            target = os.path.realpath(link)
        folder, name = os.path.split(target)
        applied = [match for match in self._predicates.get(file_id(folder), ()) if match(name)]
        internal = name.startswith("_") or applied == [is_image_or_archive]
        return file_ref(target, named=False, internal=internal) if applied else None


class _Folder(NamedTuple):
    """A folder to search.

    Attributes
    ----------
    named
        Whether the user named it, as a source or by a pattern.
    internal
        See `FileRef`.
    """

    path: str
    named: bool = False
    internal: bool = False


def _store_ref(folder: _Folder) -> FileRef:
    return FileRef(folder.path, "store", ".zarr", "", folder.named, None, folder.internal)


def is_hidden(name: str) -> bool:
    """Return whether a file or folder in a folder is skipped, by its name."""
    return name.startswith(".") or name == "__MACOSX"


def is_wanted(name: str) -> bool:
    """Return whether a file in a folder is read, by its name."""
    return not is_hidden(name) and file_kind(name) != "other"


def is_image_or_archive(name: str) -> bool:
    """Return whether a file in an internal folder is read, by its name: tables are not."""
    return not is_hidden(name) and file_kind(name) in ("image", "tar", "zip")
