"""Files as a source of which a checkpoint says what is still to be read."""

import os
from collections.abc import Generator
from typing import Any

from evenly.block import Block
from evenly.checkpoint import refusals
from evenly.checkpoint.comparison import Comparison, Rule, compare
from evenly.checkpoint.course import Course
from evenly.checkpoint.names import Names
from evenly.checkpoint.state import State
from evenly.checkpoint.summing import Report, Summing
from evenly.moments import Moments
from evenly.sources import Source, open_source
from evenly.sources.around import Around
from evenly.sources.by import are_columns, names_of
from evenly.sources.choice import Field, choice
from evenly.sources.files import expand_all, is_path
from evenly.sources.files.paths import is_store, is_url
from evenly.sources.images import holds_images
from evenly.sources.sql import is_database
from evenly.sources.tables import KnownTable, TableSource


def open_resumable(
    source: Any,
    checkpoint: str | os.PathLike[str] | None = None,
    update: str | os.PathLike[str] | None = None,
    *,
    infinite: str = "error",
    **options: Any,
) -> "Resumable":
    """Return the files of a source as one that knows what of them was read before.

    Nobody else can open the checkpoint until the end of `Resumable.summed`.

    Parameters
    ----------
    source
        A path, a pattern, a folder, a URL, or a list of them.
    checkpoint, update
        The statistics file to go on from, or to begin: under one of its two rules, see `Rule`.
    infinite, **options
        Those of `evenly.fit`. The same ones as when the checkpoint was begun.

    Raises
    ------
    SourceError
        When a file has changed or vanished, the checkpoint cannot be read or written, or
        another process has it.
    DataError
        When the options differ from those before.
    UnsupportedTypeError
        When the source is no file.
    """
    path, rule = _path_and_rule(checkpoint, update)
    if is_url(path):
        raise refusals.far_away(path)
    given = _files(source, rule)
    if not isinstance(options["weights"], str | None):
        raise refusals.no_column("weights", rule)
    if options["by"] is not None and not are_columns(options["by"]):
        raise refusals.no_column("by", rule)
    state = State(path, {**options, "infinite": infinite})
    try:
        return Resumable(given, state, rule, infinite, options)
    except BaseException:
        state.close()
        raise


def _path_and_rule(checkpoint: Any, update: Any) -> tuple[str, Rule]:
    if checkpoint is not None and update is not None:
        raise refusals.both(checkpoint, update)
    if update is None:
        return os.fspath(checkpoint), "checkpoint"
    return os.fspath(update), "update"


def _files(source: Any, rule: Rule) -> list[str]:
    paths = [source] if is_path(source) else source
    if not isinstance(paths, list | tuple) or not paths or not all(map(is_path, paths)):
        raise refusals.no_files(source, rule)
    if holds_images(paths):
        raise refusals.images(rule)
    files = expand_all(paths)
    for path in files:
        if is_database(path) or is_store(path):
            raise refusals.no_stamp(path, rule)
    return files


class Resumable(Around):
    """A `Source` of the files that are still to be read, which adds them to those before.

    Attributes
    ----------
    before
        What of the files given was in the sums already, in words.
    """

    def __init__(
        self,
        given: list[str],
        state: State,
        rule: Rule,
        infinite: str,
        options: dict[str, Any],
    ) -> None:
        rest = compare(given, state.files, Names(state.path), rule, state.path)
        self._state = state
        self._infinite = infinite
        self._course = Course(rest.paths, rest.files)
        super().__init__(_opened(rest, state, options))
        if state.files:
            self.rows = None
        self.nbytes = rest.nbytes
        self.before = _words(rest, state.path)
        everything = given if rule == "checkpoint" else _all(rest, state)
        more = f" and {len(everything) - 1} more" if len(everything) > 1 else ""
        self.description = f"{everything[0]}{more}"

    def blocks(self) -> Generator[Block]:
        """Yield the rows of the files that are still to be read."""
        return self._source.blocks()

    def summed(self, report: Report, threads: int | None) -> Any:
        """Return the moments of all files, after adding what is still to be read.

        The checkpoint is saved now and then, and at the end; and before an exception, where
        it is known what the sums have.
        """
        try:
            self._sum(report, threads)
            if not self._course.finished:
                self._course.finish()
                self._save()
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"interrupted; the same again goes on from what {self._state.path!r} has."
            ) from None
        finally:
            self._state.close()
        return self._state.moments

    def _sum(self, report: Report, threads: int | None) -> None:
        tasks = self._source.tasks() if isinstance(self._source, TableSource) else None
        self._take_columns(all_at_once=tasks is not None)
        summing = Summing(
            self._state.moments,
            self._course,
            self._save,
            report=report,
            infinite=self._infinite,
            threads=threads,
        )
        if tasks is None:
            summing.sum(self._source.blocks())
        else:
            summing.sum_side_by_side(tasks)

    def _take_columns(self, *, all_at_once: bool) -> None:
        """Give the sums the source's columns: one that became text has been left out."""
        names, moments = self._source.names, self._state.moments
        if not moments.num_features and all_at_once:
            self._state.moments = Moments.empty(names or 1)
        elif moments.num_features and names is not None and names != moments.columns:
            self._state.moments = moments.select(names)

    def _save(self) -> None:
        fields = self._source.fields if isinstance(self._source, TableSource) else None
        self._state.save(self._course.read(), fields, self.description)


def _opened(rest: Comparison, state: State, options: dict[str, Any]) -> Source:
    """Return what is still to be read; its columns are those that were read before."""
    known = None
    if state.fields is not None:
        known = KnownTable(state.path, tuple(Field(*field) for field in state.fields))
    if rest.paths or known is None:
        return open_source(rest.paths or iter(()), known=known, **options)
    by = names_of(options["by"])
    asked = choice(options["columns"], options["exclude"], options["weights"], by)
    return TableSource([known], asked, description=state.path, known=known)


def _all(rest: Comparison, state: State) -> list[str]:
    """Return the names of the files that the sums will have."""
    return sorted({*state.files, *(file.path for file in rest.files)})


def _words(rest: Comparison, checkpoint: str) -> str:
    """Return what was read before, in words; nothing when nothing was."""
    begun = [
        f"{file.rows:,} rows of {path}"
        for path, file in zip(rest.paths, rest.files, strict=True)
        if file.rows
    ]
    whole = [f"{rest.skipped:,} file{'s' * (rest.skipped != 1)}"] if rest.skipped else []
    there = " and ".join([*whole, *begun])
    return there and f"in {checkpoint} already: {there}"
