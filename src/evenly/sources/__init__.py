"""Data that is brought here: one door, `open_source`, and blocks come out.

The README beside this file says what goes in and why it is so.
"""

import sys
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

import numpy as np

from evenly.errors import DataError, SourceError, UnsupportedTypeError
from evenly.sources.batches import BatchSource, Samples
from evenly.sources.choice import Choice, choice
from evenly.sources.parts import Default, part_of
from evenly.sources.source import Source

__all__ = ["Source", "open_source"]


def open_source(
    source: Any,
    *,
    columns: Any = None,
    exclude: Any = (),
    weights: Any = None,
    select: Any = None,
    feature_axis: int = -1,
    known: Any = None,
) -> Source:
    """Return anything that `evenly.fit` takes as a source of blocks.

    Parameters
    ----------
    source
        See `evenly.fit`. A `Source` comes back as it is.
    columns, exclude, weights, select, feature_axis
        See `evenly.fit`.
    known
        A `KnownTable` of files that were read before these.

    Raises
    ------
    EvenlyError
        DataError, ColumnError, SourceError, UnsupportedTypeError or MissingExtraError,
        for what can be seen before the data are read.

    >>> source = open_source([[1.0, 2.0], [3.0, 4.0]], columns=[1])
    >>> [block.data.tolist() for block in source.blocks()]
    [[[2.0], [4.0]]]
    """
    by_name = weights if isinstance(weights, str) else None
    door = _Door(choice(columns, exclude, by_name), select, feature_axis, known)
    opened = door.open(source, "the array")
    if weights is None or by_name is not None:
        return opened
    from evenly.sources.weights import WeightedSource

    return WeightedSource(opened, weights)


class _Door:
    """Looks at what was passed and hands it to the file of that kind."""

    def __init__(self, asked: Choice, select: Any, feature_axis: int, known: Any = None) -> None:
        self._choice = asked
        self._known = known
        self._select = select
        self._axis = feature_axis
        self._default = Default()

    def open(self, x: Any, place: str) -> Source:
        """Return a source; of an item of an iterable, ``place`` says which."""
        from evenly.sources.files.paths import is_path
        from evenly.sources.frames import is_frame

        if hasattr(x, "blocks") and hasattr(x, "left_out"):
            return x  # type: ignore[no-any-return]
        if is_path(x):
            return self._open_files([x])
        if is_frame(x):
            return self._open_frame(x, place)
        if isinstance(x, Mapping):
            part = self._part(x, "the dict")
            return _Door(self._choice, None, self._axis).open(part, place)
        if _is_dataset(x):
            return self._open_batches(Samples(x), x, self._open_sample)
        if _is_array(x):
            return self._open_array(x, place)
        if isinstance(x, list | tuple):
            return self._open_list(x, place)
        if isinstance(x, Iterable):
            samples = _is_stream_of_samples(x)
            return self._open_batches(x, x, self._open_sample if samples else self._open_batch)
        if hasattr(x, "__getitem__") and hasattr(x, "__len__"):
            return self._open_batches(Samples(x), x, self._open_sample)
        raise UnsupportedTypeError(
            "A source must be an array, a tensor, a data frame, a path, or an iterable of these. "
            f"Received: {type(x).__module__}.{type(x).__qualname__}."
        )

    def _open_list(self, x: Any, place: str) -> Source:
        from evenly.sources.files.paths import is_path

        if not x:
            raise DataError("At least one row is needed. Received: an empty list.")
        if all(is_path(item) for item in x):
            return self._open_files(x)
        if _is_list_of_numbers(x):
            return self._open_array(x, place)
        return self._open_batches(x, x, self._open_batch)

    def _open_array(self, x: Any, place: str) -> Source:
        from evenly.sources.arrays import ArraySource, StructuredTable, as_array

        self._check_no_select(x)
        array = as_array(x, place)
        if getattr(array.dtype, "names", None) is not None:
            return self._open_tables([StructuredTable(array, place)], place)
        return ArraySource(array, self._choice, feature_axis=self._axis, place=place)

    def _open_frame(self, x: Any, place: str) -> Source:
        from evenly.sources.frames import open_frame

        self._check_no_select(x)
        table = open_frame(x, "the table" if place == "the array" else place)
        description = _article(type(x).__name__)
        return self._open_tables([table], description, table.rows, table.nbytes)

    def _open_tables(
        self, tables: Iterable[Any], place: str, rows: int | None = None, nbytes: int | None = None
    ) -> Source:
        from evenly.sources.tables import TableSource

        return TableSource(
            tables,
            self._choice,
            description=place,
            rows=rows,
            nbytes=nbytes,
            known=self._known,
        )

    def _open_files(self, paths: Any) -> Source:
        from evenly.sources.files import Opener, expand_all, size_of

        files = expand_all(paths)
        sizes = [size_of(path) for path in files]
        nbytes = None if None in sizes else sum(filter(None, sizes))
        parts = Opener(self._choice, self._select, self._axis).each(files)
        first = next(parts)
        rows = first.rows if len(files) == 1 and not files[0].endswith(".zip") else None
        everything = chain([first], parts)
        name = files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
        if hasattr(first, "pieces"):
            self._check_no_select(name)
            return self._open_tables(_only_tables(everything), name, rows, nbytes)
        return BatchSource(everything, self._open_part, description=name, rows=rows, nbytes=nbytes)

    def _open_part(self, part: Any, place: str) -> Source:
        return self._open_tables([part], place) if hasattr(part, "pieces") else part

    def _open_batches(self, items: Iterable[Any], x: Any, open_item: Any) -> Source:
        return BatchSource(items, open_item, description=_article(type(x).__name__))

    def _open_batch(self, batch: Any, place: str) -> Source:
        return self._inside.open(self._part(batch, place), place)

    def _open_sample(self, sample: Any, place: str) -> Source:
        """Open one sample as a batch of one: the axis of features counts with the batch's."""
        from evenly.sources.arrays import as_array

        place = place.replace("batch", "sample")
        return self._inside.open(as_array(self._part(sample, place), place)[None], place)

    @property
    def _inside(self) -> "_Door":
        """The door for what was selected: nothing is to be selected of it again."""
        return _Door(self._choice, None, self._axis)

    def _part(self, batch: Any, place: str) -> Any:
        if self._select is None:
            return self._default(batch, place)
        return part_of(batch, self._select, place)

    def _check_no_select(self, x: Any) -> None:
        if self._select is not None:
            what = x if isinstance(x, str) else _article(type(x).__name__)
            raise DataError(
                "select= chooses a part of batches, of a dict, or an array of an NPZ file. "
                f"Received: select={self._select!r} for {what}. Choose columns with columns=."
            )


def _is_array(x: Any) -> bool:
    return isinstance(x, bool | int | float | complex | np.generic) or any(
        hasattr(x, name) for name in ("__array__", "__dlpack__", "__array_interface__", "tocsr")
    )


def _is_list_of_numbers(x: Any) -> bool:
    """Whether a list, or a list of lists, holds plain numbers, or what is not one by mistake."""
    first = x[0]
    while isinstance(first, list | tuple) and first:
        first = first[0]
    plain = (bool, int, float, complex, str, type(None), np.generic, list, tuple)
    return isinstance(first, plain)


def _is_dataset(x: Any) -> bool:
    """Whether it is a PyTorch dataset whose samples are asked for by number."""
    data = sys.modules.get("torch.utils.data")
    return (
        data is not None and isinstance(x, data.Dataset) and not isinstance(x, data.IterableDataset)
    )


def _is_stream_of_samples(x: Any) -> bool:
    """Whether it is a PyTorch dataset that yields its samples."""
    data = sys.modules.get("torch.utils.data")
    return data is not None and isinstance(x, data.IterableDataset)


def _only_tables(parts: Iterable[Any]) -> Iterable[Any]:
    for part in parts:
        if not hasattr(part, "pieces"):
            raise SourceError(
                "All files of a fit must be tables, or all arrays. "
                f"Received: tables, and then {part.description}."
            )
        yield part


def _article(name: str) -> str:
    return f"{'an' if name[:1].lower() in tuple('aeiou') else 'a'} {name}"
