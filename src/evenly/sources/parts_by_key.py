"""The parts of a batch by key: where each is, and batches with other values in their place."""

import contextlib
import copy
import dataclasses
import re
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, NamedTuple

from evenly.dispatch import with_article
from evenly.errors import (
    ColumnError,
    DataError,
    EvenlyError,
    UnsupportedTypeError,
    format_names,
    suggest,
)
from evenly.sources.batch_parts import select_part
from evenly.typing import FeatureAxis

Steps = tuple[str | int, ...]

MAX_STEPS = 32
"""Maximum length of a path, which may come from a statistics file."""
_AXIS = re.compile(r"\bfeature_axis=(-?\d+)")


class BatchPart(NamedTuple):
    """Where the values of a key are in a batch.

    Attributes
    ----------
    path
        Keys, positions and attributes, from the outermost to the innermost.
    feature_axis
        The axis of the columns, as in `evenly.fit`.
    """

    path: Steps
    feature_axis: FeatureAxis


def parse_parts(select: Any, feature_axis: Any = None) -> dict[str, BatchPart]:
    """Return the part of each key, sorted by key.

    Parameters
    ----------
    select
        The path of each key: a step, or a tuple or list of steps.
    feature_axis
        The axis of all keys, or a mapping from keys.

    Raises
    ------
    DataError
        For a key or a path that is not allowed.
    ColumnError
        For the axis of an unknown key.

    >>> parse_parts({"image": ("observation", "image"), "state": 0}, {"image": 1})["image"]
    BatchPart(path=('observation', 'image'), feature_axis=1)
    """
    if not select:
        raise DataError("A dict for select= needs at least one key. Received: an empty dict.")
    for key in select:
        if type(key) is not str:
            raise DataError(
                "The keys of a dict for select= are strings, which name the statistics. "
                f"Received: {key!r} of type {type(key).__name__}."
            )
    axes = _axes(select, feature_axis)
    parts = {key: BatchPart(_steps(key, select[key]), axes.get(key)) for key in sorted(select)}
    _check_separate(parts)
    return parts


def _axes(select: Mapping[str, Any], feature_axis: Any) -> Mapping[str, FeatureAxis]:
    if not isinstance(feature_axis, Mapping):
        return dict.fromkeys(select, feature_axis)
    for key in feature_axis:
        if key not in select:
            raise ColumnError(
                "A dict for feature_axis= has keys of select=. "
                f"Received: {key!r}; the keys are {format_names(select)}."
                f"{suggest(str(key), select)}"
            )
    return feature_axis


def _steps(key: str, path: object) -> Steps:
    steps = tuple(path) if isinstance(path, tuple | list) else (path,)
    if len(steps) > MAX_STEPS:
        raise DataError(
            f"A path in a dict for select= has at most {MAX_STEPS} steps. "
            f"Received: {len(steps):,} for {key!r}."
        )
    for step in steps:
        if not is_step(step):
            raise DataError(
                "A path in a dict for select= is a key, a position, or a tuple of these. "
                f"Received: {path!r} for {key!r}."
            )
    return steps


def is_step(value: object) -> bool:
    """Return whether a value can be a step of a path: text, or an integer of 64 bits."""
    return type(value) is str or (type(value) is int and -(2**63) <= value < 2**63)


def _check_separate(parts: Mapping[str, BatchPart]) -> None:
    """Check that no part is inside another, which `normalize` would scale twice."""
    keys: dict[Steps, str] = {}
    for key, part in parts.items():
        if part.path in keys:
            raise _overlap_error(parts, keys[part.path], key)
        keys[part.path] = key
    for key, part in parts.items():
        for length in range(len(part.path)):
            if part.path[:length] in keys:
                raise _overlap_error(parts, keys[part.path[:length]], key)


def _overlap_error(parts: Mapping[str, BatchPart], key: str, inner: str) -> DataError:
    return DataError(
        "The paths of a dict for select= must lead to separate parts. Received: "
        f"{parts[key].path!r} for {key!r} and {parts[inner].path!r} for {inner!r}."
    )


@contextlib.contextmanager
def key_errors(key: str) -> Iterator[None]:
    """Name the key in the message of an error, and in the options that it advises."""
    try:
        yield
    except EvenlyError as error:
        message = str(error.args[0]) if error.args else ""
        message = _AXIS.sub(lambda axis: f"feature_axis={{{key!r}: {axis[1]}}}", message)
        raise type(error)(f"select={key!r}: {message}") from None


def replace_part(batch: Any, path: Steps, value: Any) -> Any:
    """Return a batch with another value at a path; only containers on the path are copied.

    Raises
    ------
    UnsupportedTypeError
        If something on the path is not a dict, a tuple, a list or a dataclass.

    >>> replace_part({"x": [1, 2], "y": 3}, ("x", 0), 9)
    {'x': [9, 2], 'y': 3}
    """
    if not path:
        return value
    step, *rest = path
    value = replace_part(select_part(batch, step, "the batch"), tuple(rest), value)
    if isinstance(batch, Mapping):
        changed = copy.copy(batch) if isinstance(batch, MutableMapping) else dict(batch)
        changed[step] = value
        return changed
    if isinstance(step, str):
        return _replace_attribute(batch, step, value)
    items = list(batch)
    items[step] = value
    return _like(batch, items)


def _replace_attribute(batch: object, name: str, value: object) -> Any:
    if hasattr(batch, "_replace"):  # a named tuple
        return batch._replace(**{name: value})
    if dataclasses.is_dataclass(batch) and not isinstance(batch, type):
        return dataclasses.replace(batch, **{name: value})
    raise UnsupportedTypeError(
        "Statistics by key scale batches of dicts, tuples, lists and dataclasses. Received: "
        f"{with_article(type(batch).__name__)}. Scale its parts: moments[key].normalize(part)."
    )


def _like(batch: object, items: list[Any]) -> Any:
    """Return the items as a tuple or list of the type of a batch."""
    if hasattr(batch, "_make"):  # a named tuple
        return batch._make(items)
    return items if isinstance(batch, list) else tuple(items)
