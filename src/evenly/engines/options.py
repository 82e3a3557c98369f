"""Check the options of `evenly.fit` before they are sent to each partition."""

from evenly.errors import UnsupportedTypeError
from evenly.sources.group_names import is_column_names, parse_by
from evenly.sources.options import FitOptions, ReadOptions


def check_distributable(options: FitOptions, progress: object) -> None:
    """Check that options of `evenly.fit` can be sent to another process.

    Raises
    ------
    UnsupportedTypeError
        For weights and keys that are not column names, and for ``progress=``.
    """
    if options.has_weights_array:
        raise UnsupportedTypeError(
            "weights= of a distributed collection must be the name of a column. Received: "
            f"weights of type {type(options.weights).__name__}. "
            "Add them to the collection as a column."
        )
    if options.by is not None and not is_column_names(options.by):
        raise UnsupportedTypeError(
            "by= of a distributed collection must be the name of a column, or several. Received: "
            f"by= of type {type(options.by).__name__}. Add the keys to the collection as a column."
        )
    if progress is not None:
        raise UnsupportedTypeError(
            "progress= requires data that this process reads. Received: progress= and a "
            "distributed collection. Use the progress display of the engine, such as "
            "dask.diagnostics.ProgressBar or its dashboard."
        )


def auxiliary_columns(options: ReadOptions) -> list[str]:
    """Return the auxiliary columns (weights and group keys) that must also be read."""
    return [*filter(None, [options.weights]), *map(str, parse_by(options.by))]
