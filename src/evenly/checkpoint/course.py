"""How far the reading has come: which file, which row."""

from collections.abc import Iterator, Sequence

from evenly.errors import SourceError
from evenly.statistics_file import FileRecord


class Course:
    """Follows blocks, which come file by file and row by row, and knows those read before.

    A block says by its `place` which file it is from: the file's label, or in an archive this
    and the member's name. A file without rows is passed when the one after it begins.

    Parameters
    ----------
    labels
        The names by which blocks call the files that are read, in order: their paths, and of
        URLs what `redact_url` returns.
    files
        What the ledger has of each: the rows that are in the sums already are those to be
        passed over.

    Examples
    --------
    >>> course = Course(["a.csv", "b.zip"], [FileRecord("a", 9, 0, 20, False),
    ...                                      FileRecord("b", 9, 0, 0, False)])
    >>> course.enter("a.csv"), course.known(0, 30)
    (False, 20)
    >>> course.reach(30)
    >>> course.enter("b.zip/x.csv")
    True
    >>> [(file.path, file.rows, file.complete) for file in course.read()]
    [('a', 30, True)]
    """

    def __init__(self, labels: Sequence[str], files: Sequence[FileRecord]) -> None:
        self._labels = labels
        self._before = files
        self._number = -1 if labels else 0
        self._place: str | None = None
        self._base = 0  # rows of the file in places before this one
        self._row = 0  # rows of this place that were read
        self._read: list[FileRecord] = []

    def enter(self, place: str) -> bool:
        """Go to a place; return whether a file has ended before it."""
        if place == self._place:
            return False
        number = self._number
        if number < 0 or not self._holds(place):
            self._end()
            while not self._holds(place):
                self._end()
        else:
            self._base += self._row
        self._place, self._row = place, 0
        return -1 < number < self._number

    def _holds(self, place: str) -> bool:
        label = self._labels[self._number]
        return place == label or place.startswith(f"{label}/")

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
            self._read.append(before._replace(rows=rows, complete=True))
        self._number += 1
        self._place, self._base, self._row = None, 0, 0

    def known(self, first_row: int, rows: int) -> int:
        """Return how many of these rows of the place, the first ones, were summed before."""
        known = self._before[self._number].rows - self._base - first_row
        return min(max(known, 0), rows)

    def reach(self, row: int) -> None:
        """Note that the place's rows up to this one are summed."""
        self._row = row

    @property
    def finished(self) -> bool:
        """Whether there are no more rows."""
        return self._number == len(self._labels)

    def finish(self) -> None:
        """Note that there are no more rows."""
        while self._number < len(self._labels):
            self._end()

    def read(self) -> Iterator[FileRecord]:
        """Yield the files that were read since the start, and the one that is being read.

        Not one of which no row is in the sums: it may still change, to be mended for example.
        """
        yield from self._read
        if 0 <= self._number < len(self._labels):
            before = self._before[self._number]
            rows = max(before.rows, self._base + self._row)
            if rows:
                yield before._replace(rows=rows)
