"""Spark data frames, on a real local Spark: the bits of one machine; lazily normalised."""

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


def made(rows=300):
    """Every type of Spark's that holds numbers, with nulls, NaN and a constant column."""
    rng = np.random.default_rng(3)
    some = rng.random(rows) < 0.1
    bits = 2.0 ** rng.integers(-30, 30, rows)
    return pa.table(
        {
            "double": pa.array(rng.normal(1.7e9, 1, rows) * bits, mask=some),
            "float": rng.normal(1e6, 1, rows).astype(np.float32),
            "nan": np.where(some, np.nan, rng.normal(size=rows)),
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


TABLE = made()
NUMBERS = ["double", "float", "nan", "long", "byte", "flag", "a point.and `ticks`", "constant"]


@pytest.fixture(scope="module")
def frame(spark):
    return spark.createDataFrame(TABLE).repartition(3).cache()


# ---- Fitting -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"columns": [0, "long"]},
        {"exclude": "double", "weights": "weight"},
        {"columns": ["utc", "wall", "took", "day"], "weights": "weight"},
    ],
)
def test_the_bits_are_those_of_one_machine(frame, options):
    moments, here = evenly.fit(frame, **options), evenly.fit(TABLE, **options)
    assert moments == here
    assert (moments.columns, moments.dtypes, moments.rows) == (
        here.columns,
        here.dtypes,
        here.rows,
    )
    assert moments.missing.tolist() == here.missing.tolist()


@pytest.mark.parametrize("partitions", [1, 2, 9])
def test_any_partitions_give_the_same_bits(frame, partitions):
    """Nine partitions of what is left of three: some have no row."""
    few = frame.limit(7).repartition(partitions)
    assert evenly.fit(few, columns="double") == evenly.fit(few.toArrow(), columns="double")


def test_decimals_are_fitted_as_the_nearest_float64(frame):
    cut = frame.select(F.col("float").cast("decimal(30,4)").alias("d"))
    assert evenly.fit(cut) == evenly.fit(cut.toArrow())


def test_wide_shares_are_added_up_by_tasks_first(spark, monkeypatch):
    monkeypatch.setattr(engine, "WIDE", 2)
    assert evenly.fit(parts(spark, 5, lambda number: None)) == whole(5)


def test_a_column_without_values_is_left_out_as_on_one_machine(frame):
    cut = frame.select("float", F.lit(None).alias("void"))
    assert evenly.fit(cut).columns == ("float",)


def test_infinities_can_be_missing(spark):
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


def as_rows(frame):
    rows = [row.x for row in frame.collect()]
    width = max(len(row) for row in rows if row is not None)
    return np.array(
        [
            [np.nan] * width if row is None else [np.nan if v is None else v for v in row]
            for row in rows
        ]
    )


@pytest.mark.parametrize("kind", ["double", "float", "vector"])
def test_a_column_of_vectors_is_fitted_and_normalised_as_an_array(frame, kind):
    cut = vectors(frame, kind)
    x = as_rows(cut).astype(np.float32 if kind == "float" else np.float64)
    moments = evenly.fit(cut, select="x")
    assert moments == evenly.fit(x)
    assert moments.columns is None
    scaled = moments.normalize(cut)
    assert scaled.dtypes == cut.dtypes
    np.testing.assert_array_equal(as_rows(scaled), moments.normalize(x))
    back = as_rows(moments.denormalize(scaled)).astype(x.dtype)
    np.testing.assert_array_equal(back, moments.denormalize(moments.normalize(x)))


def test_vectors_have_weights_and_columns_by_position(frame):
    cut = vectors(frame, "double").drop("text", "byte")
    x, weights = as_rows(cut), cut.toArrow()["weight"].to_numpy()
    moments = evenly.fit(cut, select="x", weights="weight", columns=[2, 0])
    assert moments == evenly.fit(x, weights=weights, columns=[2, 0])


def test_the_only_column_of_vectors_needs_no_name(frame):
    cut = vectors(frame, "double").select("x", "text")
    assert evenly.fit(cut) == evenly.fit(as_rows(cut))


def test_vectors_of_another_length_are_an_error_when_the_rows_are_read(frame):
    moments = evenly.fit(np.random.default_rng(1).normal(size=(9, 2)))
    lazy = moments.normalize(vectors(frame, "double"))
    with pytest.raises(PySparkException, match=r"as the moments, 2\. Received: a vector of 3"):
        lazy.collect()


# ---- Normalising ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [{}, {"dtype": "float64", "missing": "zero"}, {"constant": "center", "correction": 1}],
)
def test_normalize_gives_the_bits_of_one_machine(frame, options):
    moments = evenly.fit(TABLE, columns=[*NUMBERS, "utc", "wall", "took"])
    there, here = moments.normalize(frame, **options), frame.toArrow()
    expected = moments.normalize(here, **options)
    got = there.toArrow()
    assert got.schema.types == expected.schema.types
    assert got.column_names == TABLE.column_names
    for name in got.column_names:
        assert got[name].null_count == expected[name].null_count
        a, b = got[name].to_pandas().to_numpy(), expected[name].to_pandas().to_numpy()
        np.testing.assert_array_equal(a, b, err_msg=name)


def test_denormalize_undoes_it_and_constants_come_back_exactly(frame):
    moments = evenly.fit(TABLE, columns=NUMBERS)
    scaled = moments.normalize(frame)
    back = moments.denormalize(scaled).toArrow()
    expected = moments.denormalize(scaled.toArrow())
    for name in NUMBERS:
        a, b = back[name].to_numpy(), expected[name].to_numpy()
        np.testing.assert_array_equal(a, b, err_msg=name)
    assert back["constant"].unique().to_pylist() == [1234567.1]


def test_columns_near_the_limits_of_float64_neither_overflow_nor_vanish(spark):
    x = np.array([[1e308, 1e-320], [-1e308, 3e-320], [1.7e308, 0.0]])
    table = pa.table({"huge": x[:, 0], "tiny": x[:, 1]})
    moments = evenly.fit(table)
    cut = spark.createDataFrame(table).coalesce(1)
    scaled = moments.normalize(cut).toArrow()
    assert scaled.equals(moments.normalize(table))
    back = moments.denormalize(moments.normalize(cut)).toArrow()
    assert back.equals(moments.denormalize(moments.normalize(table)))


def test_normalize_is_lazy_and_no_row_goes_through_python(frame, tmp_path):
    """A stream without data has a plan, and nothing that could be computed."""
    (tmp_path / "empty").mkdir()
    spark = frame.sparkSession
    stream = spark.readStream.schema("float float").parquet(str(tmp_path / "empty"))
    scaled = evenly.fit(TABLE, columns="float").normalize(stream)
    assert scaled.isStreaming
    assert "Python" not in scaled._jdf.queryExecution().toString()


def test_each_batch_can_be_changed_by_a_function_of_arrow_tables(frame):
    """What normalising by groups is made of."""

    def work(batch):
        return batch.select(["a point.and `ticks`"])

    changed = engine.map_partitions(frame, work)
    assert changed.toArrow().equals(frame.select(F.col("`a point.and ``ticks```")).toArrow())


# ---- Groups --------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["a point.and `ticks`", ["flag", "text"], "day"])
def test_groups_have_the_bits_of_one_machine(frame, by):
    options = {"by": by, "columns": ["float", "double"], "weights": "weight"}
    moments, here = evenly.fit(frame, **options), evenly.fit(TABLE, **options)
    assert moments == here
    assert (moments.by, moments.columns) == (here.by, here.columns)


def test_vectors_are_fitted_by_group(frame):
    moments = evenly.fit(vectors(frame, "double"), select="x", by="weight")
    assert set(moments) == {0, 1, 2, 3}
    part = vectors(frame.where(F.col("weight") == 2), "double")
    assert moments[2] == evenly.fit(part, select="x")


def test_each_row_is_normalised_by_its_own_group(frame):
    moments = evenly.fit(TABLE, by="flag", columns=["double", "long"])
    names = ["took", "double", "long"]
    ours = moments.normalize(frame).select(names).toArrow().sort_by("took")
    here = moments.normalize(TABLE).select(names).sort_by("took")
    assert ours.column("double").equals(here.column("double"))
    assert ours.column("long").equals(here.column("long"))


# ---- Mistakes ------------------------------------------------------------------------------


def test_an_infinity_is_named_with_its_column_partition_and_row(spark):
    cut = spark.createDataFrame([(1.0,), (float("-inf"),)], "x double").coalesce(1)
    with pytest.raises(DataError, match="infinity in column 'x', row 1 of partition 0") as error:
        evenly.fit(cut)
    assert error.value.__suppress_context__  # no page of Java


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"columns": "doubel"}, ColumnError, "Did you mean 'double'"),
        ({"columns": "text"}, UnsupportedTypeError, "column 'text' of the Spark DataFrame"),
        ({"columns": "x"}, ColumnError, "Pass select='x'"),
        ({"select": "double"}, ColumnError, "select= chooses a column of vectors"),
        ({"select": "x", "weights": "no"}, ColumnError, "There must be a column of that name"),
        ({"weights": [1.0]}, UnsupportedTypeError, "one of its columns, by name"),
        ({"progress": print}, UnsupportedTypeError, "progress= follows data that are read here"),
    ],
)
def test_a_wrong_choice_is_refused_before_anything_runs(frame, options, kind, words):
    with pytest.raises(kind, match=words):
        evenly.fit(frame.withColumn("x", F.array("double")), **options)


def test_no_rows_and_no_partitions_are_an_error(spark, frame):
    for cut in (frame.select("float").limit(0), spark.createDataFrame([], "x double")):
        with pytest.raises(DataError, match=r"At least one row is needed.*a Spark DataFrame"):
            evenly.fit(cut)


def test_a_stream_has_no_end_to_fit(frame):
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
def test_normalize_refuses_here_and_now(frame, change, options, kind, words):
    moments = evenly.fit(TABLE, columns="utc")
    cut = frame.drop("utc") if change == "drop" else frame
    cut = frame.withColumn("utc", F.col(change)) if change in ("long", "text") else cut
    with pytest.raises(kind, match=words):
        moments.normalize(cut, **options)


def test_moments_without_names_need_one_column_of_vectors(frame):
    with pytest.raises(ColumnError, match=r"must have one column of vectors\. Received: none"):
        evenly.fit(np.ones((2, 2))).normalize(frame)


def test_text_cannot_be_scaled(frame):
    moments = evenly.fit(pa.table({"text": [1.0, 2.0]}))
    with pytest.raises(UnsupportedTypeError, match="column 'text' of type string"):
        moments.normalize(frame)


def test_an_executor_without_evenly_is_named(frame, tmp_path, monkeypatch):
    """Its Python is one in which nothing of ours can be found."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Nothing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'evenly':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Nothing())\n"
    )
    context = frame.sparkSession.sparkContext
    monkeypatch.setitem(context.environment, "PYTHONPATH", str(tmp_path))
    with pytest.raises(MissingExtraError, match=r"sent to Spark's executors.*without evenly"):
        evenly.fit(frame, columns="float")


def test_spark_types_have_kinds():
    assert column_kind("interval year to month") != column_kind("interval day to second")
    assert column_kind("array<array<double>>") == column_kind("map<string,int>") == "nested"


def test_the_guide_says_what_happens(spark):
    guide = Path(__file__).parents[2] / "docs" / "engines" / "spark.md"
    flags = doctest.NORMALIZE_WHITESPACE
    done = doctest.testfile(
        str(guide), module_relative=False, globs={"spark": spark}, optionflags=flags
    )
    assert (done.failed, done.attempted > 5) == (0, True)


# ---- Deaths --------------------------------------------------------------------------------

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")


def test_a_worker_that_dies_in_a_task_changes_no_bit(spark, tmp_path):
    def dies_once(number):
        with open(tmp_path / "made", "a") as file:
            file.write(f"{number}\n")
        if number == PARTS // 2 and not (tmp_path / "dead").exists():
            (tmp_path / "dead").touch()
            os.kill(os.getpid(), signal.SIGKILL)

    moments = evenly.fit(parts(spark, 1, dies_once))
    made = (tmp_path / "made").read_text().split()
    assert made.count(str(PARTS // 2)) >= 2  # it was made again, and counted once
    assert moments == whole(1)
    assert moments.rows == whole(1).rows


def test_a_task_that_fails_and_is_tried_again_counts_once(spark, tmp_path):
    def flaky(number):
        if number == 1 and not (tmp_path / "failed").exists():
            (tmp_path / "failed").touch()
            raise OSError("the disk was busy")

    assert evenly.fit(parts(spark, 2, flaky)) == whole(2)
    assert (tmp_path / "failed").exists()


@needs_proc
def test_a_worker_killed_from_outside_changes_no_bit(spark):
    evenly.fit(parts(spark, 0, lambda number: None))
    assert victims(spark)
    killed_from_outside(spark, 4, 0.3)


@pytest.mark.usefixtures("spark")
@pytest.mark.filterwarnings("default")  # the engine may warn
def test_benchmark_compares_spark_with_evenly():
    check_engine("spark")
