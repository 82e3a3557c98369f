"""Tests of data frames of all libraries."""

import datetime
import logging
import sys
from decimal import Decimal
from fractions import Fraction

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evenly
from evenly.sources import ReadOptions, open_source
from small_blocks import use_block_sizes

DAY = datetime.date(1970, 1, 11)
TIME = datetime.datetime(1970, 1, 1, 0, 0, 7)


def refusal(error, x, **options):
    with pytest.raises(error) as caught:
        evenly.fit(x, **options)
    return str(caught.value)


ARROW_TYPES = [
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64()),
    *(pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
    *(pa.float16(), pa.float32(), pa.float64(), pa.bool_()),
]


@pytest.mark.parametrize("kind", ARROW_TYPES, ids=str)
@given(data=st.data())
@settings(max_examples=15)
def test_any_arrow_type_at_any_offset(kind, data):
    """Buffers are not copied, so offsets into values and bitmaps must be respected."""
    values = data.draw(st.lists(st.sampled_from([0, 1, None]), min_size=1, max_size=40))
    start = data.draw(st.integers(0, len(values) - 1))
    convert = {pa.bool_(): bool, pa.float16(): np.float16}.get(kind, lambda x: x)
    array = pa.array([None if x is None else convert(x) for x in values], kind)
    moments = evenly.fit(pa.table({"x": array}).slice(start))
    rest = values[start:]
    assert moments.missing.tolist() == [rest.count(None)]
    assert moments.sum[0] == rest.count(1)


def test_non_numeric_columns_are_left_out():
    table = pa.table(
        {
            "x": [1.0],
            "text": ["a"],
            "view": pa.array(["a"], pa.string_view()),
            "binary": [b"a"],
            "category": pa.array(["a"]).dictionary_encode(),
            "list": [[1]],
            "struct": [{"a": 1}],
            "date": [DAY],
            "time": [datetime.time(1)],
            "timestamp": [TIME],
            "duration": [datetime.timedelta(1)],
            "runs": pa.RunEndEncodedArray.from_arrays(pa.array([1], pa.int32()), ["a"]),
            "none": pa.nulls(1),
        }
    )
    source = open_source(table)
    assert evenly.fit(source).columns == ("x",)
    assert source.left_out == {
        "text": "text",
        "view": "text",
        "binary": "binary",
        "category": "category",
        "list": "nested",
        "struct": "nested",
        "date": "date",
        "time": "time",
        "timestamp": "timestamp",
        "duration": "duration",
        "runs": "text",
        "none": "no values",
    }


@pytest.mark.parametrize(
    "make",
    [
        lambda columns: pa.table(columns),
        lambda columns: pl.DataFrame(columns),
        lambda columns: duckdb.from_arrow(pa.table(columns)),
        lambda columns: pa.dataset.dataset(pa.table(columns)),
    ],
    ids=["pyarrow", "polars", "duckdb", "dataset"],
)
def test_selected_times_are_integers(make):
    frame = make({"when": [TIME, None], "day": [DAY, DAY], "x": [1.0, 2.0]})
    moments = evenly.fit(frame, columns=["day", "when"])
    assert moments.mean.tolist() == [10.0, 7e6]
    assert moments.missing.tolist() == [0, 1]


def test_selected_text_column_is_rejected():
    message = refusal(evenly.UnsupportedTypeError, pa.table({"t": ["a"]}), columns=["t"])
    assert message == (
        "Only columns of numbers, booleans or times can be fitted. Received: column 't' of the "
        "table, which is text. Convert it first, or leave it out of columns=."
    )


def test_dictionaries_of_numbers_are_decoded():
    values = pa.array([7, None, 7, 9]).dictionary_encode()
    holes = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 0]), pa.array([5.0, None]))
    table = pa.table({"values": values, "holes": holes})
    moments = evenly.fit(pa.concat_tables([table, table]).slice(1))
    assert moments.count.tolist() == [5, 3]
    assert [float(x) for x in moments.sum] == [39.0, 15.0]


@given(
    st.lists(
        st.one_of(st.none(), st.decimals(allow_nan=False, allow_infinity=False, places=3)),
        min_size=1,
        max_size=20,
    )
)
def test_decimals_are_the_nearest_float64(values):
    values = [x if x is None or abs(x) < 10**30 else None for x in values]
    for kind in (pa.decimal128(38, 3), pa.decimal256(76, 3)):
        table = pa.table({"x": pa.array(values, kind), "y": np.ones(len(values))})
        moments = evenly.fit(table.slice(1) if len(values) > 1 else table, columns=["x"])
        rest = values[1:] if len(values) > 1 else values
        expected = sum(Fraction(float(Fraction(x))) for x in rest if x is not None)
        assert moments.sum[0] == expected


def test_decimals_of_scale_zero_are_exact():
    big = 2**62 + 1
    values = [Decimal(big), Decimal(-big), Decimal(1)]
    table = pa.table({"x": pa.array(values, pa.decimal128(38, 0))})
    moments = evenly.fit(table)
    assert moments.sum[0] == 1
    assert moments.sum_of_squares[0] == 2 * big**2 + 1


def test_a_decimal_of_negative_scale():
    table = pa.table({"x": pa.array([Decimal("1.2E5")], pa.decimal128(5, -4))})
    assert evenly.fit(table).mean.tolist() == [120000.0]


def test_columns_with_different_chunks():
    """Each column of a table can be split at different positions."""
    table = pa.table(
        {
            "a": pa.chunked_array([[1, 2], [3], [], [4, 5]]),
            "b": pa.chunked_array([[True], [False, None], [True, True]]),
        }
    )
    moments = evenly.fit(table)
    assert [float(x) for x in moments.sum] == [15, 3]


@pytest.mark.parametrize(
    "series",
    [
        pd.Series([1.0, 3.0], name="x"),
        pl.Series("x", [1.0, 3.0]),
        pd.Series([1, 3], dtype="Int64", name="x"),
        pl.Series("x", [1, None, 3]),
    ],
    ids=["pandas", "polars", "pandas masked", "polars null"],
)
def test_a_series_is_one_column_with_its_name(series):
    moments = evenly.fit(series)
    assert moments.columns == ("x",)
    assert moments.mean.tolist() == [2.0]


@pytest.mark.parametrize(
    "x",
    [
        pa.chunked_array([[1.0], [3.0]]),
        pa.array([1.0, 3.0]),
        pd.Series([1.0, 3.0]),
        pl.Series([1.0, 3.0]),
    ],
    ids=["chunked", "array", "pandas", "polars"],
)
def test_a_series_without_name_is_a_column_without_name(x):
    moments = evenly.fit(x)
    assert moments.columns is None
    assert moments.mean.tolist() == [2.0]


def test_text_series_is_rejected():
    assert "with '' (text)" in refusal(evenly.DataError, pl.Series(["a"]))


def test_table_without_columns_is_rejected():
    assert "Received: no column in" in refusal(evenly.DataError, pa.table({}))


def test_duplicate_column_name_is_rejected():
    table = pa.table([pa.array([1.0]), pa.array([2.0]), pa.array([3.0])], ["a", "a", "b"])
    assert "'a' 2 times" in refusal(evenly.ColumnError, table)
    assert "Received twice: 'b'" in refusal(evenly.ColumnError, table, columns=["b", "b"])


def test_unknown_column_suggests_name():
    message = refusal(evenly.ColumnError, pd.DataFrame({"dep_delay": [1.0]}), columns=["dep_dealy"])
    assert message == (
        "There must be a column of that name. Received: 'dep_dealy'; the table has 'dep_delay'. "
        "Did you mean 'dep_delay'?"
    )


def test_unknown_exclude_and_weights_are_rejected():
    table = pa.table({"a": [1.0]})
    assert "'b'" in refusal(evenly.ColumnError, table, exclude="b")
    assert "'w'" in refusal(evenly.ColumnError, table, weights="w")
    assert "column of that name. Received: '1.5'" in refusal(
        evenly.ColumnError, table, columns=[1.5]
    )
    assert "names and positions, one" in refusal(evenly.ColumnError, table, columns=[None])


def test_excluded_columns_are_not_left_out():
    source = open_source(
        pa.table({"a": [1.0], "b": [1.0], "t": ["x"]}), ReadOptions(exclude=["b", "t"])
    )
    assert source.left_out == {}


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pl.LazyFrame])
def test_weights_column(kind):
    frame = kind({"x": [1.0, 9.0, 4.0], "w": [2.0, 0.0, 0.5]})
    moments = evenly.fit(frame, weights="w")
    assert moments.columns == ("x",)
    assert (float(moments.sum[0]), float(moments.count[0])) == (4.0, 2.5)


def test_missing_weight_is_rejected():
    table = pa.table({"x": [1.0, 2.0], "w": [1, None]})
    message = refusal(evenly.DataError, table, weights="w")
    assert message == (
        "Weights must be finite and not negative. Received: nan in row 1 of column 'w' of the "
        "table. A weight of 0 omits a row."
    )


def test_text_weights_are_rejected():
    table = pa.table({"x": [1.0], "w": ["a"]})
    assert "column 'w'" in refusal(evenly.UnsupportedTypeError, table, weights="w")


def test_large_frames_are_split_without_copy(monkeypatch):

    use_block_sizes(monkeypatch, table_bytes=1000)
    x = np.arange(1000.0)
    bits = pa.array([None, True, False, True] * 250)
    source = open_source(pa.table({"x": pa.array(x), "b": bits}))
    blocks = list(source.blocks())
    assert len(blocks) > 5
    assert all(np.shares_memory(block.data[0].values, x) for block in blocks)
    moments = evenly.fit(pa.table({"x": pa.array(x), "b": bits}))
    assert moments.mean.tolist() == [499.5, 2 / 3]
    assert moments.missing.tolist() == [0, 250]


def test_null_rows_are_rejected():
    array = pa.StructArray.from_arrays([pa.array([1.0, 2.0])], ["x"], mask=pa.array([True, False]))
    assert "must not have null rows" in refusal(evenly.UnsupportedTypeError, array)


# pandas


def test_pandas_numpy_columns_are_not_copied():
    frame = pd.DataFrame(np.ones((10, 3)), columns=["a", "b", "c"])
    (block,) = open_source(frame).blocks()
    assert all(np.shares_memory(column.values, frame.to_numpy()) for column in block.data)


def test_pandas_index_is_not_a_column():
    frame = pd.DataFrame({"a": [1.0, 2.0]}, index=[7, 9])
    assert evenly.fit(frame).columns == ("a",)


def test_pandas_column_names_that_are_not_strings():
    assert evenly.fit(pd.DataFrame(np.ones((2, 2)))).columns == ("0", "1")


def test_pandas_dtypes():
    frame = pd.DataFrame(
        {
            "text": ["a", "b"],
            "mixed": pd.Series([1, "b"], dtype=object),
            "when": [TIME, pd.NaT],
            "zone": pd.to_datetime([7, 8], unit="s", utc=True),
            "span": pd.to_timedelta([1, 2], unit="s"),
            "masked": pd.array([1, None], dtype="Int64"),
            "flag": pd.array([True, None], dtype="boolean"),
            "codes": pd.Categorical([5, None]),
            "category": pd.Categorical(["a", "b"]),
            "arrow": pd.array([1.5, None], dtype="float[pyarrow]"),
            "arrow text": pd.array(["a", None], dtype="string[pyarrow]"),
            "nothing": pd.Series([None, None], dtype=object),
            "complex": np.array([1j, 2j]),
        }
    )
    source = open_source(frame)
    moments = evenly.fit(source)
    assert moments.columns == ("masked", "flag", "codes", "arrow")
    assert moments.mean.tolist() == [1.0, 1.0, 5.0, 1.5]
    assert moments.missing.tolist() == [1, 1, 1, 1]
    assert source.left_out == {
        "text": "text",
        "mixed": "object",
        "when": "timestamp",
        "zone": "timestamp",
        "span": "duration",
        "category": "category",
        "arrow text": "text",
        "nothing": "no values",
        "complex": "complex128",
    }
    times = evenly.fit(frame, columns=["zone", "when", "span"])
    assert times.missing.tolist() == [0, 1, 0]
    per_second = [{"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[unit] for unit in _units(frame)]
    assert (times.mean / per_second).tolist() == [7.5, 7.0, 1.5]


def _units(frame):
    plain = [np.datetime_data(frame[name].dtype)[0] for name in ("when", "span")]
    return [frame["zone"].dtype.unit, *plain]


def test_pandas_numpy_columns_without_pyarrow(monkeypatch):
    frame = pd.DataFrame({"a": [1.0, 2.0], "n": pd.array([1, None], dtype="Int64")})
    arrow = pd.DataFrame({"x": pd.array([1.5], dtype="float[pyarrow]")})
    for module in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert evenly.fit(frame).count.tolist() == [2, 1]
    assert "Reading pandas' float[pyarrow] needs the package pyarrow." in refusal(
        evenly.MissingExtraError, arrow
    )


# others


def test_lazy_frame_reads_only_selected_columns():
    frame = pl.LazyFrame({"a": [1, 2], "t": ["x", "y"]}).with_columns(
        late=pl.col("t").map_elements(lambda _: 1 / 0, return_dtype=pl.Float64)
    )
    assert evenly.fit(frame, columns=["a"]).mean.tolist() == [1.5]


def test_duckdb_relation_with_any_names():
    query = 'select 1.5::double as "a ""b", 2::tinyint as "select", {} as t'
    relation = duckdb.sql(query.format("'x'"))
    moments = evenly.fit(relation)
    assert moments.columns == ('a "b', "select")
    assert moments.mean.tolist() == [1.5, 2.0]


def test_duckdb_relation_of_decimals():
    assert evenly.fit(duckdb.sql("select 1.25 as x, 10::hugeint as h")).mean.tolist() == [1.25, 10]


class OnlyCapsule:
    """An object that supports only the Arrow PyCapsule protocol."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


def test_object_with_only_arrow_capsule():
    assert evenly.fit(OnlyCapsule(pa.table({"a": [1.0]}))).columns == ("a",)


def test_arrow_needs_no_pyarrow(monkeypatch):
    frame = pl.DataFrame({"a": [1.0, None], "b": [True, False], "t": ["x", "y"]})
    for module in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert evenly.fit(frame).mean.tolist() == [1.0, 0.5]
    assert evenly.fit(frame.lazy()).mean.tolist() == [1.0, 0.5]


def test_frame_can_be_read_twice(caplog):
    table = pa.table({"a": [1.0]})
    with caplog.at_level(logging.INFO, logger="evenly"):
        assert evenly.fit(table) == evenly.fit(table)
