"""What a task of Spark's does, on an executor: all that the Python there needs to import."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import pyarrow as pa
from pyspark import TaskContext

from evenly.engines.partition import FitOptions, fit_partition, merge_partials
from evenly.engines.vector_columns import VectorSource

PLACE = "the Spark DataFrame"

RESULT_SCHEMA = "index int, share binary"
"""The columns of what comes back: which partition, and its share."""


def fit(
    batches: Iterator[Any], names: list[str], vectors: str | None, options: FitOptions
) -> Iterator[Any]:
    """Fit a partition: what a task does. Its batches are read as a stream."""
    number = TaskContext.get().partitionId()
    label = f"partition {number} of {PLACE}"
    part = _part((batch.rename_columns(names) for batch in batches), vectors, options, label)
    yield _row(number, fit_partition(part, options, label))


def _part(batches: Iterator[Any], vectors: str | None, options: FitOptions, label: str) -> Any:
    first = next(batches, None)
    if first is None:
        return []
    everything = chain([first], batches)
    if vectors is not None:
        return VectorSource(everything, vectors, options, label)
    return pa.RecordBatchReader.from_batches(first.schema, everything)


def merge(batches: Iterable[Any]) -> Iterator[Any]:
    """Add up some shares: what a task of the second stage does."""
    shares = [share.as_py() for batch in batches for share in batch["share"]]
    if shares:
        yield _row(0, merge_partials(shares))


def _row(index: int, share: bytes) -> Any:
    columns = {"index": pa.array([index], pa.int32()), "share": [share]}
    return pa.RecordBatch.from_pydict(columns)


def each(batches: Iterator[Any], names: list[str], work: Callable[[Any], Any]) -> Iterator[Any]:
    """Change each batch: what a task of `spark.map_partitions` does."""
    return (work(batch.rename_columns(names)) for batch in batches)
