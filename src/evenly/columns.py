"""Match the columns of two schemas."""

from collections.abc import Iterable, Sequence

from evenly.errors import ColumnError, DataError, format_names

ColumnNames = tuple[str, ...] | None
TIME_KINDS = ("timestamp", "date", "time", "duration")
"""The kinds of times. A dtype is one of them with its unit: ``"timestamp[us]"``."""


def match_columns(
    ours: ColumnNames, our_number: int, theirs: ColumnNames, their_number: int
) -> list[int] | None:
    """Return the index of each of our columns among theirs; None if the order is the same.

    Columns are matched by name, or by position if they have no names.

    Raises
    ------
    ColumnError
        When a name is missing or unknown, when only one side has names, or when sides without
        names have different numbers of columns.

    >>> match_columns(("a", "b"), 2, ("b", "a"), 2)
    [1, 0]
    """
    if ours == theirs and our_number == their_number:
        return None
    if ours is None and theirs is None:
        raise ColumnError(
            "Moments without column names need the same number of columns. "
            f"Received: {our_number} and {their_number}."
        )
    if ours is None or theirs is None:
        names = ours or theirs or ()
        raise ColumnError(
            "Either both sides must have column names, or neither. Received: "
            f"{format_names(names)} on one side, {their_number if ours else our_number} columns "
            "without names on the other. Fit both from frames, or both from arrays."
        )
    index = {name: i for i, name in enumerate(theirs)}
    missing = [name for name in ours if name not in index]
    unknown = sorted(index.keys() - set(ours), key=theirs.index)
    if missing or unknown:
        raise ColumnError(
            f"The columns must have the same names. Missing: {format_names(missing) or 'none'}; "
            f"unknown: {format_names(unknown) or 'none'}. Select the common ones with "
            "moments.select(...)."
        )
    return [index[name] for name in ours]


def check_time_units(names: ColumnNames, ours: Sequence[str], theirs: Sequence[str]) -> None:
    """Check that time columns have the same unit on both sides.

    Raises
    ------
    DataError
        When the unit differs, or only one side is a time.

    >>> check_time_units(("t",), ["timestamp[us]"], ["timestamp[us]"])
    """
    if ours == theirs or not any(ours):  # nearly always, and fast for 1,000 columns
        return
    for mine, other in {pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1]}:
        if mine and other and (mine.startswith(TIME_KINDS) or other.startswith(TIME_KINDS)):
            index = list(zip(ours, theirs, strict=True)).index((mine, other))
            name = index if names is None else repr(names[index])
            raise DataError(
                f"A time column must have the same unit throughout. Received: column {name} as "
                f"{mine} on one side and as {other} on the other. Convert one of them."
            )


def unique_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names as a tuple after checking that they are unique strings."""
    result = tuple(names)
    for name in result:
        if not isinstance(name, str):
            raise ColumnError(f"A column's name must be a string. Received: {name!r}.")
    if len(set(result)) != len(result):
        duplicate = first_duplicate(result)
        raise ColumnError(f"Column names must be unique. Received twice: {duplicate!r}.")
    return result


def first_duplicate(names: Iterable[str]) -> str | None:
    """Return the first name that occurs a second time, or None.

    >>> first_duplicate(["a", "b", "b", "a"])
    'b'
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def column_indices(names: Sequence[str | int], ours: ColumnNames, number: int) -> list[int]:
    """Return the indices of columns given by name, or by number if they have no names.

    Labels of pandas that are not strings, such as integers, are names as well.

    >>> column_indices([2], ("1", "2"), 2)
    [1]
    """
    known: Sequence[str | int] = range(number) if ours is None else ours
    index = {name: i for i, name in enumerate(known)}
    labels = [name if ours is None else str(name) for name in names]
    unknown = [name for name, label in zip(names, labels, strict=True) if label not in index]
    if unknown:
        raise ColumnError(
            f"Unknown: {format_names(unknown)}. The moments have "
            f"{format_names(ours) if ours is not None else f'{number} columns without names'}."
        )
    if len(set(labels)) != len(labels):
        raise ColumnError(
            f"Each column can be selected only once. Received: {format_names(names)}."
        )
    return [index[label] for label in labels]
