"""What was asked for of a store, in one value that goes from the door to who reads."""

from typing import Any, NamedTuple

from evenly.sources.choice import Choice


class Request(NamedTuple):
    """How to look at arrays.

    Attributes
    ----------
    choice
        Which columns.
    select
        Which array, by its path inside; None when none was named.
    feature_axis
        The axis along which an array's columns lie.
    in_order
        Whether rows must come in their order, since weights do.
    """

    choice: Choice = Choice()
    select: Any = None
    feature_axis: int = -1
    in_order: bool = False
