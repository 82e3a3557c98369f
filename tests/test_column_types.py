"""Every type of column: what is fitted is normalized, with the right values, and comes back."""

import datetime
import math
from decimal import Decimal
from fractions import Fraction

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evenly

DAY, HOUR = datetime.date(1970, 1, 1), 3600
SMALL = [3, None, 1, 7, 1]
DECIMALS = [Decimal("2.50"), None, Decimal("-0.25"), Decimal("7.00"), Decimal("7.00")]
INTS = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")


def whole(start):
    """Return integers near a number, with a missing one."""
    return [start, None, start + 1, start + 5, start + 1]


def times(unit):
    return [None if x is None else np.datetime64(x, unit) for x in whole(1_700_000_000)]


def pandas_series():
    yield "float64", pd.Series([1.5, None, 2.5, 7.0]), [1.5, None, 2.5, 7]
    yield "float32", pd.Series([1.5, None, 2.5], dtype="float32"), [1.5, None, 2.5]
    yield "float16", pd.Series([1.5, 2.5, 7.0], dtype="float16"), [1.5, 2.5, 7]
    yield "int64", pd.Series([2**53 + 1, 2**53 + 2, 2**53 + 9]), [2**53 + 1, 2**53 + 2, 2**53 + 9]
    yield "bool", pd.Series([True, False, True]), [1, 0, 1]
    for name in INTS:
        yield name, pd.Series(SMALL, dtype=name), SMALL
    yield "Int64 of 2**62", pd.Series(whole(2**62), dtype="Int64"), whole(2**62)
    yield "Float64", pd.Series([1.5, None, 2.5], dtype="Float64"), [1.5, None, 2.5]
    yield "boolean", pd.Series([True, None, False], dtype="boolean"), [1, None, 0]
    yield "objects of int", pd.Series(whole(2**62), dtype=object), whole(2**62)
    yield "objects of uint64", pd.Series(whole(2**63), dtype=object), whole(2**63)
    yield "objects of Decimal", pd.Series(DECIMALS, dtype=object), DECIMALS
    yield "objects of bool", pd.Series([True, None, False], dtype=object), [1, None, 0]
    mixed = [1, 2.5, None, Decimal("0.5"), np.float32(4)]
    yield "objects of several types", pd.Series(mixed, dtype=object), mixed
    yield "categories of int", pd.Series(pd.Categorical(SMALL)), SMALL
    yield "categories of Decimal", pd.Series(pd.Categorical(DECIMALS)), DECIMALS
    yield "Sparse", pd.Series(pd.arrays.SparseArray([0.0, 0.0, 3.5, math.nan])), [0, 0, 3.5, None]
    yield "Sparse of int", pd.Series(pd.arrays.SparseArray([0, 0, 3])), [0, 0, 3]
    for name, array, values in arrow_arrays():
        yield f"Arrow {name}", pd.Series(pd.arrays.ArrowExtensionArray(array)), values


def pandas_times():
    moments = pd.to_datetime(pd.Series(whole(1_700_000_000), dtype="Int64"), unit="s")
    seconds = whole(1_700_000_000)
    for unit in ("s", "ms", "us", "ns"):
        factor = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
        values = [None if x is None else x * factor for x in seconds]
        yield f"datetime64[{unit}]", moments.astype(f"datetime64[{unit}]"), values
        zoned = moments.dt.tz_localize("UTC").dt.tz_convert("Europe/Paris").dt.as_unit(unit)
        yield f"datetime64[{unit}] with a zone", zoned, values
    spans = pd.Series(pd.to_timedelta([1, None, 3], unit="s")).astype("timedelta64[ms]")
    yield "timedelta64", spans, [1000, None, 3000]
    for name, array, values in arrow_times():
        yield f"Arrow {name}", pd.Series(pd.arrays.ArrowExtensionArray(array)), values


def arrow_arrays():
    for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint64()):
        yield str(kind), pa.chunked_array([pa.array(SMALL, kind)]), SMALL
    for kind in (pa.float16(), pa.float32(), pa.float64()):
        values = [None if x is None else np.float16(x) for x in SMALL]
        yield str(kind), pa.chunked_array([pa.array(values, kind)]), SMALL
    yield "bool", pa.chunked_array([[True, None], [False]]), [1, None, 0]
    small, large = (pa.decimal32(5, 2), pa.decimal64(9, 2)), pa.decimal256(50, 2)
    for kind in (*small, pa.decimal128(20, 2), large):
        yield str(kind), pa.chunked_array([pa.array(DECIMALS, kind)]), DECIMALS
    wide = [None if x is None else Decimal(x) for x in whole(2**62)]
    yield "decimal128 of scale 0", pa.chunked_array([pa.array(wide, pa.decimal128(38, 0))]), wide
    yield "dictionary", pa.chunked_array([pa.array(SMALL).dictionary_encode()]), SMALL


def arrow_times():
    for unit in ("s", "ms", "us", "ns"):
        numbers = pa.array(SMALL, pa.int64())
        yield f"timestamp[{unit}]", pa.chunked_array([numbers.cast(pa.timestamp(unit))]), SMALL
        yield f"duration[{unit}]", pa.chunked_array([numbers.cast(pa.duration(unit))]), SMALL
    yield "date32", pa.chunked_array([pa.array(SMALL, pa.int32()).cast(pa.date32())]), SMALL
    yield "time32", pa.chunked_array([pa.array(SMALL, pa.int32()).cast(pa.time32("s"))]), SMALL
    yield "time64", pa.chunked_array([pa.array(SMALL, pa.int64()).cast(pa.time64("ns"))]), SMALL


def runs():
    """Yield arrays that pandas cannot hold."""
    for kind in (pa.int16(), pa.int32(), pa.int64()):
        array = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3, 5], kind), [4, None, 7])
        yield f"runs that end at {kind}", array, [4, 4, None, 7, 7]
        yield f"a slice of runs that end at {kind}", array.slice(1, 3), [4, None, 7]


def polars_series():
    for name in (*INTS, "Int128", "UInt128", "Float32", "Float64"):
        yield name, pl.Series(SMALL, dtype=getattr(pl, name)), SMALL
    yield "Int128 of 2**62", pl.Series(whole(2**62), dtype=pl.Int128), whole(2**62)
    large = [2**126, None, 2**125]
    yield "Int128 of 2**126", pl.Series(large, dtype=pl.Int128), large
    yield "Boolean", pl.Series([True, None, False]), [1, None, 0]
    yield "Decimal", pl.Series(DECIMALS, dtype=pl.Decimal(20, 2)), DECIMALS


def polars_times():
    for unit in ("ms", "us", "ns"):
        yield f"Datetime[{unit}]", pl.Series(SMALL).cast(pl.Datetime(unit)), SMALL
        yield f"Duration[{unit}]", pl.Series(SMALL).cast(pl.Duration(unit)), SMALL
    yield "Date", pl.Series(SMALL).cast(pl.Int32).cast(pl.Date), SMALL
    yield "Time", pl.Series(SMALL).cast(pl.Time), SMALL


def as_series(make):
    return {f"{name}": (x, values) for name, x, values in make()}


NUMBERS = {
    **{f"pandas {name}": case for name, case in as_series(pandas_series).items()},
    **{f"pyarrow {name}": case for name, case in as_series(arrow_arrays).items()},
    **{f"pyarrow {name}": case for name, case in as_series(runs).items()},
    **{f"polars {name}": case for name, case in as_series(polars_series).items()},
}
TIMES = {
    **{f"pandas {name}": case for name, case in as_series(pandas_times).items()},
    **{f"pyarrow {name}": case for name, case in as_series(arrow_times).items()},
    **{f"polars {name}": case for name, case in as_series(polars_times).items()},
}
CASES = NUMBERS | TIMES


def frames(series):
    """Return frames with a column x of these values, and a text column."""
    text = ["text"] * len(series)
    if isinstance(series, pd.Series):
        return [pd.DataFrame({"t": text, "x": series}).set_axis(range(7, 7 + len(series)))]
    if isinstance(series, pl.Series):
        frame = pl.DataFrame({"t": text, "x": series})
        return [frame, frame.lazy()]
    table = pa.table({"t": text, "x": series})
    return [table, table.combine_chunks().to_batches()[0]]


def values_of(x):
    """Return the column x of a frame, or a series, as a list with None for missing values."""
    if isinstance(x, pl.LazyFrame):
        x = x.collect()
    if not isinstance(x, pd.Series | pl.Series | pa.Array | pa.ChunkedArray):
        x = x["x"]
    found = x.to_pylist() if hasattr(x, "to_pylist") else x.tolist() if hasattr(x, "tolist") else x
    found = found.to_list() if hasattr(found, "to_list") else found
    return [None if v is None or v is pd.NA or v != v else v for v in found]


def nearest(value):
    """Return the number that is fitted: integers of 64 bits are exact, others are rounded."""
    exact = Fraction(value) if not isinstance(value, np.floating) else Fraction(float(value))
    fits = exact.denominator == 1 and -(2**63) <= exact < 2**64
    return exact if fits else Fraction(float(exact))


def exact_results(values):
    """Return the mean, and each value normalized, as fractions with a root of 200 bits."""
    present = [nearest(v) for v in values if v is not None]
    mean = sum(present) / len(present)
    variance = sum((v - mean) ** 2 for v in present) / len(present)
    std = Fraction(math.isqrt(int(variance * 4**400)), 2**400)
    return mean, std, [None if v is None else (nearest(v) - mean) / std for v in values]


def assert_near(found, expected, bits, size=1):
    assert [v is None for v in found] == [v is None for v in expected]
    for y, true in zip(found, expected, strict=True):
        if true is not None:
            assert abs(Fraction(y) - true) <= (abs(true) + size) * Fraction(1, 2**bits), (y, true)


@pytest.mark.parametrize("name", CASES)
def test_column_of_a_frame_is_fitted_and_normalized(name):
    series, values = CASES[name]
    mean, _, normalized = exact_results(values)
    for frame in frames(series):
        moments = evenly.fit(frame, columns=["x"] if name in TIMES else None)
        assert moments.columns == ("x",)
        assert moments.sum[0] == mean * (len(values) - values.count(None))
        assert moments.missing.tolist() == [values.count(None)]
        result = moments.normalize(frame, dtype="float64")
        assert type(result) is type(frame)
        assert_near(values_of(result), normalized, 45)
        back = moments.denormalize(result, dtype="float64")
        assert_near(values_of(back), [None if v is None else nearest(v) for v in values], 45, mean)


@pytest.mark.parametrize("name", CASES)
def test_series_comes_back(name):
    series, values = CASES[name]
    if name in NUMBERS:
        moments = evenly.fit(series)
    else:
        moments = evenly.fit(frames(series)[0], columns=["x"])
    result = moments.normalize(series, dtype="float64")
    is_encoded = isinstance(series, pa.RunEndEncodedArray)
    assert type(result) is (pa.DoubleArray if is_encoded else type(series))
    assert_near(values_of(result), exact_results(values)[2], 45)


@pytest.mark.parametrize("name", CASES)
def test_result_is_float32_only_for_types_that_it_holds(name):
    series, _ = CASES[name]
    small = ("int8", "int16", "uint8", "uint16", "float16", "float32", "float", "halffloat")
    kind = name.split(" ", 1)[1].removeprefix("Arrow ").lower()
    expected = "float32" if kind in (*small, "bool", "boolean") else "float64"
    frame = frames(series)[0]
    result = evenly.fit(frame, columns=["x"]).normalize(frame)["x"]
    found = str(getattr(result, "dtype", None) or result.type).lower()
    found = {"float": "float32", "float[pyarrow]": "float32"}.get(found, found)
    assert found.replace("double", "float64").removesuffix("[pyarrow]") == expected


@pytest.mark.parametrize("name", NUMBERS)
def test_grouped_columns_are_normalized_like_whole_ones(name):
    series, values = NUMBERS[name]
    for frame in frames(series):
        if isinstance(frame, pl.LazyFrame):
            continue
        moments = evenly.fit(frame, by="t")
        result = moments.normalize(frame, dtype="float64")
        assert_near(values_of(result), exact_results(values)[2], 45)


DUCKDB = {
    "tinyint": SMALL,
    "hugeint": SMALL,
    "uhugeint": SMALL,
    "decimal(9, 2)": SMALL,
    "double": SMALL,
    "boolean": [1, None, 0, 1, 0],
}
DUCKDB_TIMES = {
    "timestamp_s": (1_700_000_000, "make_timestamp({}::bigint * 1000000)::timestamp_s"),
    "timestamp_ms": (1_700_000_000_000, "make_timestamp({} * 1000)::timestamp_ms"),
    "timestamp": (1_700_000_000_000_000, "make_timestamp({})"),
    "timestamp_ns": (1_700_000_000_000_000_000, "make_timestamp_ns({})"),
    "timestamptz": (1_700_000_000_000_000, "make_timestamp({})::timestamptz"),
    "date": (1000, "date '1970-01-01' + {}::integer"),
    "time": (1, "time '00:00' + {} * interval 1 microsecond"),
}


@pytest.mark.parametrize("kind", [*DUCKDB, *DUCKDB_TIMES])
def test_duckdb_column_is_normalized_as_it_is_fitted(kind):
    values, expression = DUCKDB.get(kind), "{}::" + kind
    if values is None:
        start, expression = DUCKDB_TIMES[kind]
        values = whole(start)
    rows = ", ".join(f"({'null' if v is None else expression.format(v)})" for v in values)
    relation = duckdb.connect().sql(f"set timezone = 'UTC'; select * from (values {rows}) as r(x)")
    moments = evenly.fit(relation, columns=["x"])
    mean, _, normalized = exact_results(values)
    assert moments.sum[0] == mean * 4
    result = moments.normalize(relation, dtype="float64")
    assert isinstance(result, duckdb.DuckDBPyRelation)
    found = [row[0] for row in result.fetchall()]
    assert_near(found, normalized, 40)


def test_decimals_are_rounded_once_each():
    values = [Decimal("0.1"), Decimal("0.2"), Decimal("12345678901234567890.123")]
    series = pd.Series(values, dtype=object)
    assert evenly.fit(series).sum[0] == sum(Fraction(float(v)) for v in values)


@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=20))
@settings(max_examples=40)
def test_objects_of_integers_are_exact(values):
    if all(v is None for v in values):
        values = [*values, 0]
    moments = evenly.fit(pd.Series(values, dtype=object, name="x"))
    assert moments.sum[0] == sum(v for v in values if v is not None)


def test_number_beyond_float64_is_refused():
    with pytest.raises(evenly.DataError, match=r"integer of 3,322 bits in column 'x'. Correct it"):
        evenly.fit(pd.DataFrame({"x": pd.Series([10**1000, 1], dtype=object)}))


def test_objects_that_are_text_are_left_out_visibly():
    frame = pd.DataFrame(
        {
            "text": pd.Series(["1", None], dtype=object),
            "late": pd.Series([1, "a"], dtype=object),
            "days": pd.Series([DAY, DAY], dtype=object),
            "nothing": pd.Series([None, float("nan")], dtype=object),
            "category": pd.Categorical(["a", "b"]),
            "complex": np.array([1j, 2j]),
            "x": [1.0, 2.0],
        }
    )
    moments = evenly.fit(frame)
    assert moments.columns == ("x",)
    assert moments.left_out == {
        "text": "text",
        "late": "object",
        "days": "object",
        "category": "category",
        "complex": "complex128",
        "nothing": "no values",
    }
    assert list(moments.normalize(frame).columns) == list(frame.columns)


METADATA = [
    {"ADBC:postgresql:typname": "numeric"},
    {
        "ARROW:extension:name": "arrow.opaque",
        "ARROW:extension:metadata": '{"type_name": "numeric", "vendor_name": "PostgreSQL"}',
    },
]


@pytest.mark.parametrize("metadata", METADATA)
def test_numeric_of_postgresql_is_read_from_text(metadata):
    """ADBC's driver has no type for it: https://arrow.apache.org/adbc, PostgreSQL, numeric."""
    schema = pa.schema([pa.field("x", pa.string(), metadata=metadata), pa.field("t", pa.string())])
    values = ["12.50", None, "NaN", "4611686018427387905"]
    table = pa.table([values, ["1"] * 4], schema=schema)
    moments = evenly.fit(table)
    assert moments.columns == ("x",)
    assert moments.sum == [Fraction(25, 2) + 2**62 + 1]
    assert moments.missing.tolist() == [2]
    assert moments.left_out == {"t": "text"}
    assert type(moments.normalize(table)) is pa.Table


def test_text_that_replaces_numbers_is_refused():
    moments = evenly.fit(pd.DataFrame({"x": pd.Series([1, None], dtype=object)}))
    message = r"Only numbers, booleans and times.*column 'x' of type object. Convert it, or leave"
    with pytest.raises(evenly.UnsupportedTypeError, match=message):
        moments.normalize(pd.DataFrame({"x": pd.Series([1, "a"], dtype=object)}))
