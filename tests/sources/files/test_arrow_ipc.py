"""Tests of Arrow IPC files and streams."""

import contextlib
import io
import os

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pytest

import evenly
from evenly.sources import open_source
from evenly.sources.files.arrow_ipc import IpcFileTable
from evenly.sources.files.arrow_messages import FileCheck


@pytest.fixture
def table():
    x = pa.array(np.arange(1000.0)).slice(0, 1000)
    return pa.table({"x": x, "t": ["text"] * 1000, "b": [True, None] * 500})


@pytest.fixture(params=["file", "compressed file", "stream"])
def path(request, table, tmp_path):
    if request.param == "stream":
        path = tmp_path / "x.arrows"
        with pa.ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=100)
    else:
        path = tmp_path / "x.arrow"
        compression = "zstd" if "compressed" in request.param else "uncompressed"
        pa.feather.write_feather(table, path, compression=compression, chunksize=100)
    return path


def test_read_selected_columns(path):
    source = open_source(path)
    moments = evenly.fit(source)
    assert moments.columns == ("x", "b")
    assert moments.count.tolist() == [1000, 500]
    assert source.left_out == {"t": "text"}


def test_progress_ends_at_file_size(path):
    seen = []
    evenly.fit(path, progress=seen.append)
    assert 0.8 * seen[-1].total_bytes < seen[-1].bytes <= seen[-1].total_bytes


@pytest.mark.parametrize("keep", [0.05, 0.5, 0.9])
def test_truncated_file_is_rejected(path, keep):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(evenly.SourceError, match=r"must be complete.*truncated or corrupt"):
        evenly.fit(path)


def test_feather_version_1_is_rejected(tmp_path):
    (tmp_path / "x.feather").write_bytes(b"FEA1" + b"\0" * 100)
    with pytest.raises(evenly.SourceError, match="Feather must be of version 2"):
        evenly.fit(tmp_path / "x.feather")


def test_compressed_arrow_file_is_rejected(tmp_path, table):
    import gzip

    pa.feather.write_feather(table, tmp_path / "x.feather")
    path = tmp_path / "x.feather.gz"
    path.write_bytes(gzip.compress((tmp_path / "x.feather").read_bytes()))
    with pytest.raises(evenly.SourceError, match=r"CSV, NPY and Arrow streams.*Decompress it"):
        evenly.fit(path)


def test_unselected_columns_are_not_read(tmp_path):
    wide = pa.table({"x": np.arange(1000.0), "t": ["a" * 10_000] * 1000})
    pa.feather.write_feather(wide, tmp_path / "x.arrow", compression="uncompressed")
    with _Counted(tmp_path / "x.arrow") as file:
        (piece,) = IpcFileTable(file, "x.arrow", None).column_batches(("x",))
    assert (piece.columns[0].values == np.arange(1000.0)).all()
    assert file.bytes < 20_000


class _Counted(io.FileIO):
    """A file that counts the bytes read."""

    bytes = 0

    def read(self, size=-1):
        data = super().read(size)
        self.bytes += len(data)
        return data


def test_two_batches_are_in_memory(tmp_path):
    table = pa.table({"x": np.zeros(1_000_000)})
    pa.feather.write_feather(table, tmp_path / "x.arrow", compression="lz4", chunksize=20_000)
    del table
    before = pa.total_allocated_bytes()
    for block in open_source(tmp_path / "x.arrow").blocks():
        assert block.rows == 20_000
        assert pa.total_allocated_bytes() - before < 4 * 160_000


@pytest.mark.parametrize("compression", ["uncompressed", "lz4"])
def test_file_truncated_while_reading_is_an_error(tmp_path, compression):
    path = tmp_path / "x.arrow"
    x = np.random.default_rng(0).normal(size=100_000)
    pa.feather.write_feather(pa.table({"x": x}), path, compression=compression, chunksize=10_000)
    blocks = open_source(path).blocks()
    first = next(blocks)
    os.truncate(path, 4096)
    with pytest.raises(evenly.SourceError, match=r"x\.arrow.*truncated"):
        list(blocks)
    assert (first.data[0].values == x[:10_000]).all()  # the data read so far does not change


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
@pytest.mark.parametrize("kind", ["file", "stream"])
@pytest.mark.parametrize("dictionary", [False, True])
def test_compressed_batches_beyond_size_limit_are_rejected(
    tmp_path, monkeypatch, kind, compression, dictionary
):
    """Zeros are compressed to a thousandth of their size."""
    values = pa.array(np.zeros(100_000))
    if dictionary:
        values = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), values)
    table = pa.table({"x": values})
    path = tmp_path / "x.arrow"
    options = pa.ipc.IpcWriteOptions(compression=compression)
    new = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
    with new(path, table.schema, options=options) as writer:
        writer.write_table(table)
    assert path.stat().st_size < 10_000
    monkeypatch.setenv("EVENLY_MAX_MEMBER_BYTES", "900000")
    assert evenly.fit(path).rows == len(table)
    monkeypatch.setenv("EVENLY_MAX_MEMBER_BYTES", "700000")
    with pytest.raises(
        evenly.SourceError,
        match=r"at most 700,000 bytes. Received: a record batch of .*x\.arrow, with 800,0\d\d. "
        "If you trust the file .* set EVENLY_MAX_MEMBER_BYTES=800",
    ):
        evenly.fit(path)


def test_corrupt_messages_raise_only_source_errors(table):
    """Every byte of the metadata can be corrupt."""
    buffer = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_file(buffer, table.schema, options=options) as writer:
        writer.write_table(table)
    rng = np.random.default_rng(0)
    for _ in range(300):
        data = bytearray(buffer.getvalue())
        for place in rng.integers(8, len(data), 3):
            data[place] = rng.integers(256)
        with contextlib.suppress(evenly.SourceError):
            FileCheck(io.BytesIO(data), "x.arrow").check_batch(0)


@pytest.mark.parametrize("options", [{}, {"by": "k"}, {"weights": "w"}], ids=str)
@pytest.mark.parametrize("empty", [0, 1, 2])
@pytest.mark.parametrize("create", [pa.ipc.new_file, pa.ipc.new_stream])
def test_batches_without_rows(tmp_path, create, empty, options):
    # A table whose chunks have no rows is written with such batches; the first fit of one ended
    # in an UnboundLocalError.
    columns = {"x": [1.0, 2.0, 4.0], "w": [1, 2, 3], "k": ["a", "b", "a"]}
    (whole,) = pa.table(columns).to_batches()
    batches = [whole.slice(0, 1), whole.slice(1)]
    batches.insert(empty, whole.slice(0, 0))
    with create(tmp_path / "x.arrow", whole.schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    expected = evenly.fit(whole, columns=["x"], **options)
    assert evenly.fit(tmp_path / "x.arrow", columns=["x"], **options) == expected
