"""What other packages of evenly need of moments beyond their documented attributes.

Private attributes of moments are read in this package only.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, TypeVar

from evenly.moments.moments import Moments
from evenly.transform import Scaling
from evenly.transform.methods import STANDARDIZE, Method
from evenly.typing import Real

if TYPE_CHECKING:
    from evenly.distribution.bins import Floats
    from evenly.html_report.table import Section
    from evenly.moments.grouped import GroupedMoments

T = TypeVar("T")


def cached(moments: Moments, key: object, compute: Callable[[], T]) -> T:
    """Return the cached result for a key, or compute it if the sums have changed."""
    return moments._cached(key, compute)


def scaling_of(
    moments: Moments,
    *,
    inverse: bool,
    constant: str,
    correction: Real,
    tolerance: float,
    too_few: str,
    method: Method = STANDARDIZE,
) -> Scaling:
    """Return the offset and the factor of each column, which are cached: do not modify them."""
    return moments._scaling(
        inverse=inverse,
        constant=constant,
        correction=correction,
        tolerance=tolerance,
        too_few=too_few,
        method=method,
    )


def write_scaling(
    moments: Moments, correction: int, inverse: bool, hi: "Floats", lo: "Floats", factor: "Floats"
) -> bool:
    """Write offset and factor of each column into arrays; return whether they are certain.

    It is faster than `scaling_of`, which the caller must use if they are not.
    """
    return bool(moments._state.read_scaling(correction, inverse, hi, lo, factor) != "unsure")


def exact_extremes(moments: Moments) -> list[tuple[Fraction, Fraction] | None]:
    """Return the smallest and the largest value of each column; None without values."""
    return [
        None if low is None else (Fraction(low), Fraction(high))
        for low, high in moments._state.extremes()
    ]


def without_dtypes(moments: Moments) -> Moments:
    """Return a copy whose columns have no dtype."""
    result = moments.copy()
    state = result._state
    nothing = ("",) * result.num_features
    state.replace_metadata(state.metadata._replace(dtypes=nothing), state.metadata)
    return result


def report_section(moments: "Moments | GroupedMoments", title: str) -> "Section":
    """Return the section of an HTML page for these statistics."""
    return moments._report_section(title)
