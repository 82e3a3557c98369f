"""The options of a read, passed as one value from `open_source` to the readers."""

from typing import Any, NamedTuple

from evenly.sources.selection import ColumnSelection
from evenly.typing import FeatureAxis


class ReadOptions(NamedTuple):
    """How to read data.

    Attributes
    ----------
    choice
        The columns to fit.
    select
        The part of batches, or the path of an array inside a file; None if not given.
    feature_axis
        The axis of an array that holds the columns; see `evenly.fit`.
    in_order
        Whether rows must be read in order, because weights or keys are.
    images
        The `ImageOptions`.
    resume_from
        A `ResumedSchema` of files read in an earlier run; for images, the `ImagePositions`.
    watch
        A `Watch` that records the state of each file before it is opened, to check for
        changes later. None: each reader checks its own file.
    """

    choice: ColumnSelection = ColumnSelection()
    select: Any = None
    feature_axis: FeatureAxis = None
    in_order: bool = False
    images: Any = None
    resume_from: Any = None
    watch: Any = None
