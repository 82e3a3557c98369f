"""Search folders and patterns for files, so that each file comes once.

One rule holds for folders and patterns, of tables and of images. A link to a folder is followed
where the user names it (as a source, or by a part of a pattern other than ``**``), and nowhere
else, as in Bash: no loop of links is entered. A link to a file is that file: if the file itself, or
another link to it, belongs to the same source, it counts once.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from stat import S_ISDIR
from typing import NamedTuple

from evenly.sources.files.folders import Identity, identity, is_store_folder, scan
from evenly.sources.files.patterns import last_steps, matched, matcher

Rule = Callable[[str], object]
"""Whether a file in a folder belongs to the source, by its name."""


class Entry(NamedTuple):
    """What a search has found.

    Attributes
    ----------
    path
        Its path, which begins as the source does.
    kind
        What its name says that it is; of a Zarr store ``"table"``, and of a link to a folder, which
        is not followed, ``"link"``.
    named
        Whether it is a source, or matches a pattern; otherwise it was found in a folder.
    """

    path: str
    kind: str
    named: bool


class Search:
    """The search for the files of one source.

    Parameters
    ----------
    hidden
        Whether a file or folder of this name, found in a folder, is passed over.
    kind_of
        What the name of a file says that it is; ``"other"`` is not read.

    Attributes
    ----------
    some_hidden
        Whether there was one.
    """

    def __init__(self, *, hidden: Rule, kind_of: Callable[[str], str]) -> None:
        self._hidden = hidden
        self._kind_of = kind_of
        self.some_hidden = False
        self._rules: dict[Identity, list[Rule]] = {}  # by folder: which of its files were found
        self._links: list[Entry] = []  # to files; decided when all folders are known
        self._targets: set[Identity] = set()  # of links that were found

    def below(self, folders: Iterable[str]) -> Iterator[Entry]:
        """Yield what is below folders, at any depth, in no order.

        Raises
        ------
        SourceError
            When a folder cannot be read.
        """
        pending = [(folder, True) for folder in folders]
        while pending:
            yield from self._in_folder(*pending.pop(), pending)
        for link in sorted(self._links, key=lambda link: (not link.named, link.path)):
            if link.named or link.kind != "other":
                yield from self._resolved(link)
            else:
                yield link

    def matching(self, pattern: str) -> Iterator[Entry]:
        """Yield the files that a pattern matches, and what is below the folders that it matches.

        Raises
        ------
        SourceError
            When a folder that it matches cannot be read, or the system fails to read another.
        """
        folders: list[str] = []
        for base, step in last_steps(pattern):
            if not step:
                folders.append(base or os.curdir)
            elif self._is_first(base, matcher(step)):
                yield from self._matched(base, step, folders)
        # Of several paths to one folder, the first one that is taken names its files.
        yield from self.below(sorted(folders, key=lambda path: (os.path.islink(path), path))[::-1])

    def _in_folder(
        self, folder: str, named: bool, pending: list[tuple[str, bool]]
    ) -> Iterator[Entry]:
        """Yield the files in a folder; add the folders in it to `pending`."""
        before = tuple(self._rules.get(identity(folder), ()))
        if not self._is_first(folder, self._wanted):
            return
        if is_store_folder(folder):
            yield Entry(folder, "table", named)
            return
        for entry in scan(folder):
            name = entry.name
            if self._hidden(name):
                self.some_hidden = True
            elif entry.is_symlink():
                self._links.append(Entry(entry.path, self._kind_of(name), False))
            elif entry.is_dir(follow_symlinks=False):
                pending.append((entry.path, False))
            elif not before or not any(rule(name) for rule in before):
                yield Entry(entry.path, self._kind_of(name), False)

    def _wanted(self, name: str) -> bool:
        """Return whether a file of this name, found in a folder, is read."""
        return not self._hidden(name) and self._kind_of(name) != "other"

    def _matched(self, base: str, step: str, folders: list[str]) -> Iterator[Entry]:
        """Yield the files in a folder that the last step matches; add the folders to `folders`."""
        for name, is_link, is_folder in matched(base, step):
            path = os.path.join(base, name)
            if is_folder:
                folders.append(path)
                continue
            entry = Entry(path, self._kind_of(name), True)
            if is_link:
                self._links.append(entry)
            else:
                yield entry

    def _is_first(self, folder: str, rule: Rule) -> bool:
        """Note that the files of a folder are found by a rule; return whether that is new."""
        rules = self._rules.setdefault(identity(folder), [])
        if rule in rules:
            return False
        rules.append(rule)
        return True

    def _resolved(self, link: Entry) -> Iterator[Entry]:
        """Yield a link to a file, if that does not come under another name."""
        try:
            status = os.stat(link.path)
            target = status.st_dev, status.st_ino
            if S_ISDIR(status.st_mode):
                if not is_store_folder(link.path):
                    yield link._replace(kind="link")
                elif self._is_first(link.path, self._wanted):
                    yield link._replace(kind="table")
            elif target not in self._targets and not self._is_found(link.path):
                self._targets.add(target)
                yield link
        except OSError:
            yield link  # opening it will say what is wrong

    def _is_found(self, link: str) -> bool:
        """Return whether the file that a link leads to is found under its own name."""
        target = os.path.join(os.path.dirname(link), os.readlink(link))
        if os.path.islink(target):
            target = os.path.realpath(link)
        folder, name = os.path.split(target)
        return any(rule(name) for rule in self._rules.get(identity(folder), ()))
