"""What is asked of each partition: what `evenly.fit` was asked, as far as it can be sent."""

from dataclasses import dataclass
from typing import Any

from evenly.errors import UnsupportedTypeError
from evenly.sources.group_by import is_column_names, parse_by
from evenly.typing import Infinite


@dataclass(frozen=True, slots=True)
class FitOptions:
    """The options of a fit that is sent to partitions; see `evenly.fit`.

    Attributes
    ----------
    weights
        The name of a column: an array of weights has no partitions.
    threads
        Of each task. None: one, since an engine runs a task on each of its cores.
    by
        Names of columns, as a text or a list: an array of keys has no partitions.
    """

    columns: Any = None
    exclude: Any = ()
    weights: str | None = None
    select: Any = None
    feature_axis: int = -1
    infinite: Infinite = "error"
    mode: str = "RGB"
    broken: str = "skip"
    threads: int | None = None
    by: Any = None


def check_distributable(weights: Any, progress: Any, by: Any) -> None:
    """Raise for options of `evenly.fit` that do not reach another process.

    Raises
    ------
    UnsupportedTypeError
        For weights and keys that are no columns, and for ``progress=``.
    """
    if weights is not None and not isinstance(weights, str):
        raise UnsupportedTypeError(
            "The weights of a distributed collection are one of its columns, by name. Received: "
            f"weights of type {type(weights).__name__}. Add them to it as a column."
        )
    if by is not None and not is_column_names(by):
        raise UnsupportedTypeError(
            "The groups of a distributed collection are told by its columns, by name. Received: "
            f"by= of type {type(by).__name__}. Add the keys to it as a column."
        )
    if progress is not None:
        raise UnsupportedTypeError(
            "progress= follows data that are read here. Received: progress= and a distributed "
            "collection. Its engine shows progress: Dask by dask.diagnostics.ProgressBar and on "
            "its dashboard."
        )


def auxiliary_columns(options: FitOptions) -> list[str]:
    """Return the columns that are read beside those that are fitted: of weights, and of keys."""
    return [*filter(None, [options.weights]), *map(str, parse_by(options.by))]
