"""Select the part of a batch to fit; batches are often tuples (x, y), or dicts."""

import logging
from collections.abc import Mapping
from typing import Any

from evenly.dispatch import is_mapping_of_columns, is_pillow_image, shape_of
from evenly.errors import ColumnError, DataError, format_names, suggest
from evenly.printable import printable

_log = logging.getLogger("evenly")


def select_part(batch: object, select: object, label: str) -> Any:
    """Return the part of a batch that ``select`` leads to.

    Parameters
    ----------
    batch
        A tuple, a list, a mapping, or an object with attributes; these may be nested.
    select
        A position, a key, or a tuple of these, from the outermost to the innermost.

    Raises
    ------
    ColumnError
        If there is no such part.

    >>> select_part({"image": ["pixels", "mask"]}, ("image", 0), "batch 0")
    'pixels'
    """
    for step in select if isinstance(select, tuple | list) else (select,):
        batch = _select_step(batch, step, label)
    return batch


def descend_mappings(x: object, select: object) -> tuple[Any, tuple[Any, ...]]:
    """Follow ``select`` through nested mappings; return the value and the remaining steps.

    >>> descend_mappings({"train": {"x": [1, 2]}}, ("train", "x", 0))
    ([1, 2], (0,))
    """
    steps = tuple(select) if isinstance(select, tuple | list) else (select,)
    while steps and isinstance(x, Mapping) and steps[0] in x:
        x, steps = x[steps[0]], steps[1:]
    return x, steps


def _select_step(batch: Any, step: Any, label: str) -> Any:
    if isinstance(batch, Mapping):
        if step in batch:
            return batch[step]
        names = [str(key) for key in batch]
        raise _missing_part_error(
            step, label, f"keys {format_names(batch)}", suggest(str(step), names)
        )
    if isinstance(step, str):
        if hasattr(batch, step):
            return getattr(batch, step)
        raise _missing_part_error(step, label, f"a {type(batch).__name__}, without names", "")
    if not isinstance(batch, tuple | list):
        raise _missing_part_error(step, label, f"a {type(batch).__name__}, without parts", "")
    if not -len(batch) <= step < len(batch):
        raise _missing_part_error(
            step, label, f"{len(batch)} parts, from 0 to {len(batch) - 1}", ""
        )
    return batch[step]


def _missing_part_error(step: object, label: str, available: str, hint: str) -> ColumnError:
    return ColumnError(
        f"select= must name a part of every batch. Received: {step!r}; {label} has "
        f"{available}.{hint}"
    )


class DefaultPart:
    """Select the part of a batch to fit if there is no ``select``.

    It is the first of a tuple or list of arrays, as training loops unpack ``x, y``; if there are
    several, a warning is logged once. A mapping has no first part, so one of its keys must be
    selected.
    """

    def __init__(self) -> None:
        self._warned = False

    def __call__(self, batch: Any, label: str) -> Any:
        """Return the part to fit.

        Raises
        ------
        DataError
            If the batch is a mapping, and not a dict of columns.
        """
        if is_mapping_of_columns(batch):
            return batch
        if isinstance(batch, Mapping):
            raise mapping_error(batch, label)
        if not is_tuple_of_parts(batch):
            return batch
        if is_tuple_of_parts(batch[0]) and len(batch[0]) > 1:
            raise _nested_parts_error(batch[0], label)
        if len(batch) > 1 and not self._warned:
            self._warned = True
            _log.warning(
                "%s has %d parts; the first one is fitted. Pass select= to choose one, or "
                "select=0 to suppress this message.",
                printable(label.capitalize()),
                len(batch),
            )
        return self(batch[0], label)


def _nested_parts_error(part: tuple[Any, ...] | list[Any], label: str) -> DataError:
    """Return the error for a first part that is a tuple or list of several arrays itself."""
    return DataError(
        "The first part of a batch must be one array, unless select= chooses. Received: "
        f"{label}, whose first part is a {type(part).__name__} of {len(part)} parts. Pass select=0 "
        "to read all of them, if they have the same columns, or select=(0, 0) for the first one."
    )


def mapping_error(batch: Mapping[Any, Any], label: str) -> DataError:
    """Return the error for a dict that is not a table."""
    if label.startswith("batch") and not any(hasattr(x, "__len__") for x in batch.values()):
        return DataError(
            "A dict in a list must have arrays, since a list has batches. Received: "
            f"{label} with one number for each of {format_names(batch)}. Pass the rows as a frame, "
            "pandas.DataFrame(rows), or one dict with a list for each column."
        )
    if not batch:
        return DataError(f"At least one column is needed. Received: {label}, which is empty.")
    arrays = [key for key, value in batch.items() if shape_of(value)]
    return DataError(
        "A dict needs select= to choose one of its values, unless they are columns: "
        f"one-dimensional and of the same length. Received: {label} with keys "
        f"{format_names(batch)}. Pass select={next(iter(arrays or batch))!r}, for example."
    )


def is_tuple_of_parts(batch: object) -> bool:
    """Return whether a batch is a tuple or list whose first item is an array or has parts.

    A list of only images is a batch of images; an image followed by a label is a part.
    """
    if not isinstance(batch, tuple | list) or not batch:
        return False
    first = batch[0]
    if is_pillow_image(first):
        return not all(map(is_pillow_image, batch))
    return (
        isinstance(first, Mapping)
        or bool(shape_of(first))
        or (isinstance(first, tuple | list) and is_tuple_of_parts(first))
    )
