"""Columns of images in files, which a fit with a checkpoint reads like archives."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import chain

from evenly.sources.array_columns import ArrayRows, chunks_of, image_files, is_image_type
from evenly.sources.files.file_opener import FileOpener
from evenly.sources.files.file_ref import FileRef
from evenly.sources.files.fingerprint import Watch
from evenly.sources.files.source import has_selected, parts_of
from evenly.sources.images.image_file import ImageFile
from evenly.sources.images.remaining import RemainingImages
from evenly.sources.images.source import ImageSource, reject_weights_and_keys
from evenly.sources.options import ReadOptions
from evenly.sources.selected_column import SelectedColumn, single_step
from evenly.sources.selection import RowColumns
from evenly.sources.source import Source
from evenly.sources.tables import Table, is_table


class ImageColumn:
    """A column of images of some files.

    Parameters
    ----------
    files
        The files, each of which holds several images.
    options
        The options of the user; ``select`` is the name of the column.
    """

    def __init__(self, files: Iterable[FileRef], options: ReadOptions) -> None:
        self._files = {file.path: file for file in files}
        self._options = options

    def is_archive(self, path: str) -> bool:
        """Return True: each file holds several images."""
        return True

    def members(self, path: str, first: int) -> Iterator[ImageFile]:
        """Yield the images of a file in the order of its rows, without the first ones."""
        tables = _tables(self._files[path], self._options)
        for image in image_files(_chunks(tables, self._options), first=first):
            yield image._replace(file=path, nbytes=image.nbytes or 0)

    def open(self, remaining: RemainingImages, description: str) -> ImageSource:
        """Return the source of the images that remain to be read."""
        options = self._options
        reject_weights_and_keys(description, options.weights, None)
        return ImageSource(
            remaining.image_files,
            replace(options, by=None),  # the images have their keys
            description=description,
            nbytes=remaining.nbytes,
            counted=remaining.count,
            grouped=options.by is not None,
        )


def is_image_column(files: Sequence[FileRef], options: ReadOptions) -> bool:
    """Return whether ``select=`` names a column of images, by its type in the first rows."""
    if not isinstance(single_step(options.select), str):
        return False
    for file in files:
        with closing(_tables(file, options)) as tables:
            first = next(tables, None)
            if first is None or not is_table(first) or not has_selected(first, options):
                return False
            chunk = next(_chunks(chain([first], tables), options), None)
        if chunk is not None:
            return is_image_type(chunk.values.type)
    return False


def _chunks(tables: Iterable[Table | Source], options: ReadOptions) -> Iterator[ArrayRows]:
    """Yield the rows of the column in the tables of a file."""
    selection = replace(options.selection, weights=None)  # `ImageColumn.open` refuses them
    name = str(single_step(options.select))
    by = tuple(map(str, selection.by))
    parts = parts_of(tables, name, selection)
    return chunks_of(SelectedColumn(name, parts, RowColumns(None, by), None))


def _tables(file: FileRef, options: ReadOptions) -> Generator[Table | Source]:
    """Open a file, whose changes the checkpoint detects."""
    yield from FileOpener(options, Watch()).iter_tables([file])
