"""What there is to say of a folder of images when it has been read."""

import heapq
import threading
from collections import Counter
from collections.abc import Mapping

_NAMED = 3
"""Broken images that are named; of more, only the number is said."""


class ImageSummary:
    """How many images were counted, of which kinds, and which could not be.

    Threads count at the same time, and in no order: the names kept are the first ones of the
    alphabet, so that a message is the same each time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.kinds: Counter[str] = Counter()
        self.multi_frame = 0
        self.truncated_depth = 0
        self.broken = 0
        self._named: list[tuple[_ReverseKey, str]] = []

    def count(
        self, kind: str, number: int = 1, multi_frame: bool = False, truncated_depth: bool = False
    ) -> None:
        """Note an image that was counted, or a number of plain ones."""
        with self._lock:
            self.kinds[kind] += number
            self.multi_frame += multi_frame
            self.truncated_depth += truncated_depth

    def add_broken(self, label: str, reason: str) -> None:
        """Note an image that could not be counted."""
        with self._lock:
            self.broken += 1
            push = heapq.heappush if len(self._named) < _NAMED else heapq.heappushpop
            push(self._named, (_ReverseKey(label), reason))

    @property
    def images(self) -> int:
        """How many images were counted."""
        return self.kinds.total()

    @property
    def reasons(self) -> str:
        """The first broken images by name, each with its reason."""
        ordered = sorted(self._named, reverse=True)
        named = [f"{label.text}: {reason}" for label, reason in ordered]
        rest = self.broken - len(named)
        return "; ".join(named) + (f"; and {rest:,} more" if rest else "")

    def warnings(self) -> list[str]:
        """Return what one should know before one uses the figures, a sentence a line."""
        lines = []
        if self.broken:
            total = self.images + self.broken
            lines.append(f"skipped: {self.broken:,} of {_images(total)} ({self.reasons})")
        if self.multi_frame:
            lines.append(f"first frame or page only: {_images(self.multi_frame)}")
        if self.truncated_depth:
            lines.append(
                "upper 8 of 16 bits a colour only, as Pillow reads: "
                f"{_images(self.truncated_depth)}"
            )
        deep = self.kinds["I;16"]
        if 0 < deep < self.images:
            lines.append(
                f"scale 0 to 65535: {_images(deep)} of 16 bits among {_images(self.images)}; "
                "of the others each value counts 257-fold"
            )
        return lines

    def grey(self) -> int:
        """Return how many of the images counted were grey."""
        return sum(self.kinds[kind] for kind in ("L", "LA", "I;16"))


class _ReverseKey:
    """A name that sorts the other way round, for a heap whose top is the last name."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __lt__(self, other: "_ReverseKey") -> bool:
        return self.text > other.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ReverseKey) and self.text == other.text

    __hash__ = None  # type: ignore[assignment]


def format_skipped(suffixes: Mapping[str, int]) -> list[str]:
    """Return a line that says which files were no images.

    >>> format_skipped({".json": 1200, ".cls": 3})
    ['passed over: 3 .cls, 1,200 .json']
    """
    texts = [f"{number:,} {suffix}" for suffix, number in sorted(suffixes.items())]
    return [f"passed over: {', '.join(texts)}"] if texts else []


def _images(number: int) -> str:
    return f"{number:,} image{'s' * (number != 1)}"
