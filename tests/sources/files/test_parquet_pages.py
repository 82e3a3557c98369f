"""Tests of size limits of Parquet pages."""

import contextlib
import io

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evenly
from evenly import _core
from evenly.sources.files.parquet_pages import CheckedFile, PageCheck
from http_server import serving


def write(path, columns, **options):
    pq.write_table(pa.table(columns), path, **options)
    return path


@pytest.mark.parametrize("compression", ["zstd", "gzip", "snappy", "brotli", "lz4"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_page_beyond_size_limit_is_rejected(compression, version, tmp_path, monkeypatch):
    path = write(
        tmp_path / "x.parquet",
        {"big": np.zeros(2**18), "small": np.zeros(2**18, np.uint8)},
        compression=compression,
        data_page_version=version,
        data_page_size=2**30,
        max_rows_per_page=2**18,
        use_dictionary=False,
    )
    whole = evenly.fit(path)
    monkeypatch.setenv("EVENLY_MAX_MEMBER_BYTES", str(2**20 + 2**16))
    with pytest.raises(evenly.SourceError, match=r"column .big. has a page, with 2,097,1.*set"):
        evenly.fit(path)
    with pytest.raises(evenly.SourceError, match="column 'big' has a page"):
        evenly.fit(path, weights="small")
    assert evenly.fit(path, columns=["small"])["small"] == whole["small"]
    monkeypatch.setenv("EVENLY_MAX_MEMBER_BYTES", str(2**22))
    assert evenly.fit(path) == whole


@given(
    rows=st.integers(1, 3000),
    page=st.sampled_from([64, 1024, 2**20]),
    dictionary=st.booleans(),
    compression=st.sampled_from(["zstd", "none"]),
    index=st.booleans(),
)
def test_page_sizes_stop_at_end_of_chunk(
    rows, page, dictionary, compression, index, tmp_path_factory
):
    path = write(
        tmp_path_factory.getbasetemp() / "pages.parquet",
        {
            "x.y": np.arange(rows) % 7,
            "text": [f"{'long' * 200}{row}" for row in range(rows)],
            "lists": [{"a": [float(row)] * (row % 3)} for row in range(rows)],
        },
        data_page_size=page,
        use_dictionary=dictionary,
        compression=compression,
        write_page_index=index,
        write_statistics=True,
        row_group_size=1000,
    )
    metadata = pq.read_metadata(path)
    columns = [
        metadata.row_group(group).column(column)
        for group in range(metadata.num_row_groups)
        for column in range(metadata.num_columns)
    ]
    with open(path, "rb") as file:
        chunks = _core.parquet_chunks(file.fileno(), path.stat().st_size)
        for (start, stop, *sizes), column in zip(chunks, columns, strict=True):
            assert sizes == [column.total_uncompressed_size, column.num_values]
            assert start == (column.dictionary_page_offset or column.data_page_offset)
            assert stop - start == column.total_compressed_size
            size = _core.largest_parquet_page(file.fileno(), start, stop, 2**40)
            assert 0 < size <= column.total_uncompressed_size
    check = PageCheck(str(path), metadata, "x")
    for name in ("x.y", "text", "lists", "no such column"):
        check.check(0, [name])


@given(data=st.binary(max_size=60), size=st.integers(0, 70))
def test_page_headers_of_random_bytes_are_decoded_or_invalid(data, size, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "pages"
    path.write_bytes(data)
    with open(path, "rb") as file:
        largest = _core.largest_parquet_page(file.fileno(), 0, size, 2**40)
    assert -1 <= largest < 2**63


@given(data=st.data())
def test_corrupt_footers_are_refused(data, tmp_path_factory):
    path = write(
        tmp_path_factory.getbasetemp() / "footer.parquet",
        {"x": [1.0, None], "text": ["a", None]},
        write_page_index=True,
    )
    content = bytearray(path.read_bytes())
    footer = int.from_bytes(content[-8:-4], "little") + 8
    changes = st.lists(st.tuples(st.integers(1, footer), st.integers(0, 255)), max_size=3)
    for position, byte in data.draw(changes):
        content[-position] = byte
    path.write_bytes(content)
    with contextlib.suppress(evenly.errors.EvenlyError):
        evenly.fit(path, by="text")


@pytest.mark.parametrize("remote", [False, True])
@pytest.mark.parametrize(
    ("values", "levels", "shorter"),
    [
        ([1.0, None, 3.0], b"\x26\x02\x04", b"\x16\x82\x00"),
        ([{"a": 1.0}, None, {"a": 3.0}], b"\x36\x02\x00\x04", b"\x26\x02\x82\x00"),
    ],
    ids=["numbers", "structs"],
)
def test_size_statistics_that_do_not_match_the_schema_are_refused(
    values, levels, shorter, remote, tmp_path, memory
):
    """PyArrow ends the process when it returns the metadata of such a column chunk."""
    path = write(tmp_path / "x.parquet", {"y": [1.0] * 3, "x": values}, use_dictionary=False)
    content = path.read_bytes()
    # field 3 of SizeStatistics: the histogram of definition levels loses its last value
    start = content.rindex(b"\x19" + levels) + 1
    content = content[:start] + shorter + content[start + len(levels) :]
    path.write_bytes(content)
    memory.pipe("/x.parquet", content)
    source = "memory://x.parquet" if remote else path
    assert evenly.fit(source, columns=["y"]).count.tolist() == [3]
    with pytest.raises(evenly.EvenlyError, match="x\\.parquet"):
        evenly.fit(source, columns=["x"])


@pytest.mark.parametrize("remote", [False, True])
def test_nested_columns_are_read_in_batches_of_limited_size(remote, tmp_path, memory, monkeypatch):
    """Their size is known only from the footer."""
    rows = 4000
    lists = pa.array([[0.5] * 2000] * rows, pa.list_(pa.float64()))
    path = write(tmp_path / "x.parquet", {"x": np.arange(rows), "lists": lists})
    memory.pipe("/x.parquet", path.read_bytes())
    sizes = []
    read = pq.ParquetFile.iter_batches
    monkeypatch.setattr(
        pq.ParquetFile,
        "iter_batches",
        lambda file, rows, **options: sizes.append(rows) or read(file, rows, **options),
    )
    source = "memory://x.parquet" if remote else path
    assert evenly.fit(source, select="lists").count[0] == rows
    assert 0 < max(sizes) * 2000 * 8 < 64 * 2**20


def test_corrupt_page_header_names_file(tmp_path):
    path = write(tmp_path / "x.parquet", {"x": np.zeros(100)}, compression="zstd")
    offset = pq.read_metadata(path).row_group(0).column(0).data_page_offset
    content = bytearray(path.read_bytes())
    for byte in (b"\0", b"\xff" * 12, b"\x1d"):
        content[offset : offset + len(byte)] = byte
        path.write_bytes(content)
        with pytest.raises(evenly.SourceError, match="x\\.parquet"):
            evenly.fit(path, columns=["x"])


def test_page_larger_than_its_chunk_in_the_footer_is_refused(tmp_path, monkeypatch):
    path = write(tmp_path / "x.parquet", {"x": np.arange(100.0)}, compression="none")
    chunk = pq.read_metadata(path).row_group(0).column(0)
    start = chunk.dictionary_page_offset
    content = bytearray(path.read_bytes())
    assert content[start : start + 5] == b"\x15\x04\x15\xc0\x0c"  # a dictionary, of 800 bytes
    content[start + 3 : start + 5] = b"\xfe\x7f"
    path.write_bytes(content)
    assert chunk.total_uncompressed_size < 4096
    monkeypatch.setenv("EVENLY_MAX_MEMBER_BYTES", "4096")
    with pytest.raises(evenly.SourceError, match="column 'x' has a page, with 8,191"):
        evenly.fit(path)


def test_row_groups_without_rows_are_read(tmp_path):
    path = tmp_path / "x.parquet"
    table = pa.table({"x": pa.array([1.0, 3.0])})
    with pq.ParquetWriter(path, table.schema) as writer:
        for part in (table.slice(0, 0), table, table.slice(0, 0)):
            writer.write_table(part)
    assert evenly.fit(path).rows == 2


@pytest.mark.parametrize("compression", ["zstd", "gzip", "snappy"])
@pytest.mark.parametrize("scheme", ["memory", "file", "http"])
def test_page_of_a_remote_file_beyond_size_limit_is_rejected(
    compression, scheme, memory, tmp_path, monkeypatch
):
    path = write(
        tmp_path / "x.parquet",
        {"big": np.zeros(2**18), "small": np.zeros(2**18, np.uint8)},
        compression=compression,
        data_page_size=2**30,
        max_rows_per_page=2**18,
        use_dictionary=False,
        row_group_size=2**17 + 2**16,
    )
    memory.pipe("/x.parquet", path.read_bytes())
    whole = evenly.fit(path)
    with serving({"/x.parquet": path.read_bytes()}) as web:
        urls = {"http": f"http://{web.host}/x.parquet", "file": f"file://{path}"}
        url = urls.get(scheme, "memory://x.parquet")
        monkeypatch.setenv("EVENLY_MAX_MEMBER_BYTES", str(2**20))
        with pytest.raises(evenly.SourceError, match=r"column .big. has a page, with 1,572.*set"):
            evenly.fit(url)
        with pytest.raises(evenly.SourceError, match="column 'big' has a page"):
            evenly.fit(url, weights="small")
        if scheme == "file":  # columns next to each other are read together
            assert evenly.fit(url, columns=["small"])["small"] == whole["small"]
        monkeypatch.setenv("EVENLY_MAX_MEMBER_BYTES", str(2**22))
        assert evenly.fit(url) == whole


class Reads:
    """A file that records what is read."""

    def __init__(self, content):
        self._file = io.BytesIO(content)
        self.seen = []

    def read(self, size=-1):
        self.seen.append((self._file.tell(), size))
        return self._file.read(size)

    def __getattr__(self, name):
        return getattr(self._file, name)


def test_column_chunks_that_are_read_in_parts_are_checked(tmp_path, monkeypatch):
    path = write(tmp_path / "x.parquet", {"x": np.arange(9.0), "y": np.arange(9)}, row_group_size=4)
    metadata = pq.read_metadata(path)
    file = Reads(path.read_bytes())
    checked = CheckedFile(file, "x")
    checked.check_pages(metadata)
    column = metadata.row_group(1).column(0)
    start = column.dictionary_page_offset
    file.seen.clear()
    checked.seek(start + 3)
    assert checked.read(2) == path.read_bytes()[start + 3 : start + 5]
    assert checked.tell() == start + 5
    assert file.seen == [(start + 3, 2), (start, column.total_compressed_size)]
    monkeypatch.setenv("EVENLY_MAX_MEMBER_BYTES", "1")
    checked.seek(start + 3)
    with pytest.raises(evenly.SourceError, match="column 'x' has a page"):
        checked.read(2)


def test_corrupt_page_headers_of_a_remote_file_are_refused(tmp_path, memory):
    path = write(tmp_path / "x.parquet", {"x": np.arange(9.0)}, use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[4:12] = b"\xff" * 8
    memory.pipe("/x.parquet", bytes(content))
    with pytest.raises(evenly.SourceError, match="the page headers of column 'x'"):
        evenly.fit("memory://x.parquet")


@given(data=st.binary(max_size=60), offset=st.integers(0, 2**40), size=st.integers(0, 70))
def test_page_headers_in_memory_are_those_of_a_file(data, offset, size, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "pages"
    path.write_bytes(data)
    with open(path, "rb") as file:
        expected = _core.largest_parquet_page(file.fileno(), 0, size, 2**40)
        assert _core.parquet_chunks_in(data, offset, offset + len(data)) == _core.parquet_chunks(
            file.fileno(), len(data)
        )
    found = _core.largest_parquet_page_in(data, offset, offset, offset + size, 2**40)
    assert found == expected


@given(seed=st.integers(0, 2**32 - 1), changes=st.integers(1, 6))
def test_damaged_remote_files_are_refused_or_read(seed, changes, tmp_path_factory):
    path = write(
        tmp_path_factory.getbasetemp() / "remote.parquet",
        {"x": [1.0, None, 3.0], "text": ["a", None, "b"]},
        row_group_size=2,
    )
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for position in rng.integers(0, len(content), changes):
        content[position] = rng.integers(256)
    fsspec.filesystem("memory").pipe("/damaged.parquet", bytes(content))
    with contextlib.suppress(evenly.errors.EvenlyError):
        evenly.fit("memory://damaged.parquet", by="text")
