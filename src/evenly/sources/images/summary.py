"""Count images by mode, and collect warnings about them."""

import heapq
import threading
from collections import Counter
from collections.abc import Mapping

from evenly.printable import counted
from evenly.sources.files.other_formats import other_image_by_name
from evenly.sources.files.recordings import is_recording

_MAX_NAMED = 3
"""Maximum number of broken images to name."""


class ImageSummary:
    """The number of images by mode, and the images that could not be read.

    Several threads count at the same time, in no fixed order. The alphabetically first names of
    broken images are kept, so that messages are deterministic.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.kinds: Counter[str] = Counter()
        self.multi_frame = 0
        self.truncated_depth = self.truncated_tiff = 0
        self.broken = 0
        self._named: list[tuple[_ReverseKey, str]] = []

    def count(
        self,
        kind: str,
        number: int = 1,
        *,
        multi_frame: bool = False,
        truncated_depth: bool = False,
        is_tiff: bool = False,
    ) -> None:
        """Count one image, or a number of images, of one kind."""
        with self._lock:
            self.kinds[kind] += number
            self.multi_frame += multi_frame
            self.truncated_depth += truncated_depth
            self.truncated_tiff += truncated_depth and is_tiff

    def add_broken(self, label: str, reason: str) -> None:
        """Count a broken image."""
        with self._lock:
            self.broken += 1
            push = heapq.heappush if len(self._named) < _MAX_NAMED else heapq.heappushpop
            push(self._named, (_ReverseKey(label), reason))

    @property
    def images(self) -> int:
        """The number of images that were read."""
        return self.kinds.total()

    @property
    def reasons(self) -> str:
        """The first broken images in alphabetical order, each with its reason."""
        ordered = sorted(self._named, reverse=True)
        named = [f"{label.text}: {reason}" for label, reason in ordered]
        unnamed = self.broken - len(named)
        return "; ".join(named) + (f"; and {unnamed:,} more" if unnamed else "")

    def warnings(self) -> list[str]:
        """Return warnings about the statistics, one sentence per line."""
        lines = []
        if self.broken:
            total = self.images + self.broken
            lines.append(f"skipped: {self.broken:,} of {counted(total, 'image')} ({self.reasons})")
        if self.multi_frame:
            lines.append(f"first frame or page only: {counted(self.multi_frame, 'image')}")
        if self.truncated_depth:
            hint = "; pip install 'evenly[tiff]' to read all bits of TIFF files"
            lines.append(
                "only the upper 8 of 16 bits per channel, as Pillow reads them: "
                f"{counted(self.truncated_depth, 'image')}{hint if self.truncated_tiff else ''}"
            )
        deep = sum(n for kind, n in self.kinds.items() if kind.endswith((";16", ";uint16")))
        if 0 < deep < self.images:
            lines.append(
                f"scale 0 to 65535: {counted(deep, 'image')} of 16 bits among "
                f"{counted(self.images, 'image')}; values of the others are multiplied by 257"
            )
        return lines

    def gray(self) -> int:
        """Return the number of grayscale images."""
        gray = ("L", "LA", "I;16")
        return sum(n for kind, n in self.kinds.items() if kind in gray or kind.startswith("grey"))


class _ReverseKey:
    """A name that sorts in reverse, for a heap whose top is the last name."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __lt__(self, other: "_ReverseKey") -> bool:
        return self.text > other.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ReverseKey) and self.text == other.text

    __hash__ = None  # type: ignore[assignment]


def format_skipped(suffixes: Mapping[str, int]) -> list[str]:
    """Return lines with the number of files that are not images, by suffix.

    >>> format_skipped({".json": 1200, ".cls": 3})
    ['skipped 3 .cls files, 1,200 .json files (not images)']
    >>> format_skipped({".wav": 1})
    ['skipped 1 .wav file (sound or video; pass the samples as arrays)']
    >>> format_skipped({".avif": 2})
    ['skipped 2 .avif files (formats that are not read; pass Pillow images)']
    """
    recordings = {suffix: n for suffix, n in suffixes.items() if is_recording(f"x{suffix}")}
    images = other_images(suffixes)
    known = {*recordings, *images}
    others = {suffix: n for suffix, n in suffixes.items() if suffix not in known}
    lines = []
    if recordings:
        lines.append(f"skipped {_list(recordings)} (sound or video; pass the samples as arrays)")
    if images:
        lines.append(f"skipped {_list(images)} (formats that are not read; pass Pillow images)")
    if others:
        reason = "not an image" if sum(others.values()) == 1 else "not images"
        lines.append(f"skipped {_list(others)} ({reason})")
    return lines


def other_images(suffixes: Mapping[str, int]) -> dict[str, int]:
    """Return the numbers of files with the suffix of an image in a format that is not read."""
    return {suffix: n for suffix, n in suffixes.items() if other_image_by_name(f"x{suffix}")}


def _list(suffixes: Mapping[str, int]) -> str:
    return ", ".join(_files(number, suffix) for suffix, number in sorted(suffixes.items()))


def _files(number: int, suffix: str) -> str:
    noun = "file" if number == 1 else "files"
    if suffix == "no suffix":
        return f"{number:,} {noun} without a suffix"
    return f"{number:,} {suffix} {noun}"
