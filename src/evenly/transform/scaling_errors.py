"""Errors about columns that cannot be scaled."""

from evenly.errors import DataError


def no_values_error(columns: tuple[str, ...] | None, indices: list[int]) -> DataError:
    """Return the error for columns without values."""
    return DataError(
        "Normalizing needs at least one value per column. Received: no value in "
        f"{format_columns(columns, indices)}: every row was missing, or no rows were read. Fit "
        "data with values, or leave out such columns with moments.select(...)."
    )


def constant_error(received: str, columns: tuple[str, ...] | None, indices: list[int]) -> DataError:
    """Return the error for constant columns with ``constant="error"``."""
    return DataError(
        f'With constant="error" no column may be constant. Received: {received} in '
        f"{format_columns(columns, indices)}. Leave out such columns with "
        'moments.select(...), or pass constant="zero".'
    )


def not_fitted_error() -> DataError:
    """Return the error for normalizing with moments of no rows."""
    return DataError(
        "Normalizing needs moments of at least one row. Received: none yet. Fit data first."
    )


def format_columns(columns: tuple[str, ...] | None, indices: list[int]) -> str:
    """Return the names or numbers of some columns for a message."""
    names = [repr(columns[i]) if columns else str(i) for i in indices[:5]]
    more = f" and {len(indices) - 5} more" if len(indices) > 5 else ""
    noun = "column" if len(indices) == 1 else "columns"
    return f"{noun} {', '.join(names)}{more}"
