"""Images of one kind that lie one after the other in memory, to be summed as one.

A sum begins cold after each decoding, and decoding after each sum: of photographs of 256x256, three
at a time take a tenth less. The memory is each thread's own, and used again: new memory takes a
sixth of the decoding.
"""

import threading
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from evenly.block import Block
from evenly.sources.images.image_file import ImageFile

_MOST = 768 << 10
"""Bytes of a run of several: a part of an L2 cache."""


class DecodedBatch(NamedTuple):
    """Images that have been decoded, all of one kind.

    Attributes
    ----------
    kind
        Pillow's mode.
    array
        Their pixels: rows, or rows x bands; until the thread takes the next shot.
    label, nbytes
        As of a `Block`; the label is the first one's.
    archive
        The archive that all of them are in; nothing when they are in none.
    """

    kind: str
    array: npt.NDArray[Any]
    label: str
    nbytes: int
    archive: str = ""

    def block(self) -> Block:
        """Return the bands as a block, without names."""
        return Block(None, self.array, label=self.label, nbytes=self.nbytes)


_LINE, _PAST = 64, 16
"""Bytes of a cache line, and how far past the beginning of one the memory begins.

Where rows begin with a whole vector, libjpeg-turbo writes them past the cache, from which they are
to be summed: that would take a tenth of a fit's time (256x256).
"""


class ThreadBuffer(threading.local):
    """Memory, each thread's own."""

    def __init__(self) -> None:
        self._memory = np.empty(0, np.uint8)

    def of(self, nbytes: int) -> npt.NDArray[np.uint8]:
        """Return so many bytes or more; what was in them is lost."""
        if len(self._memory) < nbytes:
            memory = np.empty(nbytes + _LINE, np.uint8)
            self._memory = memory[(_PAST - memory.ctypes.data) % _LINE :]
        return self._memory


class BatchBuilder:
    """A run of images in a room, of 8 bits; one at a time is added and all are taken.

    Attributes
    ----------
    kind
        Pillow's mode of all of them.
    archive
        The archive that all of them are in, or nothing.
    pictures
        What was added, each with its number of rows.
    """

    def __init__(self, room: ThreadBuffer) -> None:
        self._room = room
        self._memory = room.of(0)
        self._used = self._nbytes = 0
        self.kind = self.archive = ""
        self.image_files: list[tuple[ImageFile, int]] = []

    def memory(self, kind: str, nbytes: int, archive: str = "") -> npt.NDArray[np.uint8] | None:
        """Return the memory for the next image; None when all must be taken first."""
        used = self._used
        if not used:
            self._memory = self._room.of(max(nbytes, _MOST))
        elif (kind, archive) != (self.kind, self.archive) or used + nbytes > _MOST:
            return None
        return self._memory[used : used + nbytes]

    def add(self, kind: str, nbytes: int, picture: ImageFile, file_nbytes: int) -> None:
        """Count the image that has been decoded there."""
        self.kind, self.archive = kind, picture.archive
        self.image_files.append((picture, nbytes // len(kind)))
        self._used += nbytes
        self._nbytes += file_nbytes

    def flush(self) -> DecodedBatch:
        """Return the images, of which there are some, as one shot, and begin anew."""
        pixels = self._memory[: self._used]
        array = pixels if len(self.kind) == 1 else pixels.reshape(-1, len(self.kind))
        shot = DecodedBatch(
            self.kind, array, self.image_files[0][0].label, self._nbytes, self.archive
        )
        self._used = self._nbytes = 0
        self.image_files = []
        return shot
