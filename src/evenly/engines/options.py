"""The options of `evenly.fit` that are sent to each partition."""

from dataclasses import dataclass
from typing import Any

from evenly.errors import UnsupportedTypeError
from evenly.sources.group_by import is_column_names, parse_by
from evenly.typing import FeatureAxis, Infinite


@dataclass(frozen=True, slots=True)
class FitOptions:
    """Options of a distributed fit; see `evenly.fit`.

    Attributes
    ----------
    weights
        The name of a column: an array of weights has no partitions.
    threads
        Threads of each task. None means one, since engines run one task per core.
    by
        A column name or a list of them: an array of keys has no partitions.
    """

    columns: Any = None
    exclude: Any = ()
    weights: str | None = None
    select: Any = None
    feature_axis: FeatureAxis = None
    infinite: Infinite = "error"
    mode: str = "RGB"
    broken: str = "skip"
    threads: int | None = None
    by: Any = None


def check_distributable(weights: Any, progress: Any, by: Any) -> None:
    """Check that options of `evenly.fit` can be sent to another process.

    Raises
    ------
    UnsupportedTypeError
        For weights and keys that are not column names, and for ``progress=``.
    """
    if weights is not None and not isinstance(weights, str):
        raise UnsupportedTypeError(
            "weights= of a distributed collection must be the name of a column. Received: "
            f"weights of type {type(weights).__name__}. Add them to the collection as a column."
        )
    if by is not None and not is_column_names(by):
        raise UnsupportedTypeError(
            "by= of a distributed collection must be the name of a column, or several. Received: "
            f"by= of type {type(by).__name__}. Add the keys to the collection as a column."
        )
    if progress is not None:
        raise UnsupportedTypeError(
            "progress= requires data that this process reads. Received: progress= and a "
            "distributed collection. Use the progress display of the engine, such as "
            "dask.diagnostics.ProgressBar or its dashboard."
        )


def auxiliary_columns(options: FitOptions) -> list[str]:
    """Return the auxiliary columns (weights and group keys) that must also be read."""
    return [*filter(None, [options.weights]), *map(str, parse_by(options.by))]
