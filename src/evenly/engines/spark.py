"""Spark: data frames, of a session here or of a server (Spark Connect).

Each task fits its partition as Arrow batches go by, and gives one row of bytes. Normalising
is expressions, of which Spark makes its own code: no row goes through Python for it.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from pyspark.errors import PySparkException
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.sql import DataFrame

from evenly.engines import spark_task
from evenly.engines.options import FitOptions, auxiliary_columns
from evenly.engines.partition import finalize_partials
from evenly.engines.remote_errors import unwrap_remote_error
from evenly.engines.spark_sql import scaled
from evenly.engines.spark_task import PLACE, RESULT_SCHEMA
from evenly.engines.spark_types import fields_of, quoted, types_of
from evenly.engines.vector_columns import select_vector_column
from evenly.errors import UnsupportedTypeError
from evenly.sources.group_by import parse_by
from evenly.sources.selection import NUMBER, Field, parse_selection, resolve_columns
from evenly.transform import Scaling

WIDE = 256
"""Columns from which tasks add up first, as many tasks as the bytes ask for (adaptive execution).
At some 45 bytes a column, ten thousand partitions of a thousand columns would send the driver
450 MB; Spark lets it take 1 GB (spark.driver.maxResultSize)."""


def matches(x: Any) -> bool:
    """Whether x is a data frame of Spark's."""
    return isinstance(x, DataFrame)


def fit(x: Any, options: FitOptions) -> Any:
    """Return the moments of a data frame: one row of bytes leaves each partition.

    A task that is run again, or twice at once, gives the same row, of which Spark's action
    returns one. Nothing is counted on the side.
    """
    if x.isStreaming:
        raise UnsupportedTypeError(
            "A fit reads its rows to the end. Received: a streaming DataFrame, which has none. "
            "Fit each batch in foreachBatch, and add up the moments."
        )
    names, vectors, options = _needed(x, options)
    task = partial(spark_task.fit, names=names, vectors=vectors, options=options)
    shares = _rename_by_index(x, names).mapInArrow(task, RESULT_SCHEMA)
    if vectors is not None or len(names) >= WIDE:
        shares = shares.repartition("index").mapInArrow(spark_task.merge, RESULT_SCHEMA)
    return finalize_partials((bytes(row.share) for row in _collect(shares)), "a Spark DataFrame")


def transform(x: Any, scaling: Scaling, options: dict[str, Any]) -> Any:
    """Return a data frame with its columns scaled. Nothing is computed before it is used."""
    types = types_of(x)
    expressions = scaled(types, scaling, label=PLACE, **_without_axis(options))
    vectors = [name for name in expressions if (name, "vector") in types]
    for name in vectors:
        x = x.withColumn(name, vector_to_array(x[quoted(name)]))
    x = x.selectExpr(
        *(f"{expressions.get(name, quoted(name))} as {quoted(name)}" for name, _ in types)
    )
    for name in vectors:
        x = x.withColumn(name, array_to_vector(x[quoted(name)]))
    return x


def map_partitions(x: DataFrame, work: Callable[[Any], Any]) -> DataFrame:
    """Return a data frame of ``work(batch)`` for each Arrow batch of rows.

    What `work` makes of an empty table tells the columns, and raises here and now what would
    else be raised by a task.
    """
    made = work(x.limit(0).toArrow())
    schema = x.sparkSession.createDataFrame(made).schema
    task = partial(spark_task.each, names=x.columns, work=work)
    return _rename_by_index(x, x.columns).mapInArrow(task, schema)


def _without_axis(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options without that of arrays: a frame's columns lie side by side."""
    return {name: value for name, value in options.items() if name != "feature_axis"}


def _needed(x: DataFrame, options: FitOptions) -> tuple[list[str], str | None, FitOptions]:
    """Return the columns that are read, the one of vectors if it is one, and what is left to do.

    Unknown names and columns without numbers are found here, before anything runs.
    """
    fields = fields_of(types_of(x))
    vectors = select_vector_column(fields, options, PLACE)
    beside = auxiliary_columns(options)
    if vectors is not None:
        known = [Field(vectors, NUMBER) if field.name == vectors else field for field in fields]
        resolve_columns(
            parse_selection(vectors, (), options.weights, parse_by(options.by)), known, PLACE
        )
        return [vectors, *beside], vectors, options
    asked = parse_selection(options.columns, options.exclude, options.weights, parse_by(options.by))
    names = list(resolve_columns(asked, fields, PLACE).names)
    columns = None if options.columns is None else names
    return [*names, *beside], None, replace(options, columns=columns, exclude=())


def _rename_by_index(x: DataFrame, names: list[str]) -> DataFrame:
    """Return a frame of these columns, named by their number.

    mapInArrow takes a point in a column's name for one between a structure and its field.
    """
    types = dict(types_of(x))
    columns = [x[quoted(name)] for name in names]
    columns = [
        vector_to_array(column) if types[name] == "vector" else column
        for name, column in zip(names, columns, strict=True)
    ]
    return x.select(*(column.alias(str(index)) for index, column in enumerate(columns)))


def _collect(shares: DataFrame) -> list[Any]:
    try:
        return list(shares.collect())
    except PySparkException as error:
        raise unwrap_remote_error(error, "Spark's executors") from None
