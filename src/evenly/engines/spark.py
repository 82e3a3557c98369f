"""Spark data frames, of a local session or of a server (Spark Connect).

Each task fits its partition from a stream of Arrow batches and returns one row of bytes.
Normalization is SQL expressions that Spark compiles: no row passes through Python.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from pyspark.errors import PySparkException
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.sql import DataFrame

from evenly.engines import spark_task
from evenly.engines.options import auxiliary_columns
from evenly.engines.partition import finalize_partials
from evenly.engines.remote_errors import unwrap_remote_error
from evenly.engines.spark_sql import scale_expressions
from evenly.engines.spark_task import LABEL, RESULT_SCHEMA
from evenly.engines.spark_types import fields_of, quote_column, types_of
from evenly.engines.vector_columns import select_vector_column
from evenly.errors import UnsupportedTypeError
from evenly.sources import FitOptions
from evenly.sources.fields import NUMBER, Field
from evenly.sources.selection import resolve_columns
from evenly.transform import Scaling

WIDE = 256
"""Minimum number of columns for a second stage that merges partial fits before the driver does;
adaptive execution chooses its number of tasks. At about 45 bytes per column, 10,000 partitions of
1,000 columns would send 450 MB to the driver, where spark.driver.maxResultSize is 1 GB."""


def matches(x: object) -> bool:
    """Return whether x is a Spark DataFrame."""
    return isinstance(x, DataFrame)


def fit(x: DataFrame, options: FitOptions) -> Any:
    """Return the moments of a data frame; each partition sends one row of bytes.

    A task that is rerun, or run twice at the same time, returns the same row, and Spark's action
    returns one of them, so nothing is counted twice.
    """
    if x.isStreaming:
        raise UnsupportedTypeError(
            "A fit requires a finite number of rows. Received: a streaming DataFrame. "
            "Fit each batch in foreachBatch, and add the moments."
        )
    names, vectors, options, left_out = _project(x, options)
    task = partial(spark_task.fit, names=names, vectors=vectors, options=options)
    partials = _rename_by_index(x, names).mapInArrow(task, RESULT_SCHEMA)
    if vectors is not None or len(names) >= WIDE:
        partials = partials.repartition("index").mapInArrow(spark_task.merge, RESULT_SCHEMA)
    rows = _collect(partials)
    return finalize_partials((bytes(row.partial) for row in rows), "a Spark DataFrame", left_out)


def transform(x: DataFrame, scaling: Scaling, options: dict[str, Any]) -> Any:
    """Return x with its columns scaled, lazily."""
    types = types_of(x)
    expressions = scale_expressions(types, scaling, label=LABEL, **_without_axis(options))
    vectors = [name for name in expressions if (name, "vector") in types]
    for name in vectors:
        x = x.withColumn(name, vector_to_array(x[quote_column(name)]))
    x = x.selectExpr(
        *(
            f"{expressions.get(name, quote_column(name))} as {quote_column(name)}"
            for name, _ in types
        )
    )
    for name in vectors:
        x = x.withColumn(name, array_to_vector(x[quote_column(name)]))
    return x


def map_partitions(x: DataFrame, function: Callable[[Any], Any]) -> DataFrame:
    """Return a data frame of ``function(batch)`` for each Arrow batch of rows.

    The schema is inferred by calling `function` on an empty table, which also raises its errors
    here rather than in a task.
    """
    empty = function(x.limit(0).toArrow())
    schema = x.sparkSession.createDataFrame(empty).schema
    task = partial(spark_task.map_batches, names=x.columns, function=function)
    return _rename_by_index(x, x.columns).mapInArrow(task, schema)


def _without_axis(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options without ``feature_axis``, which applies to arrays only."""
    return {name: value for name, value in options.items() if name != "feature_axis"}


class _Projection(NamedTuple):
    """What to read of a data frame.

    Attributes
    ----------
    names
        The columns to read.
    vectors
        The column of vectors, if one is fitted.
    options
        The remaining options.
    left_out
        The other columns that are not numeric, with the reason.
    """

    names: list[str]
    vectors: str | None
    options: FitOptions
    left_out: dict[str, str]


def _project(x: DataFrame, options: FitOptions) -> _Projection:
    """Choose the columns to read.

    Unknown names and columns that are not numeric raise here, before anything runs.
    """
    fields = fields_of(types_of(x))
    vectors = select_vector_column(fields, options, LABEL)
    auxiliary = auxiliary_columns(options)
    if vectors is not None:
        as_numbers = [
            Field(vectors, NUMBER) if field.name == vectors else field for field in fields
        ]
        selection = replace(options.selection, columns=(vectors,), exclude=())
        resolve_columns(selection, as_numbers, LABEL)
        return _Projection([vectors, *auxiliary], vectors, options, {})
    resolved = resolve_columns(options.selection, fields, LABEL)
    names = list(resolved.names)
    columns = None if options.columns is None else names
    options = replace(options, columns=columns, exclude=())
    return _Projection([*names, *auxiliary], None, options, resolved.left_out)


def _rename_by_index(x: DataFrame, names: list[str]) -> DataFrame:
    """Return a frame of these columns, named by their index.

    mapInArrow reads a dot in a column's name as access to a field of a struct.
    """
    types = dict(types_of(x))
    columns = [x[quote_column(name)] for name in names]
    columns = [
        vector_to_array(column) if types[name] == "vector" else column
        for name, column in zip(names, columns, strict=True)
    ]
    return x.select(*(column.alias(str(index)) for index, column in enumerate(columns)))


def _collect(partials: DataFrame) -> list[Any]:
    try:
        return list(partials.collect())
    except PySparkException as error:
        raise unwrap_remote_error(error, "Spark's executors") from None
