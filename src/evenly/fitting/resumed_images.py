"""A source of the remaining images, which are added to a checkpoint."""

from collections.abc import Iterable
from typing import Any

from evenly.fitting.checkpointed import Report
from evenly.fitting.checkpointed_images import CheckpointedImageFit
from evenly.fitting.images import ImageAccumulator, require_images
from evenly.fitting.resumed import ResumedSource
from evenly.moments import Moments
from evenly.sources.images import ImageSource
from evenly.sources.images.summary import ImageSummary
from evenly.sources.selection import NUMBER, Field


class ResumedImageSource(ResumedSource):
    """A `ResumedSource` of images, whose read position is an `ImagePositions`."""

    _source: ImageSource

    @property
    def summary(self) -> ImageSummary:
        """The images read in this run, and those that could not be read."""
        return self._source.summary

    def remarks(self) -> list[str]:
        """Return the remarks on the images that were read in this run, one per line."""
        first, *others = self._source.remarks()
        return [f"in this run: {first}" if self.before else first, *others]

    def fit(self, report: Report, threads: int | None) -> Moments:
        """Return the moments of all images, after reading the remaining ones."""
        return require_images(super().fit(report, threads), self._source)

    def _run(self, report: Report, threads: int | None) -> None:
        before, fields = self._store.moments, self._store.fields
        bands = None if fields is None else tuple(name for name, _ in fields)
        self._accumulator = ImageAccumulator(
            self._source, self._infinite, before, (bands, self._store.path)
        )
        fit = CheckpointedImageFit(
            before, self._accumulator, self._save, report=report, threads=threads
        )
        fit.run(self._source.tasks())
        if not self._position.finished:
            self._position.finish()
            self._save()

    def _save(self, partial: Iterable[Any] = ()) -> None:
        incomplete = self._position.finish_files()
        for archive in self._position.changed:
            self._accumulator.drop(archive)
        self._store.moments = self._accumulator.result(incomplete)
        bands = self._accumulator.bands
        fields = None if bands is None else tuple(Field(name, NUMBER) for name in bands)
        dropped = [change.file for change in self._position.changed.values()]
        self._store.save(self._position.records(), fields, self.description, partial, dropped)
