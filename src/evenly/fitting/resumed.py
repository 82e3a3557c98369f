"""The source of what is still to be read of some files, and their moments with all before."""

from collections.abc import Callable, Generator, Iterable
from typing import Any

from evenly.block import Block
from evenly.checkpoint import errors
from evenly.checkpoint.store import CheckpointStore
from evenly.fitting.checkpointed import CheckpointedFit, Report
from evenly.moments import GroupedMoments, Moments
from evenly.sources import Source
from evenly.sources.tables import TableSource
from evenly.sources.wrapped import WrappedSource
from evenly.typing import Infinite


class ResumedSource(WrappedSource):
    """A `Source` of the files that are still to be read, which adds them to those before.

    Parameters
    ----------
    source
        What is still to be read.
    course
        A `ReadPosition` or, for images, `ImagePositions`: the files, and how much of them was read.
    state
        The sums so far, and which files are in them.

    Attributes
    ----------
    before
        What of the files given was in the sums already, in words.
    """

    def __init__(
        self,
        source: Source,
        course: Any,
        state: CheckpointStore,
        *,
        infinite: Infinite,
        before: str,
        description: str,
        nbytes: int | None,
    ) -> None:
        super().__init__(source)
        self._course = course
        self._state = state
        self._infinite = infinite
        if state.files:
            self.rows = None
        self.nbytes = nbytes
        self.before = before
        self.description = description

    def blocks(self) -> Generator[Block]:
        """Yield the rows of the files that are still to be read."""
        return self._source.blocks()

    def summed(self, report: Report, threads: int | None) -> Any:
        """Return the moments of all files, after adding what is still to be read.

        The checkpoint is saved now and then, and at the end; and before an exception, where
        it is known what the sums have. Files that change while they are read are not in them;
        when all others are, that is an error.
        """
        try:
            self._sum(report, threads)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"interrupted; the same again goes on from what {self._state.path!r} has."
            ) from None
        finally:
            self._state.close()
        if self._course.changed:
            raise errors.changed_while_read_error(self._course.changed, self._state.path)
        return self._state.moments

    def _sum(self, report: Report, threads: int | None) -> None:
        tasks = self._source.tasks() if isinstance(self._source, TableSource) else None
        self._take_columns(all_at_once=tasks is not None)
        summing = CheckpointedFit(
            self._state.moments,
            self._course,
            self._save,
            empty=self._empty(all_at_once=tasks is not None),
            report=report,
            infinite=self._infinite,
            threads=threads,
        )
        if tasks is None:
            summing.sum(self._source.blocks())
        else:
            summing.run_parallel(tasks)
        summing.finish()

    def _empty(self, *, all_at_once: bool) -> Callable[[], Any]:
        """Return what makes moments for the rows of one file, of the same kind as all."""
        moments = self._state.moments
        if isinstance(moments, GroupedMoments):
            return lambda: GroupedMoments.empty(moments.by)
        names = (self._source.names or 1) if all_at_once else None
        return lambda: Moments.empty(names or moments.columns or moments.num_features)

    def _take_columns(self, *, all_at_once: bool) -> None:
        """Give the sums the source's columns: one that became text has been left out."""
        names, moments = self._source.names, self._state.moments
        if not moments.num_features and all_at_once:
            self._state.moments = Moments.empty(names or 1)
        elif moments.num_features and names is not None and names != moments.columns:
            self._state.moments = moments.select(names)

    def _save(self, begun: Iterable[Any] = ()) -> None:
        fields = self._source.fields if isinstance(self._source, TableSource) else None
        dropped = [change.file for change in self._course.changed.values()]
        self._state.save(self._course.read(), fields, self.description, begun, dropped)
