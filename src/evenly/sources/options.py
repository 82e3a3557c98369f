"""What was asked for, in one value that goes from the door to who reads."""

from typing import Any, NamedTuple

from evenly.sources.selection import ColumnSelection


class ReadOptions(NamedTuple):
    """How to look at data.

    Attributes
    ----------
    choice
        Which columns.
    select
        Which part of batches, or which array of a file by its path inside; None when none was
        named.
    feature_axis
        The axis along which an array's columns lie.
    in_order
        Whether rows must come in their order, since weights or keys do.
    images
        The `Rule` for images, one for all of a fit.
    known
        A `ResumedSchema` of files that were read before these; or, of images, the `ImagePositions`.
    watch
        A `Watch` that is told of each file before it is opened, and used by whoever checks
        whether it has changed. None: whoever reads a file does that.
    """

    choice: ColumnSelection = ColumnSelection()
    select: Any = None
    feature_axis: int = -1
    in_order: bool = False
    images: Any = None
    known: Any = None
    watch: Any = None
