"""Tests of converting library exceptions to errors that name the source."""

import csv
import errno
import io
import lzma
import struct
import tokenize
import zipfile
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

import evenly
from evenly.sources.read_errors import corrupt_store_error, decode_errors
from evenly.system.errors import is_system_error

fsspec = pytest.importorskip("fsspec")

DECODING = [
    *(
        csv.Error("field larger"),
        struct.error("unpack"),
        zlib.error("invalid"),
        lzma.LZMAError("x"),
    ),
    *(
        tokenize.TokenError("EOF in multi-line statement"),
        EOFError("no end"),
        ValueError("no date"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    ),
    *(KeyError("a"), IndexError("out"), OverflowError("large"), RecursionError("deep")),
    *(NotImplementedError("method 99"), TypeError("no"), AttributeError("no"), AssertionError()),
    *(zipfile.BadZipFile("no"), OSError("Invalid data stream"), OSError(errno.EINVAL, "seek")),
]
REFUSED = [
    *(OSError(errno.EMFILE, "Too many open files"), OSError(errno.EIO, "Input/output error")),
    *(OSError(errno.ENOMEM, "Cannot allocate memory"), PermissionError(errno.EACCES, "denied")),
    *(TimeoutError("timed out"), ConnectionResetError("reset by peer")),
]


class FarError(Exception):
    """An exception of a network library, of an unknown class."""


@pytest.mark.parametrize("error", DECODING, ids=lambda error: type(error).__name__)
def test_decoder_errors_name_file(error):
    with pytest.raises(evenly.SourceError) as caught, decode_errors("x.csv"):
        raise error
    message = str(caught.value)
    assert message.startswith("A file must be complete and valid. Received: x.csv, which")
    assert message.endswith("It may be truncated or corrupt; get it again.")
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("error", [*REFUSED, FarError("429 Too many requests")], ids=str)
def test_system_errors_have_reason(error):
    with pytest.raises(evenly.SourceError) as caught, decode_errors("x.csv", corrupt_store_error):
        raise error
    words = getattr(error, "strerror", None) or str(error)
    assert f" Received: 'x.csv': {words}" in str(caught.value)
    assert str(caught.value).startswith(
        "The system must be able to read a source."
        if is_system_error(error)
        else "A source must be readable."
    )


@pytest.mark.parametrize(
    "error", [MemoryError(), KeyboardInterrupt(), SystemExit(3), evenly.ColumnError("no column")]
)
def test_other_exceptions_pass_through(error):
    with pytest.raises(type(error)) as caught, decode_errors("x.csv"):
        raise error
    assert caught.value is error


def test_message_is_one_short_line():
    with pytest.raises(evenly.SourceError) as caught, decode_errors("x.csv"):
        raise ValueError("a" * 10_000 + "\nmore")
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)


def test_missing_package_is_named():
    with pytest.raises(evenly.MissingExtraError) as caught, decode_errors("s3://b/x.csv"):
        raise ImportError("Install s3fs to access S3", name="s3fs")
    assert str(caught.value) == (
        "Opening s3://b/x.csv needs a package that cannot be imported: Install s3fs to access S3. "
        "Install it."
    )
    assert caught.value.name == "s3fs"


@pytest.mark.parametrize(
    ("module", "package"), [("s3fs", "s3fs"), ("smbclient.path", "smbprotocol")]
)
def test_missing_package_is_the_one_of_the_cause(module, package):
    with pytest.raises(evenly.MissingExtraError) as caught, decode_errors("s3://b/x.csv"):
        raise ImportError("Install it") from ModuleNotFoundError("No module", name=module)
    assert str(caught.value) == (
        f"Opening s3://b/x.csv needs the package {package}. It is not installed. "
        f"Run: pip install {package}"
    )


@pytest.fixture
def failing():
    """Register a file system, `fail://`, that raises a given error on open or read."""

    class File(io.BytesIO):
        def read(self, *size):
            if Failing.when == "read" and self.tell() > 0:
                raise Failing.error
            return super().read(*size)

    class Failing(fsspec.AbstractFileSystem):
        protocol = "fail"
        cachable = False
        error, when = None, ""

        def info(self, path, **_):
            if self.when == "info":
                raise self.error
            return {"name": path, "size": 20, "type": "file"}

        def _open(self, path, *_, **__):
            if self.when == "open":
                raise self.error
            return File(b"x\n1\n2\n" + b"3\n" * 7)

    fsspec.register_implementation("fail", Failing, clobber=True)
    return Failing


@pytest.mark.parametrize("when", ["info", "open", "read"])
@pytest.mark.parametrize(
    "error", [FarError("too many redirects"), REFUSED[0], REFUSED[-1], KeyError("Location")]
)
def test_file_system_errors_name_url(failing, when, error):
    failing.error, failing.when = error, when
    with pytest.raises(evenly.SourceError, match=r"fail://x\.csv"):
        evenly.fit("fail://x.csv")


def test_file_system_errors_contain_no_password(failing):
    failing.error, failing.when = FarError("GET fail://me:secret@host/x.csv: 503"), "open"
    with pytest.raises(evenly.SourceError) as caught:
        evenly.fit("fail://me:secret@host/x.csv")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["nothing://x.csv", "s3://bucket/x.csv"])
def test_missing_file_system_is_named(url, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises((evenly.SourceError, evenly.MissingExtraError), match=url):
        evenly.fit(url)


def test_too_many_open_files_is_not_reported_as_corrupt(tmp_path, monkeypatch):
    import pyarrow as pa
    import pyarrow.parquet

    path = tmp_path / "x.parquet"
    pa.parquet.write_table(pa.table({"x": [1.0, 2.0]}), path)
    opened = pa.parquet.ParquetFile

    def refused(*arguments, **options):
        if "metadata" in options:
            raise OSError(errno.EMFILE, "Too many open files")
        return opened(*arguments, **options)

    monkeypatch.setattr(pa.parquet, "ParquetFile", refused)
    with pytest.raises(evenly.SourceError) as caught:
        evenly.fit(path)
    assert str(caught.value).startswith(
        "The system must be able to read a source. "
        f"Received: '{path}': Too many open files (EMFILE)."
    )


def header(text):
    """Return an NPY file with this header."""
    content = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(content).to_bytes(2, "little") + content + bytes(64)


@pytest.mark.parametrize("suffix", ["npy", "npy.gz"])
@pytest.mark.parametrize(
    "text",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-2, -4)}",
        f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({2**70},)}}",
        f"{{'descr': '<f8', 'fortran_order': False, 'shape': (0, {2**62}, {2**62})}}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1e3,)}",
        "{'descr': 'nothing', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': [('a',)], 'fortran_order': False, 'shape': (3,)}",
        "{[]: 1}",
        "(" * 100,
        "",
    ],
)
def test_invalid_npy_header_is_rejected(tmp_path, text, suffix):
    import gzip

    path = tmp_path / f"x.{suffix}"
    content = header(text)
    path.write_bytes(gzip.compress(content) if suffix.endswith("gz") else content)
    with pytest.raises(evenly.SourceError, match=f"A file must be complete.*{path}"):
        evenly.fit(path)


def test_huge_npy_header_is_not_read(tmp_path):
    import gzip

    path = tmp_path / "x.npy.gz"
    path.write_bytes(
        gzip.compress(b"\x93NUMPY\x02\x00" + (2**31).to_bytes(4, "little") + bytes(99))
    )
    with pytest.raises(evenly.SourceError, match="its header has 2147483648 bytes"):
        evenly.fit(path)


def test_invalid_text_in_records_is_rejected(tmp_path):
    """NumPy cannot convert it to str, and raises SystemError."""
    records = np.zeros(2, [("x", "f8"), ("s", "U1")])
    records["s"].view("<u4")[:] = 0x7FFFFFFF
    np.save(tmp_path / "x.npy", records)
    with pytest.raises(evenly.DataError) as caught:
        evenly.fit(tmp_path / "x.npy", by="s")
    assert str(caught.value) == (
        "A group's key must be text in Unicode. Received: the letter 0x7fffffff, which does not "
        f"exist. It may be damaged. It is in column 's' of {tmp_path}/x.npy."
    )


def test_long_csv_header_field_is_rejected(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(f"{'a' * 200_000},b\n1,2\n")
    with pytest.raises(
        evenly.SourceError, match=f"{path}, which cannot be read: field larger than"
    ):
        evenly.fit(path)


@pytest.mark.parametrize("change", ["empty name", "name", "method", "encrypted"])
def test_corrupt_zip_archive_is_rejected(tmp_path, change):
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("Q" if change == "empty name" else "Qü.csv", "a\n1\n")
    content = bytearray(sink.getvalue())
    central, end = content.index(b"PK\x01\x02"), content.index(b"PK\x05\x06")
    if change == "empty name":
        content[central + 28 : central + 30] = b"\0\0"
        content[end + 12 : end + 16] = (end - central - 1).to_bytes(4, "little")
        del content[central + 46]
    if change == "name":
        content = content.replace("ü".encode(), b"\xc3(")
    if change == "method":
        content[central + 10] = content[8] = 99
    if change == "encrypted":
        content[central + 8] |= 1
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    with pytest.raises(evenly.SourceError, match=f"A file must be complete.*{path}"):
        evenly.fit(path)


@pytest.mark.parametrize("error", [ConnectionError, TimeoutError, OSError])
@pytest.mark.parametrize("when", ["info", "open", "read"])
def test_system_errors_contain_no_password(failing, error, when):
    numbers = (errno.EIO,) if error is OSError else ()
    failing.error, failing.when = error(*numbers, "login with 'hunter2xyz' failed"), when
    with pytest.raises(evenly.SourceError, match=r"The system must be able to read .*'…' failed"):
        evenly.fit("fail://me:hunter2xyz@host/x.csv")


def test_remote_read_raises_memory_error(failing):
    failing.error, failing.when = MemoryError(), "read"
    with pytest.raises(MemoryError):
        evenly.fit("fail://x.csv")


def test_frame_library_errors_name_source(tmp_path):
    polars = pytest.importorskip("polars")
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"x": np.arange(10_000.0)}), path)
    content = bytearray(path.read_bytes())
    content[1000:30_000] = b"\xff" * 29_000
    path.write_bytes(content)
    for frame in (
        pyarrow.dataset.dataset(path),
        polars.scan_parquet(path),
        polars.scan_parquet(tmp_path / "absent.parquet"),
        duckdb.sql(f"select * from '{path}'"),
    ):
        with pytest.raises(evenly.SourceError, match="A source must be readable"):
            evenly.fit(frame)


@pytest.mark.parametrize("error", [KeyError("mine"), ZeroDivisionError(), StopAsyncIteration()])
def test_user_generator_exceptions_pass_through(error):
    def batches():
        yield pa.record_batch({"x": [1.0]})
        raise error

    reader = pa.RecordBatchReader.from_batches(pa.schema([("x", pa.float64())]), batches())
    with pytest.raises(type(error)) as caught:
        evenly.fit(reader)
    assert caught.value is error
