"""Spark data frames on a local Spark: the bits of a local fit, and lazy normalization."""

import doctest
import os
import signal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyspark.errors import PySparkException
from pyspark.ml.functions import array_to_vector
from pyspark.sql import functions as F

import evenly
from benchmark_runner import check_engine
from evenly.engines import spark as engine
from evenly.engines.spark_types import column_kind
from evenly.errors import ColumnError, DataError, MissingExtraError, UnsupportedTypeError
from kill_spark import PARTS, killed_from_outside, parts, session, victims, whole

pytestmark = pytest.mark.filterwarnings(
    "ignore:PySpark does not yet fully support pandas:FutureWarning"
)


@pytest.fixture(scope="module")
def spark():
    with session() as started:
        yield started


def make_table(rows=300):
    """Return a table with every numeric Spark type, nulls, NaN and a constant column."""
    rng = np.random.default_rng(3)
    missing = rng.random(rows) < 0.1
    bits = 2.0 ** rng.integers(-30, 30, rows)
    return pa.table(
        {
            "double": pa.array(rng.normal(1.7e9, 1, rows) * bits, mask=missing),
            "float": rng.normal(1e6, 1, rows).astype(np.float32),
            "nan": np.where(missing, np.nan, rng.normal(size=rows)),
            "long": rng.integers(-(2**63), 2**63 - 1, rows),
            "byte": rng.integers(-128, 128, rows).astype(np.int8),
            "flag": rng.random(rows) < 0.5,
            "a point.and `ticks`": rng.integers(0, 9, rows).astype(np.int16),
            "constant": np.full(rows, 1234567.1),
            "weight": rng.integers(0, 4, rows),
            "text": ["x"] * rows,
            "utc": pa.array(rng.integers(-(2**52), 2**52, rows), pa.timestamp("us", "UTC")),
            "wall": pa.array(rng.integers(-(2**52), 2**52, rows), pa.timestamp("us")),
            "took": pa.array(rng.integers(-(2**40), 2**40, rows), pa.duration("us")),
            "day": pa.array(rng.integers(0, 2**14, rows).astype(np.int32), pa.date32()),
        }
    )


TABLE = make_table()
NUMBERS = ["double", "float", "nan", "long", "byte", "flag", "a point.and `ticks`", "constant"]


@pytest.fixture(scope="module")
def frame(spark):
    return spark.createDataFrame(TABLE).repartition(3).cache()


# ---- Fitting -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"columns": ["double", "long"]},
        {"exclude": "double", "weights": "weight"},
        {"columns": ["utc", "wall", "took", "day"], "weights": "weight"},
    ],
)
def test_fit_matches_local_bits(frame, options):
    moments, here = evenly.fit(frame, **options), evenly.fit(TABLE, **options)
    assert moments == here
    assert (moments.columns, moments.dtypes, moments.rows) == (
        here.columns,
        here.dtypes,
        here.rows,
    )
    assert moments.left_out == here.left_out
    assert moments.missing.tolist() == here.missing.tolist()


def test_groups_of_rows_are_refused(frame):
    with pytest.raises(UnsupportedTypeError, match=r"without groups or windows.*by=\['column'\]"):
        evenly.fit(frame.groupBy("flag"))


@pytest.mark.parametrize("partitions", [1, 2, 9])
def test_partitions_do_not_change_bits(frame, partitions):
    """Of nine partitions of seven rows, some are empty."""
    few = frame.limit(7).repartition(partitions)
    assert evenly.fit(few, columns="double") == evenly.fit(few.toArrow(), columns="double")


def test_decimals_are_fitted_as_float64(frame):
    cut = frame.select(F.col("float").cast("decimal(30,4)").alias("d"))
    assert evenly.fit(cut) == evenly.fit(cut.toArrow())


def test_wide_partials_are_merged_by_tasks_first(spark, monkeypatch):
    monkeypatch.setattr(engine, "WIDE", 2)
    assert evenly.fit(parts(spark, 5, lambda number: None)) == whole(5)


def test_column_without_values_is_left_out(frame):
    cut = frame.select("float", F.lit(None).alias("void"))
    assert evenly.fit(cut).columns == ("float",)


def test_infinite_missing(spark):
    cut = spark.createDataFrame([(1.0,), (float("inf"),)], "x double")
    moments = evenly.fit(cut, infinite="missing")
    assert (moments.count.tolist(), moments.missing.tolist()) == ([1], [1])


# ---- Vectors -------------------------------------------------------------------------------


def vectors(frame, kind):
    x = F.array("double", "nan", "constant")
    if kind == "vector":
        x = array_to_vector(F.array(*(F.coalesce(name, F.lit(0.5)) for name in ("double", "nan"))))
    elif kind == "float":
        x = F.when(F.col("byte") != 0, F.array("float", "float"))
    return frame.select(x.alias("x"), "text", "weight", "byte")


def to_array(frame):
    rows = [row.x for row in frame.collect()]
    width = max(len(row) for row in rows if row is not None)
    return np.array(
        [
            [np.nan] * width if row is None else [np.nan if v is None else v for v in row]
            for row in rows
        ]
    )


@pytest.mark.parametrize("kind", ["double", "float", "vector"])
def test_fit_and_normalize_column_of_vectors(frame, kind):
    cut = vectors(frame, kind)
    x = to_array(cut).astype(np.float32 if kind == "float" else np.float64)
    moments = evenly.fit(cut, select="x")
    assert moments == evenly.fit(x)
    assert moments.columns is None
    scaled = moments.normalize(cut)
    assert scaled.dtypes == cut.dtypes
    np.testing.assert_array_equal(to_array(scaled), moments.normalize(x))
    limited = to_array(moments.normalize(cut, clip=0.5))
    np.testing.assert_array_equal(limited, moments.normalize(x, clip=0.5))
    back = to_array(moments.denormalize(scaled)).astype(x.dtype)
    np.testing.assert_array_equal(back, moments.denormalize(moments.normalize(x)))


def test_vectors_with_weights_and_column_positions(frame):
    cut = vectors(frame, "double").drop("text", "byte")
    x, weights = to_array(cut), cut.toArrow()["weight"].to_numpy()
    moments = evenly.fit(cut, select="x", weights="weight", columns=[2, 0])
    assert moments == evenly.fit(x, weights=weights, columns=[2, 0])


def test_only_column_of_vectors_is_the_default(frame):
    cut = vectors(frame, "double").select("x", "text")
    assert evenly.fit(cut) == evenly.fit(to_array(cut))


def test_wrong_vector_length_raises_when_computed(frame):
    moments = evenly.fit(np.random.default_rng(1).normal(size=(9, 2)))
    lazy = moments.normalize(vectors(frame, "double"))
    with pytest.raises(PySparkException, match=r"as the moments, 2\. Received: a vector of 3"):
        lazy.collect()


# ---- Normalization -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [{}, {"dtype": "float64", "missing": "zero"}, {"constant": "center", "correction": 1}],
)
def test_normalize_matches_local_bits(frame, options):
    moments = evenly.fit(TABLE, columns=[*NUMBERS, "utc", "wall", "took"])
    expected = moments.normalize(frame.toArrow(), **options)
    got = moments.normalize(frame, **options).toArrow()
    assert got.schema.types == expected.schema.types
    assert got.column_names == TABLE.column_names
    for name in got.column_names:
        assert got[name].null_count == expected[name].null_count
        a, b = got[name].to_pandas().to_numpy(), expected[name].to_pandas().to_numpy()
        np.testing.assert_array_equal(a, b, err_msg=name)


@pytest.mark.parametrize("missing", ["keep", "zero"])
@pytest.mark.parametrize("options", [{"clip": 0.7}, {"method": "minmax", "clip": True}])
def test_clip_keeps_null_and_nan(frame, options, missing):
    moments = evenly.fit(TABLE.slice(0, 20), columns=["double", "float", "nan", "long"])
    expected = moments.normalize(frame.toArrow(), missing=missing, **options)
    got = moments.normalize(frame, missing=missing, **options).toArrow()
    for name in moments.columns:
        assert got[name].null_count == expected[name].null_count
        np.testing.assert_array_equal(got[name].to_numpy(), expected[name].to_numpy(), name)


def test_denormalize_restores_constants_exactly(frame):
    moments = evenly.fit(TABLE, columns=NUMBERS)
    scaled = moments.normalize(frame)
    back = moments.denormalize(scaled).toArrow()
    expected = moments.denormalize(scaled.toArrow())
    for name in NUMBERS:
        a, b = back[name].to_numpy(), expected[name].to_numpy()
        np.testing.assert_array_equal(a, b, err_msg=name)
    assert back["constant"].unique().to_pylist() == [1234567.1]


def test_normalize_near_float64_limits(spark):
    x = np.array([[1e308, 1e-320], [-1e308, 3e-320], [1.7e308, 0.0]])
    table = pa.table({"huge": x[:, 0], "tiny": x[:, 1]})
    moments = evenly.fit(table)
    cut = spark.createDataFrame(table).coalesce(1)
    scaled = moments.normalize(cut).toArrow()
    assert scaled.equals(moments.normalize(table))
    back = moments.denormalize(moments.normalize(cut)).toArrow()
    assert back.equals(moments.denormalize(moments.normalize(table)))


def test_normalize_is_lazy_without_python_udfs(frame, tmp_path):
    """A stream without data has a plan but nothing to compute."""
    (tmp_path / "empty").mkdir()
    spark = frame.sparkSession
    stream = spark.readStream.schema("float float").parquet(str(tmp_path / "empty"))
    scaled = evenly.fit(TABLE, columns="float").normalize(stream)
    assert scaled.isStreaming
    assert "Python" not in scaled._jdf.queryExecution().toString()


def test_map_partitions_applies_function_to_arrow_batches(frame):
    """Normalization by group uses it."""

    def select_one(batch):
        return batch.select(["a point.and `ticks`"])

    result = engine.map_partitions(frame, select_one)
    assert result.toArrow().equals(frame.select(F.col("`a point.and ``ticks```")).toArrow())


# ---- Groups --------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["a point.and `ticks`", ["flag", "text"], "day"])
def test_grouped_fit_matches_local_bits(frame, by):
    options = {"by": by, "columns": ["float", "double"], "weights": "weight"}
    moments, here = evenly.fit(frame, **options), evenly.fit(TABLE, **options)
    assert moments == here
    assert (moments.by, moments.columns) == (here.by, here.columns)


def test_fit_vectors_by_group(frame):
    moments = evenly.fit(vectors(frame, "double"), select="x", by="weight")
    assert set(moments) == {0, 1, 2, 3}
    part = vectors(frame.where(F.col("weight") == 2), "double")
    assert moments[2] == evenly.fit(part, select="x")


def test_normalize_by_group(frame):
    moments = evenly.fit(TABLE, by="flag", columns=["double", "long"])
    names = ["took", "double", "long"]
    ours = moments.normalize(frame).select(names).toArrow().sort_by("took")
    here = moments.normalize(TABLE).select(names).sort_by("took")
    assert ours.column("double").equals(here.column("double"))
    assert ours.column("long").equals(here.column("long"))


# ---- Errors --------------------------------------------------------------------------------


def test_infinity_error_names_column_partition_and_row(spark):
    cut = spark.createDataFrame([(1.0,), (float("-inf"),)], "x double").coalesce(1)
    with pytest.raises(DataError, match="infinity in column 'x', row 1 of partition 0") as error:
        evenly.fit(cut)
    assert error.value.__suppress_context__  # without the Java stack trace


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"columns": "doubel"}, ColumnError, "Did you mean 'double'"),
        ({"columns": "text"}, UnsupportedTypeError, "column 'text' of the Spark DataFrame"),
        ({"columns": "x"}, ColumnError, "Pass select='x'"),
        ({"select": "double"}, ColumnError, "select= must name a column of vectors"),
        ({"select": "x", "weights": "no"}, ColumnError, "There must be a column of that name"),
        ({"weights": [1.0]}, UnsupportedTypeError, "must be the name of a column"),
        (
            {"progress": print},
            UnsupportedTypeError,
            "progress= requires data that this process reads",
        ),
    ],
)
def test_invalid_option_raises_before_computation(frame, options, kind, words):
    with pytest.raises(kind, match=words):
        evenly.fit(frame.withColumn("x", F.array("double")), **options)


def test_no_rows_or_no_partitions_raise(spark, frame):
    for cut in (frame.select("float").limit(0), spark.createDataFrame([], "x double")):
        with pytest.raises(DataError, match=r"At least one row is needed.*a Spark DataFrame"):
            evenly.fit(cut)


def test_fit_streaming_frame_raises(frame):
    stream = frame.sparkSession.readStream.format("rate").load()
    with pytest.raises(UnsupportedTypeError, match="a streaming DataFrame"):
        evenly.fit(stream, columns="value")


@pytest.mark.parametrize(
    ("change", "options", "kind", "words"),
    [
        ("drop", {}, ColumnError, "Missing: 'utc'"),
        ("long", {}, DataError, r"as timestamp\[us\] on one side and as bigint"),
        ("text", {}, DataError, r"as timestamp\[us\] on one side and as string"),
        ("same", {"dtype": "float16"}, UnsupportedTypeError, "float32 or float64"),
        ("same", {"missing": "drop"}, DataError, "missing must be"),
        ("same", {"out": TABLE}, UnsupportedTypeError, "Omit out="),
    ],
)
def test_normalize_invalid_input_raises_immediately(frame, change, options, kind, words):
    moments = evenly.fit(TABLE, columns="utc")
    cut = frame.drop("utc") if change == "drop" else frame
    cut = frame.withColumn("utc", F.col(change)) if change in ("long", "text") else cut
    with pytest.raises(kind, match=words):
        moments.normalize(cut, **options)


def test_unnamed_moments_need_one_vector_column(frame):
    with pytest.raises(
        ColumnError, match=r"must have exactly one column of vectors\. Received: none"
    ):
        evenly.fit(np.ones((2, 2))).normalize(frame)


def test_normalize_text_column_raises(frame):
    moments = evenly.fit(pa.table({"text": [1.0, 2.0]}))
    with pytest.raises(UnsupportedTypeError, match="column 'text' of type string"):
        moments.normalize(frame)


def test_executor_without_evenly_raises(frame, tmp_path, monkeypatch):
    """The workers' Python cannot import evenly."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class HideEvenly:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'evenly':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, HideEvenly())\n"
    )
    context = frame.sparkSession.sparkContext
    monkeypatch.setitem(context.environment, "PYTHONPATH", str(tmp_path))
    with pytest.raises(MissingExtraError, match=r"installed for Spark's executors.*without evenly"):
        evenly.fit(frame, columns="float")


def test_column_kind_of_spark_types():
    assert column_kind("interval year to month") != column_kind("interval day to second")
    assert column_kind("array<array<double>>") == column_kind("map<string,int>") == "nested"


def test_docs_page_session(spark):
    guide = Path(__file__).parents[2] / "docs" / "engines" / "spark.md"
    flags = doctest.NORMALIZE_WHITESPACE
    done = doctest.testfile(
        str(guide), module_relative=False, globs={"spark": spark}, optionflags=flags
    )
    assert (done.failed, done.attempted > 5) == (0, True)


# ---- Killed workers ------------------------------------------------------------------------

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")


def test_worker_killed_in_task_changes_no_bits(spark, tmp_path):
    def kill_once(number):
        with open(tmp_path / "computed", "a") as file:
            file.write(f"{number}\n")
        if number == PARTS // 2 and not (tmp_path / "killed").exists():
            (tmp_path / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)

    moments = evenly.fit(parts(spark, 1, kill_once))
    computed = (tmp_path / "computed").read_text().split()
    assert computed.count(str(PARTS // 2)) >= 2  # recomputed, but counted once
    assert moments == whole(1)
    assert moments.rows == whole(1).rows


def test_retried_task_counts_once(spark, tmp_path):
    def flaky(number):
        if number == 1 and not (tmp_path / "failed").exists():
            (tmp_path / "failed").touch()
            raise OSError("the disk was busy")

    assert evenly.fit(parts(spark, 2, flaky)) == whole(2)
    assert (tmp_path / "failed").exists()


@needs_proc
def test_worker_killed_from_outside_changes_no_bits(spark):
    evenly.fit(parts(spark, 0, lambda number: None))
    assert victims(spark)
    killed_from_outside(spark, 4, 0.3)


@pytest.mark.usefixtures("spark")
@pytest.mark.filterwarnings("default")  # the engine may warn
def test_benchmark_compares_spark_with_evenly():
    check_engine("spark")
