"""Tests of Parquet files: streaming, column selection, corrupt files."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

import evenly
from evenly.sources import open_source
from small_blocks import use_block_sizes


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.parquet"


def write(table, path, **options):
    pa.parquet.write_table(table, path, **options)
    return path


def test_row_count_and_size_are_known(path):
    write(pa.table({"x": np.arange(100)}), path, row_group_size=7)
    seen = []
    evenly.fit(path, progress=seen.append)
    assert (seen[-1].rows, seen[-1].total_rows) == (100, 100)
    assert seen[-1].total_bytes == path.stat().st_size
    assert 0.9 * seen[-1].total_bytes < seen[-1].bytes <= seen[-1].total_bytes
    assert seen[-1].place == str(path)


def test_batch_size_with_large_row_groups(path):
    write(pa.table({"x": np.arange(300_000.0)}), path, row_group_size=300_000)
    assert max(block.rows for block in open_source(path).blocks()) <= 2**16


def test_unselected_columns_are_not_read(path):
    """A corrupt page of an unselected text column is not an error."""
    table = pa.table({"x": np.arange(1000.0), "t": ["text"] * 1000})
    write(table, path, use_dictionary=False, compression="none")
    data = bytearray(path.read_bytes())
    start = data.index(b"text")
    data[start - 40 : start] = b"\xff" * 40
    path.write_bytes(bytes(data))
    assert evenly.fit(path).rows == 1000


def test_pandas_index_is_not_a_column(path):
    frame = pd.DataFrame({"x": [1.0, 2.0]}, index=pd.Index([7, 9], name="key"))
    frame.to_parquet(path)
    source = open_source(path)
    assert evenly.fit(source).columns == ("x",)
    assert source.left_out == {"key": "index"}
    assert evenly.fit(path, columns=["key"]).mean.tolist() == [8.0]


def test_nested_columns_are_left_out_and_names_may_have_dots(path):
    write(pa.table({"a.b": [1.0], "s": [{"a": 1}], "l": [[1.0]], "d": [1.0]}), path)
    source = open_source(path)
    assert evenly.fit(source).columns == ("a.b", "d")
    assert source.left_out == {"s": "nested", "l": "nested"}


@pytest.mark.parametrize("keep", [4, 100, -1, -30])
def test_truncated_file_is_rejected(path, keep):
    write(pa.table({"x": np.arange(1000.0)}), path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(evenly.SourceError, match=f"must be complete.*{path}.*truncated or corrupt"):
        evenly.fit(path)


def test_corrupt_file_is_rejected(path):
    write(pa.table({"x": np.arange(1000.0)}), path, use_dictionary=False, compression="gzip")
    data = bytearray(path.read_bytes())
    data[100:200] = b"\xff" * 100
    path.write_bytes(bytes(data))
    with pytest.raises(evenly.SourceError, match="cannot be read"):
        evenly.fit(path)


def test_different_time_units_are_rejected(tmp_path):
    """A sum of microseconds and nanoseconds has no meaning."""
    for name, unit in (("a", "us"), ("b", "ns")):
        write(pa.table({"t": pa.array([1], pa.timestamp(unit))}), tmp_path / f"{name}.parquet")
    with pytest.raises(evenly.UnsupportedTypeError, match=r"timestamp\[us\] in .*a.parquet and"):
        evenly.fit(tmp_path, columns=["t"])


def test_file_without_rows_is_rejected(path):
    write(pa.table({"x": pa.array([], pa.float64())}), path)
    with pytest.raises(
        evenly.DataError, match=r"At least one row is needed. Received: .*x.parquet"
    ):
        evenly.fit(path)


def test_empty_file_among_others(tmp_path):
    write(pa.table({"x": pa.array([], pa.float64())}), tmp_path / "a.parquet")
    write(pa.table({"x": [1.0]}), tmp_path / "b.parquet")
    assert evenly.fit(tmp_path).rows == 1


def test_infinity_row_number_is_relative_to_file(tmp_path):
    write(pa.table({"x": np.zeros(100)}), tmp_path / "a.parquet")
    x = np.zeros(100)
    x[70] = np.inf
    write(pa.table({"x": x}), tmp_path / "b.parquet", row_group_size=20)
    with pytest.raises(evenly.DataError, match=r"column 'x', row 70 of .*b.parquet"):
        evenly.fit(tmp_path)


def test_column_chunks_cover_each_value_once(path, monkeypatch):
    """For any size of chunks and row groups, and any order of columns."""
    names = [f"c{i}" for i in range(7)]
    x = np.arange(7 * 1000, dtype=np.float64).reshape(1000, 7)
    write(pa.table(dict(zip(names, x.T, strict=True))), path, row_group_size=300)
    wanted = ["c5", "c0", "c3", "c1"]
    whole = evenly.fit(x[:, [5, 0, 3, 1]])
    for chunk_bytes, chunk_rows in [(1, 7), (4000, 100), (2**20, 2**17)]:
        use_block_sizes(monkeypatch, parquet_chunk_bytes=chunk_bytes, parquet_chunk_rows=chunk_rows)
        for threads in (1, 3):
            found = evenly.fit(path, columns=wanted, threads=threads)
            assert found.columns == tuple(wanted)
            assert found.rows == 1000
            assert list(found.sum) == list(whole.sum)
            assert list(found.sum_of_squares) == list(whole.sum_of_squares)


@pytest.mark.parametrize("threads", [1, 2])
def test_infinity_row_number_with_threads(path, threads):
    x = np.zeros(1000)
    x[[450, 950]] = np.inf
    write(pa.table({"a": np.zeros(1000), "b": x}), path, row_group_size=100)
    with pytest.raises(evenly.DataError, match=r"infinity in column 'b', row 450 of .*x\.parquet"):
        evenly.fit(path, threads=threads)


@pytest.mark.parametrize("threads", [1, 2])
def test_progress_counts_rows_and_bytes(path, threads):
    write(pa.table({"a": np.zeros(1000), "b": np.ones(1000)}), path, row_group_size=100)
    heard = []
    evenly.fit(path, threads=threads, progress=heard.append)
    assert [step.rows for step in heard] == sorted(step.rows for step in heard)
    assert heard[-1].rows == heard[-1].total_rows == 1000
    assert 0.9 * path.stat().st_size < heard[-1].bytes <= path.stat().st_size
