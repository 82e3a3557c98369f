"""The source of the images that are still to be read, and their moments with all before."""

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
    """As `ResumedSource`; its source is of images, and its course an `ImagePositions`."""

    _source: ImageSource

    @property
    def summary(self) -> ImageSummary:
        """What was counted in this run, and what could not be read."""
        return self._source.summary

    def remarks(self) -> list[str]:
        """Return what there is to say of those that were read in this run, a sentence a line."""
        first, *rest = self._source.remarks()
        return [f"in this run: {first}" if self.before else first, *rest]

    def summed(self, report: Report, threads: int | None) -> Moments:
        """Return the moments of all images, after adding those that are still to be read."""
        return require_images(super().summed(report, threads), self._source)

    def _sum(self, report: Report, threads: int | None) -> None:
        before, fields = self._state.moments, self._state.fields
        bands = None if fields is None else tuple(name for name, _ in fields)
        self._sums = ImageAccumulator(
            self._source, self._infinite, before, (bands, self._state.path)
        )
        summing = CheckpointedImageFit(
            before, self._sums, self._save, report=report, threads=threads
        )
        summing.sum(self._source.tasks())
        if not self._course.finished:
            self._course.finish()
            self._save()

    def _save(self, begun: Iterable[Any] = ()) -> None:
        held = self._course.settle()
        for archive in self._course.changed:
            self._sums.drop(archive)
        self._state.moments = self._sums.result(held)
        bands = self._sums.bands
        fields = None if bands is None else tuple(Field(name, NUMBER) for name in bands)
        dropped = [change.file for change in self._course.changed.values()]
        self._state.save(self._course.read(), fields, self.description, begun, dropped)
