"""Spark in local mode, with one concurrent task for each thread."""

from functools import cache


def fit_files(folder, threads):
    """Fit Spark's own StandardScaler, which takes a column of vectors."""
    from pyspark.ml.feature import StandardScaler, VectorAssembler

    table = _table(folder, threads)
    rows = VectorAssembler(inputCols=table.columns, outputCol="x").transform(table).select("x")
    scaler = StandardScaler(inputCol="x", withMean=True)
    count = table.count()
    return lambda: (scaler.fit(rows), count)


def answer(result):
    """Return the variance divided by n, as the others do; Spark divides by n - 1."""
    model, count = result
    return model.mean.toArray(), model.std.toArray() ** 2 * ((count - 1) / count)


def fit_files_with_evenly(folder, threads):
    """Fit the partitions by evenly."""
    import evenly

    table = _table(folder, threads)
    return lambda: evenly.fit(table)


def _table(folder, threads):
    return _session(threads).read.parquet(str(folder))


@cache
def _session(threads):
    """Return the session of this process, started once; it ends with this process."""
    import os
    import sys

    from pyspark.sql import SparkSession

    os.environ.update(PYSPARK_PYTHON=sys.executable, SPARK_LOCAL_IP="127.0.0.1")
    builder = SparkSession.builder.master(f"local[{threads}]")
    for key, value in {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "2g",
        "spark.log.level": "OFF",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()
