"""The protocols of images in files, and of those that a resumed fit has yet to read."""

from collections.abc import Iterator
from typing import Protocol

from evenly.sources.images.image_file import ImageFile


class RemainingImages(Protocol):
    """The images that remain to be read after an earlier run."""

    def nbytes(self) -> int | None:
        """Return the size of all files to read; None when unknown."""

    def image_files(self) -> Iterator[ImageFile]:
        """Yield the images."""

    def count(self, image: ImageFile, rows: int) -> None:
        """Record that an image is being summed."""


class ImageContainer(Protocol):
    """Files with images: one each, or several, like archives and tables with a column of images."""

    def is_archive(self, path: str) -> bool:
        """Return whether a file holds several images."""

    def members(self, path: str, first: int) -> Iterator[ImageFile]:
        """Yield the images in such a file, always in the same order, without the first ones."""
