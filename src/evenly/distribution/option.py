"""The option ``distribution=``: how many bins a column may have."""

from evenly.errors import DataError

DEFAULT_BINS = 1024
MIN_BINS, MAX_BINS = 2, 65_536


def most_bins(distribution: object) -> int:
    """Return the maximum number of bins that ``distribution=`` stands for; 0 for none.

    >>> most_bins(False), most_bins(True), most_bins(4096)
    (0, 1024, 4096)

    Raises
    ------
    DataError
        When it is something else.
    """
    if distribution is None or distribution is False or distribution == 0:
        return 0
    if distribution is True:
        return DEFAULT_BINS
    if hasattr(distribution, "__index__"):
        bins = int(distribution.__index__())
        if MIN_BINS <= bins <= MAX_BINS:
            return bins
    raise DataError(
        f"distribution must be True, False, or a number of bins from {MIN_BINS} to {MAX_BINS:,}. "
        f"Received: {distribution!r}. True keeps at most {DEFAULT_BINS:,} bins per column."
    )
