"""Which columns differ in their last digits only, for the precision of their dtype."""

from evenly.moments.statistics import StatisticsMixin

_SPACINGS = {"bfloat16": 2.0**-7, "float16": 2.0**-10, "float32": 2.0**-23, "float64": 2.0**-52}


def nearly_constant(moments: StatisticsMixin) -> list[bool]:
    """Return whether the values of each column differ in their last digits only.

    Integers and times are exact, so they never do.
    """
    sizes = [_spacing(dtype) for dtype in moments.dtypes]
    within = {size: moments.nearly_constant(4 * size) for size in {*sizes} - {0.0}}
    return [bool(size and within[size][index]) for index, size in enumerate(sizes)]


def _spacing(dtype: str) -> float:
    """Return the relative distance of the numbers of a dtype; 0 for integers and times."""
    return max(_SPACINGS.get(name, 0.0) for name in dtype.split("|"))
