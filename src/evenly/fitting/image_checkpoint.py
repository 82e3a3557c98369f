"""Checkpoint of a fit of images, which threads read in any order."""

from collections.abc import Iterable, Iterator

from evenly.block import Block
from evenly.checkpoint.image_positions import ImagePositions
from evenly.fitting.checkpoint import Checkpoint
from evenly.fitting.images import ImageAccumulator
from evenly.fitting.protocols import AnyMoments, Steps, steps_of
from evenly.sources.fields import NUMBER, Field
from evenly.sources.images.source import ImageSource
from evenly.sources.source import ReadTask
from evenly.typing import Infinite


class ImageCheckpoint(Checkpoint):
    """The checkpoint of a fit of images. A save includes all images that were yielded."""

    source: ImageSource
    position: ImagePositions

    def __post_init__(self) -> None:
        super().__post_init__()
        fields = self.store.fields
        bands = None if fields is None else tuple(name for name, _ in fields)
        self._accumulator = ImageAccumulator(
            self.source, self.store.moments, (bands, self.store.path)
        )

    @property
    def _num_features(self) -> int:
        return self.store.moments.num_features

    def update(self, block: Block, /, *, infinite: Infinite, threads: int | None) -> None:
        """Add images."""
        self._accumulator.update(block, infinite=infinite, threads=threads)
        self._added = True

    def _split_at_save_points(self, tasks: Iterator[ReadTask]) -> Iterator[Iterator[Steps]]:
        """Yield each task: a save is possible after any image."""
        for task in tasks:
            yield iter((steps_of(self, task.blocks),))

    def _collect(self) -> tuple[Iterable[AnyMoments], tuple[Field, ...] | None]:
        incomplete = self.position.finish_files()
        for archive in self.position.changed:
            self._accumulator.drop(archive)
        self._accumulator.merge(incomplete)
        self.store.moments = self._accumulator.result()
        bands = self._accumulator.bands
        return (), None if bands is None else tuple(Field(name, NUMBER) for name in bands)
