"""Spark tasks; executors import this module and not `evenly.engines.spark`."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import pyarrow as pa
from pyspark import TaskContext

from evenly.engines.partition import fit_partition, merge_partials
from evenly.engines.vector_columns import VectorSource
from evenly.sources import FitOptions

LABEL = "the Spark DataFrame"

RESULT_SCHEMA = "index int, partial binary"
"""The schema of the results: the index of the partition and its partial fit."""


def fit(
    batches: Iterator[pa.RecordBatch],
    names: list[str],
    vectors: str | None,
    options: FitOptions,
) -> Iterator[pa.RecordBatch]:
    """Fit one partition from a stream of Arrow batches."""
    index = TaskContext.get().partitionId()
    label = f"partition {index} of {LABEL}"
    data = _open_partition(
        (batch.rename_columns(names) for batch in batches), vectors, options, label
    )
    yield _result_row(index, fit_partition(data, options, label))


def _open_partition(
    batches: Iterator[pa.RecordBatch], vectors: str | None, options: FitOptions, label: str
) -> Any:
    first = next(batches, None)
    if first is None:
        return []
    batches = chain([first], batches)
    if vectors is not None:
        return VectorSource(batches, vectors, options, label)
    return pa.RecordBatchReader.from_batches(first.schema, batches)


def merge(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Merge partial fits in a task of the second stage."""
    partials = [partial.as_py() for batch in batches for partial in batch["partial"]]
    if partials:
        yield _result_row(0, merge_partials(partials))


def _result_row(index: int, partial: bytes) -> pa.RecordBatch:
    columns = {"index": pa.array([index], pa.int32()), "partial": [partial]}
    return pa.RecordBatch.from_pydict(columns)


def map_batches(
    batches: Iterator[pa.RecordBatch], names: list[str], function: Callable[[Any], Any]
) -> Iterator[pa.RecordBatch]:
    """Apply a function to each batch in a task of `spark.map_partitions`."""
    return (function(batch.rename_columns(names)) for batch in batches)
