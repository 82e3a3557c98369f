"""Tests of Arrow data with invalid lengths, offsets, codes or types."""

import io
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

import evenly
from evenly.apply import apply
from evenly.errors import DataError, SourceError

ROWS = 777
TABLE = pa.table({"a": pa.array([1.0] * ROWS), "s": pa.array(["x", "yy", "zzz"] * (ROWS // 3))})
LENGTHS = [1_200, 20_000, 10**8]
SOURCES = Path(evenly.__file__).parent / "sources"


def written(new, table=TABLE):
    sink = io.BytesIO()
    with new(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def with_rows(new, rows):
    """Return a file whose header declares a wrong number of rows."""
    return written(new).replace(ROWS.to_bytes(8, "little"), rows.to_bytes(8, "little"))


@pytest.fixture(params=[".arrow", ".arrows"])
def new(request):
    return pa.ipc.new_file if request.param == ".arrow" else pa.ipc.new_stream


@pytest.mark.parametrize("rows", LENGTHS)
@pytest.mark.parametrize("by", [None, "s"])
def test_file_with_too_many_rows_is_rejected(tmp_path, new, rows, by):
    path = tmp_path / "x.arrow"
    path.write_bytes(with_rows(new, rows))
    with pytest.raises(evenly.SourceError) as error:
        evenly.fit(path, columns=["a"], by=by)
    assert str(error.value).startswith(
        f"Arrow data must be valid. Received: column 'a' of {path}: Buffer #1 too small"
    )


@pytest.mark.parametrize("rows", LENGTHS)
def test_apply_to_file_with_too_many_rows_is_rejected(tmp_path, new, rows):
    path = tmp_path / "x.arrow"
    path.write_bytes(with_rows(new, rows))
    moments = evenly.fit(TABLE)
    with pytest.raises(evenly.SourceError, match=r"column 'a' of .*x\.arrow: Buffer #1 too"):
        apply(moments, str(path), str(tmp_path / "y.csv"))
    assert not (tmp_path / "y.csv").exists()


@pytest.mark.parametrize("form", ["table", "batch", "reader", "column", "batches", "keys"])
def test_frames_with_too_many_rows_are_rejected(form):
    reader = pa.ipc.open_stream(with_rows(pa.ipc.new_stream, 20_000))
    options = {}
    if form == "reader":
        source = reader
    else:
        batch = reader.read_next_batch()
        table = pa.Table.from_batches([batch])
        source = {"table": table, "batch": batch, "column": batch["a"], "batches": [table]}.get(
            form
        )
        if form == "keys":
            source, options = np.ones(20_000), {"by": batch["s"]}
    with pytest.raises(evenly.DataError, match=r"Arrow data must be valid.*Buffer #1 too"):
        evenly.fit(source, **options)


def test_pandas_arrow_columns_are_validated():
    import pandas as pd

    batch = pa.ipc.open_stream(with_rows(pa.ipc.new_stream, 20_000)).read_next_batch()
    frame = pd.DataFrame({"a": pd.arrays.ArrowExtensionArray(pa.chunked_array([batch["a"]]))})
    with pytest.raises(evenly.DataError, match="column 'a' of the frame: Buffer #1 too small"):
        evenly.fit(frame)


def test_datasets_are_validated(tmp_path):
    datasets = pytest.importorskip("datasets")
    path = tmp_path / "x.arrow"
    path.write_bytes(with_rows(pa.ipc.new_stream, 20_000))
    table = pa.ipc.open_stream(path.read_bytes()).read_all()
    dataset = datasets.Dataset(datasets.table.InMemoryTable(table), fingerprint="x")
    with pytest.raises(evenly.DataError, match="column 'a' of the Dataset: Buffer #1 too small"):
        evenly.fit(dataset, columns=["a"])


def texts(offsets, data=b"abc", dtype=np.int32, kind=None):
    buffers = [None, pa.py_buffer(np.array(offsets, dtype)), pa.py_buffer(data)]
    return pa.Array.from_buffers(kind or pa.string(), len(offsets) - 1, buffers)


@pytest.mark.parametrize("offsets", [[0, 5, 3, 3], [0, -1_000_000, 2, 3], [0, 2, 1, 3]])
def test_decreasing_string_offsets_are_rejected(offsets):
    table = pa.table({"x": [1.0, 2.0, 3.0], "s": texts(offsets)})
    with pytest.raises(
        evenly.DataError, match="column 's' of the table: a text must lie within its buffer"
    ):
        evenly.fit(table, by="s")


@pytest.mark.parametrize(
    "view", [[300, 0, 0, 0], [20, 0, 1, 0], [20, 0, 0, 2], [20, 0, 0, -1], [-1, 0, 0, 0]]
)
def test_string_views_out_of_bounds_are_rejected(view):
    views = np.array([view, [1, 97, 0, 0]], np.int32)
    buffers = [None, pa.py_buffer(views), pa.py_buffer(b"a text of twenty one.")]
    column = pa.Array.from_buffers(pa.string_view(), 2, buffers)
    with pytest.raises(evenly.DataError, match="must lie within its buffer"):
        evenly.fit(pa.table({"x": [1.0, 2.0], "s": column}), by="s")


@pytest.mark.parametrize("code", [3, -1, 127])
@pytest.mark.parametrize("entries", [["a", "b", "c"], [1.0, 2.0, 3.0]])
def test_dictionary_code_out_of_range_is_rejected(code, entries):
    codes = pa.array([0, code, 2], pa.int8())
    column = pa.DictionaryArray.from_arrays(codes, pa.array(entries), safe=False)
    table = pa.table({"x": [1.0, 2.0, 3.0], "c": column})
    for options in [{"by": "c"}, *([{"columns": ["c"]}] * isinstance(entries[0], float))]:
        with pytest.raises(
            evenly.DataError,
            match=f"column 'c' of the table: the code {code} in a dictionary of 3 entries",
        ):
            evenly.fit(table, **options)


def test_dictionary_code_of_null_row_is_ignored():
    codes = pa.Array.from_buffers(
        pa.int8(), 3, [pa.py_buffer(b"\x05"), pa.py_buffer(np.array([0, 99, 1], np.int8))]
    )
    column = pa.DictionaryArray.from_arrays(codes, pa.array([1.0, 3.0]), safe=False)
    moments = evenly.fit(pa.table({"c": column}))
    assert (moments.mean.tolist(), moments.missing.tolist()) == ([2.0], [1])


@pytest.mark.parametrize("scale", [2_000_000_000, -2_000_000_000, 39, -39])
@pytest.mark.parametrize("where", ["file", "table", "column"])
def test_decimal_scale_out_of_range_is_rejected(tmp_path, scale, where):
    words = pa.py_buffer(np.array([1, 0, 2, 0], "<u8"))
    column = pa.Array.from_buffers(pa.decimal128(20, scale), 2, [None, words])
    source, error = pa.table({"a": column}), evenly.DataError
    if where == "file":
        source, error = tmp_path / "x.arrow", evenly.SourceError
        source.write_bytes(written(pa.ipc.new_file, pa.table({"a": column})))
    if where == "column":
        source = column
    with pytest.raises(error, match=f"decimals of scale {scale}, where at most 38 is possible"):
        evenly.fit(source)


def test_largest_decimal_scale():
    column = pa.Array.from_buffers(
        pa.decimal128(38, 38), 1, [None, pa.py_buffer(np.array([10**18, 0], "<u8"))]
    )
    assert evenly.fit(pa.table({"a": column})).mean.tolist() == [1e-20]


@pytest.mark.parametrize("offsets", [[0, 2, 1, 4], [0, 2, 400, 4], [0, -2, 2, 4]])
def test_list_offsets_are_validated(offsets):
    datasets = pytest.importorskip("datasets")
    lists = pa.Array.from_buffers(
        pa.list_(pa.float64()),
        3,
        [None, pa.py_buffer(np.array(offsets, np.int32))],
        children=[pa.array([1.0, 2.0, 3.0, 4.0])],
    )
    table = datasets.table.InMemoryTable(pa.table({"v": lists}))
    dataset = datasets.Dataset(table, fingerprint="x")  # otherwise the library hashes the lists
    with pytest.raises(evenly.DataError, match="Arrow data must be valid"):
        evenly.fit(dataset, select="v")


def test_column_name_that_is_not_utf8_is_rejected(tmp_path):
    path = tmp_path / "x.arrow"
    stream = written(pa.ipc.new_stream, pa.table({"QQQQ": [1.0, 2.0]}))
    path.write_bytes(stream.replace(b"QQQQ", b"\xff\xffQQ"))
    for source, error, label in [
        (path, evenly.SourceError, path),
        (pa.ipc.open_stream(path.read_bytes()).read_all(), evenly.DataError, "the table"),
    ]:
        with pytest.raises(error) as caught:
            evenly.fit(source)
        assert str(caught.value) == (
            r"A column name must be UTF-8. Received: b'\xff\xffQQ' in "
            f"{label}. Rename it."
        )


def test_parquet_column_name_that_is_not_utf8_is_rejected(tmp_path):
    path = tmp_path / "x.parquet"
    pa.parquet.write_table(pa.table({"QQQQ": [1.0, 2.0]}), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"QQQQ", b"\xff\xffQQ"))
    with pytest.raises(evenly.SourceError, match=r"x\.parquet, which cannot be read: 'utf-8'"):
        evenly.fit(path)


def test_string_view_keys():
    """nanoarrow's stream of a single such array crashes the process."""
    keys = pa.array(["a text of twenty one.", "b", "b"], pa.string_view())
    assert evenly.fit([1.0, 2.0, 4.0], by=keys)["b"].mean.tolist() == [3.0]


def test_normalize_record_batch_with_float16_dictionary():
    """PyArrow cannot create an empty batch of that schema."""
    codes = pa.array([0, 1], pa.int32())
    halves = pa.array(np.array([1, 2], np.float16))
    column = pa.DictionaryArray.from_arrays(codes, halves)
    batch = pa.record_batch({"x": pa.array([1.0, 3.0]), "c": column})
    moments = evenly.fit(batch, columns=["x"])
    assert moments.normalize(batch)["x"].to_pylist() == [-1.0, 1.0]


def test_only_arrow_input_imports_arrow_arrays():
    """No data can bypass validation; the arrays of Pillow have no offsets."""
    modules = [
        str(path.relative_to(SOURCES))
        for path in SOURCES.rglob("*.py")
        if re.search(r"nanoarrow(\.c_array\(| import .*c_array)", path.read_text(encoding="utf-8"))
    ]
    assert sorted(modules) == ["arrow_input.py", "images/pixels.py"]


@pytest.mark.parametrize("form", ["table", "batch", "array", "by"])
def test_normalize_rejects_frames_with_too_many_rows(form):
    batch = pa.ipc.open_stream(with_rows(pa.ipc.new_stream, 2_000_000)).read_next_batch()
    moments = evenly.fit(TABLE, columns=["a"], by="s" if form == "by" else None)
    sources = {"batch": batch, "array": batch["a"]}
    with pytest.raises(evenly.DataError, match=r"Arrow data must be valid.*Buffer #1 too"):
        moments.normalize(sources.get(form, pa.Table.from_batches([batch])))


NUL = "(\0b"


@pytest.mark.parametrize("form", ["file", "stream", "table", "reader", "polars"])
def test_column_name_with_null_character_is_rejected(tmp_path, form):
    """The C data interface truncates the name, which may be that of another column."""
    polars = pytest.importorskip("polars")
    table = pa.table({NUL: [1.0], "(": [2.0]})
    path = str(tmp_path / ("x.arrow" if form == "file" else "x.arrows"))
    with (pa.ipc.new_file if form == "file" else pa.ipc.new_stream)(path, table.schema) as writer:
        writer.write_table(table)
    x = {
        "table": table,
        "reader": pa.RecordBatchReader.from_batches(table.schema, table.to_batches()),
        "polars": polars.DataFrame({NUL: [1.0]}),
    }.get(form, path)
    with pytest.raises((DataError, SourceError), match=r"U\+0000.*Received: '\(\\x00b'.*Rename"):
        evenly.fit(x)
