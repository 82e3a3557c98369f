"""What kind of thing was passed: by its looks, and in sys.modules; nothing is imported."""

import sys
from typing import Any

import numpy as np

from evenly.errors import listed


def parts_of(x: Any) -> str:
    """Return a hint at the arrays that an object, such as a data class, has as attributes."""
    names = [name for name, part in getattr(x, "__dict__", {}).items() if is_array(part)]
    return f" Of its parts {listed(names)} pass select={names[0]!r}, for example." if names else ""


def is_array(x: Any) -> bool:
    """Whether something is a number, or an array of them by one of the protocols."""
    return isinstance(x, bool | int | float | complex | np.generic) or any(
        hasattr(x, name) for name in ("__array__", "__dlpack__", "__array_interface__", "tocsr")
    )


def is_rows_of_objects(x: Any) -> bool:
    """Whether it is a cursor of Python's database API: each of its items is a row, not a batch."""
    return hasattr(x, "fetchmany") and hasattr(x, "description")


def is_list_of_numbers(x: Any) -> bool:
    """Whether a list, or a list of lists, holds plain numbers, or what is not one by mistake."""
    first = x[0]
    while isinstance(first, list | tuple) and first:
        first = first[0]
    plain = (bool, int, float, complex, str, type(None), np.generic, list, tuple)
    return isinstance(first, plain)


def is_dataset(x: Any) -> bool:
    """Whether it is a PyTorch dataset whose samples are asked for by number."""
    data = sys.modules.get("torch.utils.data")
    return (
        data is not None and isinstance(x, data.Dataset) and not isinstance(x, data.IterableDataset)
    )


def is_stream_of_samples(x: Any) -> bool:
    """Whether it is a PyTorch dataset that yields its samples."""
    data = sys.modules.get("torch.utils.data")
    return data is not None and isinstance(x, data.IterableDataset)


def article(name: str) -> str:
    """Return a noun with its article."""
    return f"{'an' if name[:1].lower() in tuple('aeiou') else 'a'} {name}"
