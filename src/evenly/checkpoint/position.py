"""How far the reading has come: which file, which row."""

from collections import deque
from collections.abc import Iterator, Sequence

from evenly.checkpoint.errors import Change, changed_error
from evenly.errors import SourceError
from evenly.redaction import redact_url
from evenly.sources.files.fingerprint import Watch
from evenly.statistics_file import FileRecord


class ReadPosition:
    """Follows blocks, which come file by file and row by row, and knows those read before.

    A block says by its `label` which file it is from: the file's label, or in an archive this
    and the member's name. A file without rows is passed when the one after it begins.

    Parameters
    ----------
    paths, files
        The paths that are read, in order, with what the ledger has of each: the rows that
        are in the sums already are those to be passed over.
    watch
        Tells whether a file is still what it was when it was opened.
    checkpoint
        For messages.

    Attributes
    ----------
    changed
        By path, the files that changed while they were read.

    Examples
    --------
    >>> course = ReadPosition(["a.csv", "b.zip"], [FileRecord("a", 9, 0, 20, False),
    ...                                      FileRecord("b", 9, 0, 0, False)])
    >>> course.enter("a.csv"), course.known(0, 30)
    (False, 20)
    >>> course.reach(30)
    >>> course.enter("b.zip/x.csv")
    True
    >>> list(course.settle())
    ['a.csv']
    >>> [(file.path, file.rows, file.complete) for file in course.read()]
    [('a', 30, True)]
    """

    def __init__(
        self,
        paths: Sequence[str],
        files: Sequence[FileRecord],
        watch: Watch | None = None,
        checkpoint: str = "the checkpoint",
    ) -> None:
        self._paths = paths
        self._labels = [redact_url(path) for path in paths]
        self._before = files
        self._watch = Watch() if watch is None else watch
        self._checkpoint = checkpoint
        self.changed: dict[str, Change] = {}
        self._ended: deque[tuple[str, FileRecord]] = deque()  # until `settle`
        self._number = -1 if paths else 0
        self._label: str | None = None
        self._base = 0  # rows of the file in places before this one
        self._row = 0  # rows of this label that were read
        self._read: list[FileRecord] = []

    def enter_file(self, label: str) -> bool:
        """Go to a place; return whether a file has ended before it."""
        if label == self._label:
            return False
        number = self._number
        if number < 0 or not self._holds(label):
            self._end()
            while not self._holds(label):
                self._end()
        else:
            self._base += self._row
        self._label, self._row = label, 0
        return -1 < number < self._number

    def _holds(self, block_label: str) -> bool:
        label = self._labels[self._number]
        return block_label == label or block_label.startswith(f"{label}/")

    def _end(self) -> None:
        """Leave the file, whose rows were all read, for the next one."""
        if self._number >= 0:
            before = self._before[self._number]
            rows = self._base + self._row
            if rows < before.rows:
                raise SourceError(
                    "A file must have all the rows that were read of it before. Received: "
                    f"{self._labels[self._number]!r}, with {rows:,} rows, of which the checkpoint "
                    f"has read {before.rows:,}. Begin anew with another checkpoint."
                )
            file = self._as_opened(self._number)._replace(rows=rows, complete=True)
            self._ended.append((self._paths[self._number], file))
        self._number += 1
        self._label, self._base, self._row = None, 0, 0

    def already_read(self, first_row: int, rows: int) -> int:
        """Return how many of these rows of the label, the first ones, were summed before."""
        known = self._before[self._number].rows - self._base - first_row
        return min(max(known, 0), rows)

    def advance(self, row: int) -> None:
        """Note that the label's rows up to this one are summed."""
        self._row = row

    @property
    def finished(self) -> bool:
        """Whether there are no more rows."""
        return self._number == len(self._labels)

    def finish(self) -> None:
        """Note that there are no more rows."""
        while self._number < len(self._labels):
            self._end()

    @property
    def path(self) -> str:
        """The path of the file that is being read."""
        return self._paths[self._number]

    def _as_opened(self, number: int) -> FileRecord:
        """Return what the ledger will have of a file: its stamp is that of what was opened.

        Raises
        ------
        SourceError
            When some of its rows are in the sums since an earlier run, and it has changed.
        """
        file, stamp = self._before[number], self._watch.opened(self._paths[number])
        if stamp is None:
            return file
        if file.rows and stamp != (file.bytes, file.modified):
            raise changed_error(self._paths[number], file, stamp, self._checkpoint)
        return file._replace(bytes=stamp.bytes, modified=stamp.modified)

    def settle(self) -> Iterator[str]:
        """Yield the files that have ended and are what they were when they were opened.

        After each, its rows must be in the sums: then it is among those of `read`.
        """
        while self._ended:
            path, file = self._ended[0]
            if self.stays(path, file):
                yield path
                self._read.append(file)
            self._ended.popleft()

    def stays(self, path: str, file: FileRecord) -> bool:
        """Whether a file is what it was when it was opened; if not, note that.

        Raises
        ------
        SourceError
            When it is not, and some of its rows are in the sums since an earlier run.
        """
        now = None if path in self.changed else self._watch.changed(path)
        if now is not None:
            before = next(f for p, f in zip(self._paths, self._before, strict=True) if p == path)
            if before.rows:
                raise changed_error(path, before, now, self._checkpoint)
            self.changed[path] = Change(file, now)
        return path not in self.changed

    def begun(self) -> list[str]:
        """Return the path of the file that is being read, if it is what it was when opened."""
        if not 0 <= self._number < len(self._paths):
            return []
        file = self._as_opened(self._number)
        return [self.path] if self.stays(self.path, file) else []

    def read(self) -> Iterator[FileRecord]:
        """Yield the files that were read since the start, and the one that is being read.

        Not one of which no row is in the sums: it may still change, to be mended for example.
        """
        yield from self._read
        if 0 <= self._number < len(self._paths) and self.path not in self.changed:
            file = self._as_opened(self._number)
            rows = max(file.rows, self._base + self._row)
            if rows:
                yield file._replace(rows=rows)
