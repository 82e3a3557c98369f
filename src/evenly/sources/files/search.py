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

from evenly.sources.files.folders import Identity, identity, is_store_folder, scan
from evenly.sources.files.patterns import last_steps, match_entries, matcher
from evenly.sources.files.table_logs import check_folder

NamePredicate = Callable[[str], object]
"""Return whether a file in a folder belongs to the source, by its name."""


class Entry(NamedTuple):
    """A file found by a search.

    Attributes
    ----------
    path
        The path, which begins with the source.
    kind
        The type of the file by its name; ``"table"`` for a Zarr store, and ``"link"`` for a link
        to a folder, which is not followed.
    named
        Whether the file is a source itself or matches a pattern, and was not found in a folder.
    """

    path: str
    kind: str
    named: bool


class Search:
    """The search for the files of one source.

    Parameters
    ----------
    is_hidden
        Return whether a file or folder in a folder is skipped, by its name.
    file_kind
        Return the type of a file by its name; ``"other"`` is not read.

    Attributes
    ----------
    skipped_hidden
        Whether a hidden file or folder was skipped.
    """

    def __init__(self, *, is_hidden: NamePredicate, file_kind: Callable[[str], str]) -> None:
        self._is_hidden = is_hidden
        self._file_kind = file_kind
        self.skipped_hidden = False
        self._predicates: dict[Identity, list[NamePredicate]] = {}  # by folder, already applied
        self._links: list[Entry] = []  # links to files; resolved after all folders are known
        self._targets: set[Identity] = set()  # targets of links that were yielded
        self._checked: set[str] = set()  # folders that are not tables with a log

    def below(self, folders: Iterable[str]) -> Iterator[Entry]:
        """Yield the files below folders, at any depth, in arbitrary order.

        Raises
        ------
        SourceError
            If a folder cannot be read.
        """
        pending = [(folder, True) for folder in folders]
        while pending:
            yield from self._in_folder(*pending.pop(), pending)
        for link in sorted(self._links, key=lambda link: (not link.named, link.path)):
            if link.named or link.kind != "other":
                yield from self._resolve_link(link)
            else:
                yield link

    def matching(self, pattern: str) -> Iterator[Entry]:
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

    def _in_folder(
        self, folder: str, named: bool, pending: list[tuple[str, bool]]
    ) -> Iterator[Entry]:
        """Yield the files in a folder; add the folders in it to `pending`."""
        before = tuple(self._predicates.get(identity(folder), ()))
        if not self._add_predicate(folder, self._is_wanted):
            return
        if is_store_folder(folder):
            yield Entry(folder, "table", named)
            return
        self._check_logs(folder, parents=named)
        for entry in scan(folder):
            name = entry.name
            if self._is_hidden(name):
                self.skipped_hidden = True
            elif entry.is_symlink():
                self._links.append(Entry(entry.path, self._file_kind(name), False))
            elif entry.is_dir(follow_symlinks=False):
                pending.append((entry.path, False))
            elif not any(is_match(name) for is_match in before):
                yield Entry(entry.path, self._file_kind(name), False)

    def _is_wanted(self, name: str) -> bool:
        """Return whether a file in a folder is read, by its name."""
        return not self._is_hidden(name) and self._file_kind(name) != "other"

    def _match_files(self, base: str, step: str, folders: list[str]) -> Iterator[Entry]:
        """Yield the files in a folder that match the last step; add folders to `folders`."""
        self._check_logs(base, parents=True)
        for name, is_link, is_folder in match_entries(base, step):
            path = os.path.join(base, name)
            if is_folder:
                folders.append(path)
                continue
            entry = Entry(path, self._file_kind(name), True)
            if is_link:
                self._links.append(entry)
            else:
                yield entry

    def _check_logs(self, folder: str, *, parents: bool) -> None:
        """Check that a folder is not a table with a log, or a part of one."""
        path = os.path.abspath(folder)
        while path not in self._checked:
            self._checked.add(path)
            check_folder(path, folder if path == os.path.abspath(folder) else path)
            if not parents:
                return
            path = os.path.dirname(path)

    def _add_predicate(self, folder: str, predicate: NamePredicate) -> bool:
        """Record that a predicate was applied to a folder; return whether it is new."""
        predicates = self._predicates.setdefault(identity(folder), [])
        if predicate in predicates:
            return False
        predicates.append(predicate)
        return True

    def _resolve_link(self, link: Entry) -> Iterator[Entry]:
        """Yield a link to a file, unless the file is found under another name."""
        try:
            status = os.stat(link.path)
            target = status.st_dev, status.st_ino
            if S_ISDIR(status.st_mode):
                if not is_store_folder(link.path):
                    yield link._replace(kind="link")
                elif self._add_predicate(link.path, self._is_wanted):
                    yield link._replace(kind="table")
            elif target not in self._targets and not self._is_found(link.path):
                self._targets.add(target)
                yield link
        except OSError:
            yield link  # opening it raises the error

    def _is_found(self, link: str) -> bool:
        """Return whether the target of a link is found under its own name."""
        target = os.path.join(os.path.dirname(link), os.readlink(link))
        if os.path.islink(target):
            target = os.path.realpath(link)
        folder, name = os.path.split(target)
        return any(is_match(name) for is_match in self._predicates.get(identity(folder), ()))
