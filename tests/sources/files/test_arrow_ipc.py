"""Arrow IPC files and streams: mapped or streamed, whole or refused."""

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pytest

import evenly
from evenly.sources import open_source


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


def test_columns_are_projected(path):
    source = open_source(path)
    moments = evenly.fit(source)
    assert moments.columns == ("x", "b")
    assert moments.count.tolist() == [1000, 500]
    assert source.left_out == {"t": "text"}


def test_progress_ends_at_the_size_of_the_file(path):
    seen = []
    evenly.fit(path, progress=seen.append)
    assert 0.8 * seen[-1].total_bytes < seen[-1].bytes <= seen[-1].total_bytes


@pytest.mark.parametrize("keep", [0.05, 0.5, 0.9])
def test_a_truncated_file_is_refused(path, keep):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(evenly.SourceError, match=r"must be whole.*truncated or damaged"):
        evenly.fit(path)


def test_feather_of_version_1_is_refused(tmp_path):
    (tmp_path / "x.feather").write_bytes(b"FEA1" + b"\0" * 100)
    with pytest.raises(evenly.SourceError, match="Feather must be of version 2"):
        evenly.fit(tmp_path / "x.feather")


def test_a_compressed_archive_of_a_file_is_refused(tmp_path, table):
    import gzip

    pa.feather.write_feather(table, tmp_path / "x.feather")
    path = tmp_path / "x.feather.gz"
    path.write_bytes(gzip.compress((tmp_path / "x.feather").read_bytes()))
    with pytest.raises(evenly.SourceError, match=r"CSV, NPY and Arrow streams.*Decompress it"):
        evenly.fit(path)


def test_a_file_that_is_not_compressed_is_used_where_it_lies(tmp_path):
    """Of PyArrow's two ways, a projection would copy the columns."""
    table = pa.table({"x": np.zeros(1_000_000), "y": np.zeros(1_000_000), "t": ["a"] * 1_000_000})
    pa.feather.write_feather(table, tmp_path / "x.arrow", compression="uncompressed")
    del table
    before = pa.total_allocated_bytes()
    for block in open_source(tmp_path / "x.arrow").blocks():
        assert block.data[0].values[0] == 0.0
        assert pa.total_allocated_bytes() - before < 1_000_000
