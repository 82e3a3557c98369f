"""Moments of different columns of the same rows, put beside each other."""

from collections.abc import Sequence

from evenly.moments import Moments
from evenly.moments.records import records, state_from_records


def concat_columns(parts: Sequence[Moments]) -> Moments:
    """Return moments of all columns, which have no names, in order.

    Columns do not know of one another, so this is exact.

    Examples
    --------
    >>> import evenly
    >>> x = [[1.0, 10.0], [2.0, 20.0]]
    >>> concat_columns([evenly.fit(x, columns=0), evenly.fit(x, columns=1)]) == evenly.fit(x)
    True
    """
    if len(parts) == 1:
        return parts[0]
    columns = [
        record for part in parts for record in records(part._state, part.columns, part.dtypes)
    ]
    bounds = any(part.extremes_are_bounds for part in parts)
    state = state_from_records(columns, extremes_are_bounds=bounds)
    dtypes = tuple(column.dtype for column in columns)
    return Moments(state, None, dtypes, rows=parts[0].rows)
