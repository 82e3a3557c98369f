"""Columns that evenly apply copies: their types in CSV files, and types that differ by file."""

import datetime
import io
import uuid

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import evenly
from evenly.apply import apply
from evenly.sinks import open_sink

NUMBERS = [uuid.UUID(int=i) for i in range(2)]
MOMENTS = evenly.fit(pa.table({"x": [1.0, 3.0]}))


def extension(kind, storage):
    return pa.ExtensionArray.from_storage(kind, storage)


@pytest.mark.parametrize(
    ("column", "written"),
    [
        (pa.array(["a", None], pa.string_view()), ["a", ""]),
        (pa.array([b"a", b"b" * 20], pa.binary_view()), ["a", "b" * 20]),
        (pa.array([x.bytes for x in NUMBERS], pa.binary(16)).cast(pa.uuid()), map(str, NUMBERS)),
        (extension(pa.json_(), pa.array(["{}", None])), ["{}", ""]),
        (extension(pa.json_(pa.string_view()), pa.array(["1", "2"], pa.string_view())), ["1", "2"]),
        (extension(pa.bool8(), pa.array([1, 0], pa.int8())), ["true", "false"]),
        (extension(pa.opaque(pa.string(), "numeric", "x"), pa.array(["1.50", None])), ["1.50", ""]),
        (pyarrow.compute.run_end_encode(pa.array(["a", "a"])), ["a", "a"]),
    ],
    ids=lambda x: str(getattr(x, "type", "")),
)
def test_columns_are_written_to_csv(column, written, tmp_path):
    with open_sink(file := io.BytesIO(), ".csv") as sink:
        sink.write(pa.record_batch({"v": column, "x": [1.0, 2.0]}))
        sink.write(pa.record_batch({"v": column, "x": [1.0, 2.0]}))
    options = pyarrow.csv.ConvertOptions(column_types={"v": pa.string()})
    table = pyarrow.csv.read_csv(pa.BufferReader(file.getvalue()), convert_options=options)
    assert table["v"].to_pylist() == [*written] * 2


@pytest.mark.parametrize(
    ("suffix", "column", "why"),
    [
        (".csv", pa.array([[1], [2]]), "column 'v': Unsupported Type:list<item: int64>"),
        (".csv", pa.array([b"\xff", b""]), "column 'v': Invalid UTF8 payload"),
        (".parquet", pa.array([(1, 2, 3), None], pa.month_day_nano_interval()), "column 'v': Unh"),
    ],
)
def test_error_names_the_column_that_the_format_cannot_represent(suffix, column, why):
    batch = pa.record_batch({"x": [1.0, 2.0], "v": column, "y": [1, 2]})
    refused = pytest.raises(evenly.UnsupportedTypeError)
    with refused as error, open_sink(io.BytesIO(), suffix) as sink:
        sink.write(batch)
    rule = f"A {suffix} file must be able to represent every column. Received: "
    assert rule + why in str(error.value)


def apply_two(first, second, tmp_path):
    """Write two files with columns x and v, apply moments to both, and return the result."""
    for name, column, kind in (("a", first, pa.float32()), ("b", second, pa.float64())):
        table = pa.table({"x": pa.array([1, 3], kind), "v": column})
        pq.write_table(table, tmp_path / f"{name}.parquet")
    apply(MOMENTS, f"{tmp_path}/[ab].parquet", str(tmp_path / "y.parquet"))
    return pq.read_table(tmp_path / "y.parquet")


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        (pa.array([1, 2], pa.float32()), pa.array([0.1, np.nan]), "it would round or overflow"),
        (pa.array([1, 2], pa.float16()), pa.array([1e5, 1]), "it would round or overflow floats"),
        (pa.array([1, 2], pa.int32()), pa.array([2**40, 1]), "Integer value 1099511627776 not in"),
        (
            pa.array([1, 2], pa.timestamp("ms", "Europe/Berlin")),
            pa.array([1, 2], pa.timestamp("ms")),
            "only one of them has a time zone",
        ),
    ],
)
def test_copied_columns_are_never_changed_by_the_type_in_an_earlier_file(
    first, second, why, tmp_path
):
    with pytest.raises(evenly.UnsupportedTypeError) as refused:
        apply_two(first, second, tmp_path)
    message = str(refused.value)
    assert message.startswith(
        f"All files of a source must have the same types. Received: column 'v' as {first.type}, "
        f"and then as {second.type}, which cannot be converted: {why}"
    )
    assert not (tmp_path / "y.parquet").exists()


def test_types_of_later_files_are_converted_where_no_value_changes(tmp_path):
    table = apply_two(pa.array([1, 2], pa.float32()), pa.array([0.5, np.inf]), tmp_path)
    assert table["v"].to_pylist() == [1, 2, 0.5, np.inf]
    assert table["x"].to_pylist() == [-1, 1, -1, 1]  # rounded to float32 as in the first file
    assert table["x"].type == pa.float32()
    zone = datetime.UTC
    times = [pa.array([1, 2], pa.timestamp("ms", tz)) for tz in ("Europe/Berlin", "UTC")]
    table = apply_two(*times, tmp_path)
    assert table["v"].to_pylist()[2:] == [
        datetime.datetime.fromtimestamp(x / 1000, zone) for x in (1, 2)
    ]
