"""A file mapped into memory that may become shorter while it is read.

The system sends SIGBUS to a thread that touches a page of a mapping that the file no longer has,
or that the disk cannot deliver; by default that ends the process. The core's handler puts zeros
in place of the rest of the mapping, so that the thread can continue, and records the fault
(``cpp/base/mapping_guard.h``). `MappedFile.check` then raises: nothing may be kept of what was read
before `check` has passed.

Reading by ``pread`` into private buffers needs no handler, but costs too much: a fit runs at the
speed of memory, and the copy is another pass over it. 1 GiB of float32 in the page cache, two
threads: 0.38 s of processor time instead of 0.16 s.
"""

import mmap
import signal
import weakref
from typing import BinaryIO

import numpy as np

from evenly import _core
from evenly.errors import SourceError
from evenly.sources.reading import damaged

CAN_MAP = hasattr(signal, "SIGBUS")
"""Whether a mapping can be guarded. Elsewhere files are read in order instead."""


class MappedFile:
    """A file on this machine that is mapped into memory for reading.

    Parameters
    ----------
    file
        Open for reading; it may be closed afterwards.
    place
        Its name, for messages.

    Attributes
    ----------
    pages
        The mapping. Arrays over it keep it alive.

    Raises
    ------
    SourceError
        When the file is empty, or so many files are mapped that this one cannot be guarded.
    """

    def __init__(self, file: BinaryIO, place: str) -> None:
        self._place = place
        try:
            self.pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:
            raise damaged(place, error) from None
        self._number = _core.guard_mapping(np.frombuffer(self.pages, np.uint8))
        if self._number < 0:
            raise SourceError(
                "At most 4,096 NPY files can be open at once. "
                f"Received: {place}, beside as many others. Read them one after the other."
            )
        weakref.finalize(self.pages, _core.unguard_mapping, self._number)

    def check(self) -> None:
        """Check that everything read so far came from the file.

        Raises
        ------
        SourceError
            When a page was missing.
        """
        if _core.mapping_failed(self._number):
            raise SourceError(
                "A file must not become shorter while it is read. Received: "
                f"{self._place}, of which a part was gone, or could not be read from its disk. "
                "Read it again when it is complete."
            )

    def release(self) -> None:
        """Give the pages back. They stay in the system's cache, not in this process."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self.pages.madvise(mmap.MADV_DONTNEED)
