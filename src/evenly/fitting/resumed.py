"""A source of the remaining files, which are added to a checkpoint."""

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
    """A `Source` of the files that remain to be read, fitted with a checkpoint.

    Parameters
    ----------
    source
        The source of the remaining files.
    position
        The read position: a `ReadPosition` or, for images, `ImagePositions`.
    store
        The moments so far, and the manifest.
    infinite
        As in `evenly.fit`.
    before
        A line that says which of the files were included before; may be empty.
    description
        The description of all included files.
    nbytes
        The size of the remaining files; None when unknown.

    Attributes
    ----------
    before
        As above.
    """

    def __init__(
        self,
        source: Source,
        position: Any,
        store: CheckpointStore,
        *,
        infinite: Infinite,
        before: str,
        description: str,
        nbytes: int | None,
    ) -> None:
        super().__init__(source)
        self._position = position
        self._store = store
        self._infinite = infinite
        if store.files:
            self.rows = None
        self.nbytes = nbytes
        self.before = before
        self.description = description

    def blocks(self) -> Generator[Block]:
        """Yield the blocks of the remaining files."""
        return self._source.blocks()

    def fit(self, report: Report, threads: int | None) -> Any:
        """Return the moments of all files, after reading the remaining ones.

        The checkpoint is saved periodically, at the end, and before an exception if the moments
        agree with the read position. Files that change while they are read are not included; this
        is reported as an error after all other files.
        """
        try:
            self._run(report, threads)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"interrupted. Run the same command again to resume from {self._store.path!r}."
            ) from None
        finally:
            self._store.close()
        if self._position.changed:
            raise errors.changed_while_read_error(self._position.changed, self._store.path)
        return self._store.moments

    def _run(self, report: Report, threads: int | None) -> None:
        tasks = self._source.tasks() if isinstance(self._source, TableSource) else None
        self._set_columns(all_at_once=tasks is not None)
        fit = CheckpointedFit(
            self._store.moments,
            self._position,
            self._save,
            empty=self._empty_factory(all_at_once=tasks is not None),
            report=report,
            infinite=self._infinite,
            threads=threads,
        )
        if tasks is None:
            fit.run(self._source.blocks())
        else:
            fit.run_parallel(tasks)
        fit.finish()

    def _empty_factory(self, *, all_at_once: bool) -> Callable[[], Any]:
        """Return a function that returns empty moments for the rows of one file."""
        moments = self._store.moments
        if isinstance(moments, GroupedMoments):
            return lambda: GroupedMoments.empty(moments.by)
        names = (self._source.names or 1) if all_at_once else None
        return lambda: Moments.empty(names or moments.columns or moments.num_features)

    def _set_columns(self, *, all_at_once: bool) -> None:
        """Select the columns of the source, which lacks columns that became text."""
        names, moments = self._source.names, self._store.moments
        if not moments.num_features and all_at_once:
            self._store.moments = Moments.empty(names or 1)
        elif moments.num_features and names is not None and names != moments.columns:
            self._store.moments = moments.select(names)

    def _save(self, partial: Iterable[Any] = ()) -> None:
        fields = self._source.fields if isinstance(self._source, TableSource) else None
        dropped = [change.file for change in self._position.changed.values()]
        self._store.save(self._position.records(), fields, self.description, partial, dropped)
