"""The read position of a fit: the current file and row."""

from collections import deque
from collections.abc import Iterator, Sequence

from evenly.checkpoint.errors import Change, changed_error, truncated_error
from evenly.redaction import redact_url
from evenly.sources.files.digest import file_digest
from evenly.sources.files.fingerprint import Watch
from evenly.statistics_file import FileRecord


class ReadPosition:
    """Track the blocks of a fit, and which of their rows were read in an earlier run.

    Blocks arrive file by file, rows in order. The `label` of a block names its file: it is the
    label of the file, followed by the name of the member if the file is an archive. A file
    without rows ends when the next one starts.

    Parameters
    ----------
    paths, files
        The paths to read, in order, and their records in the manifest. The rows that are
        already included are skipped.
    watch
        Detects whether a file has changed since it was opened.
    checkpoint
        The path of the checkpoint, for messages.
    digests
        Whether the records of completely read files have digests.

    Attributes
    ----------
    changed
        By path, the files that changed while they were read.

    Examples
    --------
    >>> position = ReadPosition(
    ...     ["a.csv", "b.zip"],
    ...     [FileRecord("a", 9, 0, 20, False), FileRecord("b", 9, 0, 0, False)],
    ... )
    >>> position.enter_file("a.csv"), position.already_read(0, 30)
    (False, 20)
    >>> position.advance(30)
    >>> position.enter_file("b.zip/x.csv")
    True
    >>> list(position.finish_files())
    ['a.csv']
    >>> [(file.path, file.rows, file.complete) for file in position.records()]
    [('a', 30, True)]
    """

    def __init__(
        self,
        paths: Sequence[str],
        files: Sequence[FileRecord],
        watch: Watch | None = None,
        checkpoint: str = "the checkpoint",
        *,
        digests: bool = False,
    ) -> None:
        self._paths = paths
        self._labels = [redact_url(path) for path in paths]
        self._before = files
        self._watch = Watch() if watch is None else watch
        self._checkpoint = checkpoint
        self._digests = digests
        self.changed: dict[str, Change] = {}
        self._ended: deque[tuple[str, FileRecord]] = deque()  # until `finish_files`
        self._number = -1 if paths else 0
        self._label: str | None = None
        self._base = 0  # rows of the file under earlier labels
        self._row = 0  # rows of this label that were read
        self._records: list[FileRecord] = []

    def enter_file(self, label: str) -> bool:
        """Move to the file of a label; return whether another file has ended."""
        if label == self._label:
            return False
        number = self._number
        if number < 0 or not self._is_in_file(label):
            self._end_file()
            while not self._is_in_file(label):
                self._end_file()
        else:
            self._base += self._row
        self._label, self._row = label, 0
        return -1 < number < self._number

    def _is_in_file(self, block_label: str) -> bool:
        label = self._labels[self._number]
        return block_label == label or block_label.startswith(f"{label}/")

    def _end_file(self) -> None:
        """Move to the next file, after all rows of the current one were read."""
        if self._number >= 0:
            before = self._before[self._number]
            rows = self._base + self._row
            if rows < before.rows:
                raise truncated_error(self._labels[self._number], rows, before.rows)
            file = self._record_as_opened(self._number)._replace(rows=rows, complete=True)
            self._ended.append((self._paths[self._number], file))
        self._number += 1
        self._label, self._base, self._row = None, 0, 0

    def already_read(self, first_row: int, rows: int) -> int:
        """Return how many of the next rows of the label were read in an earlier run."""
        known = self._before[self._number].rows - self._base - first_row
        return min(max(known, 0), rows)

    def advance(self, row: int) -> None:
        """Record that the rows of the label up to ``row`` were read."""
        self._row = row

    @property
    def finished(self) -> bool:
        """Whether all files have ended."""
        return self._number == len(self._labels)

    def finish(self) -> None:
        """End all files."""
        while self._number < len(self._labels):
            self._end_file()

    @property
    def path(self) -> str:
        """The path of the file that is being read."""
        return self._paths[self._number]

    def _record_as_opened(self, number: int) -> FileRecord:
        """Return the record of a file, with the fingerprint from when it was opened.

        Raises
        ------
        SourceError
            When the file has changed since an earlier run that read some of its rows.
        """
        file, opened = self._before[number], self._watch.opened(self._paths[number])
        if opened is None:
            return file
        if file.rows and opened != (file.bytes, file.modified):
            raise changed_error(self._paths[number], file, opened, self._checkpoint)
        return file._replace(bytes=opened.bytes, modified=opened.modified)

    def finish_files(self) -> Iterator[str]:
        """Yield the paths of the files that have ended and have not changed.

        The caller must add the rows of a file to the sums before it requests the next path; then
        `records` includes the file.
        """
        while self._ended:
            path, file = self._ended[0]
            if self._digests and path not in self.changed:
                file = file._replace(digest=file_digest(path))
            if self.check_unchanged(path, file):
                yield path
                self._records.append(file)
            self._ended.popleft()

    def check_unchanged(self, path: str, file: FileRecord) -> bool:
        """Return whether a file has not changed since it was opened; if it has, record that.

        Raises
        ------
        SourceError
            When the file has changed and some of its rows were read in an earlier run.
        """
        now = None if path in self.changed else self._watch.changed(path)
        if now is not None:
            before = next(f for p, f in zip(self._paths, self._before, strict=True) if p == path)
            if before.rows:
                raise changed_error(path, before, now, self._checkpoint)
            self.changed[path] = Change(file, now)
        return path not in self.changed

    def open_files(self) -> list[str]:
        """Return the path of the file that is being read, if it has not changed."""
        if not 0 <= self._number < len(self._paths):
            return []
        file = self._record_as_opened(self._number)
        return [self.path] if self.check_unchanged(self.path, file) else []

    def records(self) -> Iterator[FileRecord]:
        """Yield the records of the files that were read, and of the one that is being read.

        A file without included rows is omitted, since it may still change, for example to be fixed.
        """
        yield from self._records
        if 0 <= self._number < len(self._paths) and self.path not in self.changed:
            file = self._record_as_opened(self._number)
            rows = max(file.rows, self._base + self._row)
            if rows:
                yield file._replace(rows=rows)
