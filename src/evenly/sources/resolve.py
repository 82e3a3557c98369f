"""Find the source for an object: an ordered list of checks, the first that applies decides."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

from evenly.dispatch import (
    array_attributes_hint,
    engine_of,
    is_array,
    is_dataset,
    is_dbapi_cursor,
    is_iterable_dataset,
    is_list_of_numbers,
    is_open_file,
    with_article,
)
from evenly.errors import DataError, SourceError, UnsupportedTypeError
from evenly.redaction import redact_url
from evenly.sources.batch_parts import (
    DefaultPart,
    descend_mappings,
    mapping_error,
    select_part,
)
from evenly.sources.batches import BatchSource, Samples
from evenly.sources.feature_axis import resolve_feature_axis
from evenly.sources.group_by import batch_has_keys, keys_from_batch
from evenly.sources.group_keys import KeyedSource
from evenly.sources.images import ImageScan, from_files, from_memory, is_pillow_image, scan_images
from evenly.sources.mappings import MappingTable, is_table
from evenly.sources.options import ReadOptions
from evenly.sources.source import Source
from evenly.sources.sparse import SparseSource, is_sparse

_NO_ROWS = (
    "The rows of a query must come as Arrow data. Received: {}.{}, which gives Python objects. "
    "Pass a URL such as sqlite:///x.db?table=t, a cursor of an ADBC driver, DuckDB's "
    "connection.sql(query), or frames: pandas.read_sql(..., chunksize=100_000)."
)


class SourceResolver:
    """Open any object as a source.

    The order of the checks matters: a data frame may also be iterable, a dataset a mapping.
    """

    def __init__(self, request: ReadOptions) -> None:
        self._request = request
        self._default = DefaultPart()

    def open(self, x: Any, label: str) -> Source:
        """Return the source for an object; ``label`` names it in messages."""
        from evenly.sources import datasets
        from evenly.sources.files.locate import is_path
        from evenly.sources.frames import is_frame
        from evenly.sources.stores import is_stored, open_stored

        if engine_of(x) is not None:  # converting it would load all of it
            raise UnsupportedTypeError(
                "A distributed collection is fitted where it is, by itself. Received: "
                f"{label} of type {type(x).__name__}. Pass it to evenly.fit, and add up: a + b."
            )
        if hasattr(x, "blocks") and hasattr(x, "left_out"):
            return x  # type: ignore[no-any-return]
        if isinstance(x, ImageScan):
            return self._open_scan(x)
        if is_path(x):
            return self._open_files([x])
        if is_pillow_image(x):
            return self._open_images([x], label)
        if is_stored(x):
            return self._as_source(open_stored(x, self._request))
        if is_frame(x):
            return self._open_frame(x, label)
        if datasets.matches(x):
            return self._as_source(datasets.open_dataset(x, self._request))
        if isinstance(x, Mapping) and not is_sparse(x):
            return self._open_mapping(x, label)
        if is_open_file(x) or isinstance(x, bytes | bytearray | memoryview):
            raise bytes_error(x)
        if is_dbapi_cursor(x):
            raise UnsupportedTypeError(_NO_ROWS.format(type(x).__module__, type(x).__qualname__))
        if is_dataset(x):
            return self._open_batches(Samples(x), x, self._open_sample)
        if is_array(x):
            return self._open_array(x, label)
        if isinstance(x, list | tuple):
            return self._open_list(x, label)
        if isinstance(x, Iterable):
            samples = is_iterable_dataset(x)
            return self._open_batches(x, x, self._open_sample if samples else self._open_batch)
        if hasattr(x, "__getitem__") and hasattr(x, "__len__"):
            return self._open_batches(Samples(x), x, self._open_sample)
        if self._request.select is not None:
            return self._unselected.open(self._part(x, label), label)
        raise UnsupportedTypeError(
            "A source must be an array, a tensor, a data frame, a path, or an iterable of these. "
            f"Received: {type(x).__module__}.{type(x).__qualname__}.{array_attributes_hint(x)}"
        )

    def _open_mapping(self, x: Any, label: str) -> Source:
        """Open the selected part; for a dataset in it, the rest of the path selects a column."""
        from evenly.sources import datasets

        select = self._request.select
        if select is None and is_table(x):
            return self._open_tables([MappingTable(x, label)], label)
        part, rest = (x, ()) if select is None else descend_mappings(x, select)
        if rest and datasets.matches(part):
            return self._with_select(rest).open(part, label)
        return self._open_keyed(x, self._part(x, "the dict"), label)

    def _as_source(self, opened: Any) -> Source:
        """Return a source unchanged, or a table as a source."""
        if hasattr(opened, "column_batches"):
            return self._open_tables([opened], opened.label, opened.rows, opened.nbytes)
        return opened  # type: ignore[no-any-return]

    def _open_list(self, x: Any, label: str) -> Source:
        from evenly.sources.files.locate import is_path

        if not x:
            raise DataError("At least one row is needed. Received: an empty list.")
        if all(is_path(item) for item in x):
            return self._open_files(x)
        if all(map(is_pillow_image, x)):
            return self._open_images(x, f"a list of {len(x):,} images")
        if is_list_of_numbers(x):
            return self._open_array(x, label)
        return self._open_batches(x, x, self._open_batch)

    def _open_array(self, x: Any, label: str) -> Source:
        from evenly.sources.arrays import ArraySource, StructuredTable, as_array

        self._check_no_select(x)
        if is_sparse(x):
            return SparseSource(x, self._request.choice, label=label)
        array = as_array(x, label)
        if getattr(array.dtype, "names", None) is not None:
            return self._open_tables([StructuredTable(array, label)], label)
        choice, axis = self._request.choice, self._request.feature_axis
        return ArraySource(array, choice, feature_axis=axis, label=label)

    def _open_frame(self, x: Any, label: str) -> Source:
        from evenly.sources.frames import open_frame

        self._check_no_select(x)
        table = open_frame(x, "the table" if label == "the array" else label)
        description = with_article(type(x).__name__)
        return self._open_tables([table], description, table.rows, table.nbytes)

    def _open_tables(
        self, tables: Iterable[Any], label: str, rows: int | None = None, nbytes: int | None = None
    ) -> Source:
        from evenly.sources.tables import TableSource

        return TableSource(
            tables,
            self._request.choice,
            description=label,
            rows=rows,
            nbytes=nbytes,
            resume_from=self._request.resume_from,
        )

    def _open_images(self, images: Any, description: str) -> Source:
        self._check_no_select(images)
        return from_memory(images, self._request.images, description)

    def _open_scan(self, images: ImageScan) -> Source:
        self._check_no_select(redact_url(images.sources[0]))
        return from_files(images, self._request.images, self._request.resume_from)

    def _open_files(self, paths: Any) -> Source:
        from evenly.sources.files.formats import FileOpener
        from evenly.sources.files.locate import expand_all, size_of, suffixes_of
        from evenly.sources.stores.tables import ArraysTable, RecordsTable

        if (images := scan_images(paths)) is not None:
            return self._open_scan(images)
        files = expand_all(paths)
        sizes = [size_of(path) for path in files]
        nbytes = None if None in sizes else sum(filter(None, sizes))
        parts = FileOpener(self._request).iter_tables(files)
        first = next(parts)
        rows = first.rows if len(files) == 1 and suffixes_of(files[0])[0] != ".zip" else None
        everything = chain([first], parts)
        name = redact_url(files[0]) + (f" and {len(files) - 1} more" if len(files) > 1 else "")
        if hasattr(first, "column_batches"):
            if not isinstance(first, ArraysTable | RecordsTable):
                self._check_no_select(name)
            return self._open_tables(_only_tables(everything), name, rows, nbytes)
        return BatchSource(everything, self._open_part, description=name, rows=rows, nbytes=nbytes)

    def _open_part(self, part: Any, label: str) -> Source:
        return self._open_tables([part], label) if hasattr(part, "column_batches") else part

    def _open_batches(self, items: Iterable[Any], x: Any, open_item: Any) -> Source:
        return BatchSource(items, open_item, description=with_article(type(x).__name__))

    def _open_batch(self, batch: Any, label: str) -> Source:
        return self._open_keyed(batch, self._part(batch, label), label)

    def _open_keyed(self, batch: Any, part: Any, label: str) -> Source:
        """Open a part of a batch; another part may be the group keys."""
        by = self._request.choice.by
        if not batch_has_keys(batch, by) or is_table(part):
            return self._unselected.open(part, label)
        choice = replace(self._request.choice, by=())
        resolver = SourceResolver(self._request._replace(choice=choice, select=None, in_order=True))
        return KeyedSource(resolver.open(part, label), keys_from_batch(batch, by))

    def _open_sample(self, sample: Any, label: str) -> Source:
        """Open a sample as a batch of one row; ``feature_axis`` includes the axis of the batch."""
        from evenly.sources.arrays import as_array

        label = label.replace("batch", "sample")
        part = self._part(sample, label)
        if is_pillow_image(part):
            return self._open_keyed(sample, part, label)
        if isinstance(part, Mapping):
            raise mapping_error(part, label)
        row = as_array(part, label)[None]
        axis, name = self._request.feature_axis, f"{label}, with the axis of the batch first,"
        resolve_feature_axis(tuple(row.shape), axis, name)  # its error counts that axis
        return self._open_keyed(sample, row, label)

    @property
    def _unselected(self) -> "SourceResolver":
        """A resolver without ``select=``, for a part that was already selected."""
        return self._with_select(None)

    def _with_select(self, select: Any) -> "SourceResolver":
        return SourceResolver(self._request._replace(select=select))

    def _part(self, batch: Any, label: str) -> Any:
        has_keys = not isinstance(batch, Mapping) and batch_has_keys(batch, self._request.choice.by)
        if self._request.select is None and has_keys:
            return batch[0]
        if self._request.select is None:
            return self._default(batch, label)
        return select_part(batch, self._request.select, label)

    def _check_no_select(self, x: Any) -> None:
        if self._request.select is not None:
            what = x if isinstance(x, str) else with_article(type(x).__name__)
            raise DataError(
                "select= chooses a part of batches, of a dict, or an array in a file. "
                f"Received: select={self._request.select!r} for {what}. "
                "Choose columns with columns=."
            )


def bytes_error(x: Any) -> UnsupportedTypeError:
    """Return the error for an open file, or for bytes."""
    name = getattr(x, "name", None)
    way_out = (
        f"Pass its path: evenly.fit({name!r})."
        if isinstance(name, str)
        else "Write the bytes to a file, and pass its path; or pass what another library reads "
        "from them: evenly.fit(pyarrow.parquet.read_table(file)), np.frombuffer(data, dtype)."
    )
    return UnsupportedTypeError(
        "A source must not be an open file or bytes, whose format is not known. "
        f"Received: {type(x).__module__}.{type(x).__qualname__}. {way_out}"
    )


def _only_tables(parts: Iterable[Any]) -> Iterable[Any]:
    for part in parts:
        if not hasattr(part, "column_batches"):
            raise SourceError(
                "All files of a fit must be tables, or all arrays. "
                f"Received: tables, and then {part.description}."
            )
        yield part
