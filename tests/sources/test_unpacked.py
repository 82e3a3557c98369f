"""Tests of size limits of data that is decompressed at once."""

import bz2
import io
import lzma
import os
import tarfile
import zipfile

import numpy as np
import pytest

import evenly
from evenly.sources.files.streams import Stream, decompressed
from evenly.sources.size_limits import DEFAULT, check_size, max_member_bytes
from small_blocks import use_block_sizes

ADVICE = "If you trust the file and have the memory, set EVENLY_MAX_MEMBER_BYTES="


@pytest.fixture
def bound(monkeypatch):
    """Lower the limit, so that tests do not decompress gigabytes."""
    return lambda nbytes: monkeypatch.setenv("EVENLY_MAX_MEMBER_BYTES", str(nbytes))


def test_default_size_limit(monkeypatch):
    monkeypatch.delenv("EVENLY_MAX_MEMBER_BYTES", raising=False)
    assert max_member_bytes() == DEFAULT == 2**30
    check_size(2**30, "x")
    with pytest.raises(evenly.SourceError, match=r"at most 1,073,741,824 bytes. Received: x, with"):
        check_size(2**30 + 1, "x")


@pytest.mark.parametrize("text", ["0", "-1", "1e9", "1 GB", "٣", "9" * 20])
def test_invalid_size_limit_is_rejected(bound, text):
    bound(text)
    with pytest.raises(evenly.DataError, match="EVENLY_MAX_MEMBER_BYTES must be a positive number"):
        max_member_bytes()


def _image():
    image = pytest.importorskip("PIL.Image")
    buffer = io.BytesIO()
    image.new("RGB", (64, 64), (3, 2, 1)).save(buffer, "BMP")
    return buffer.getvalue()


def _zip(path, content):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.bmp", content)


def _bzip2_zip(path, content):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.bmp", content)


def _lzma_zip(path, content):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.bmp", content)


def _tar(path, content, mode="w"):
    with tarfile.open(path, mode) as archive:
        info = tarfile.TarInfo("a.bmp")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))


def _tar_gz(path, content):
    _tar(path, content, "w:gz")


ARCHIVES = {
    "x.zip": _zip,
    "bzip2.zip": _bzip2_zip,
    "lzma.zip": _lzma_zip,
    "x.tar": _tar,
    "x.tar.gz": _tar_gz,
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_size_limit_of_images_in_archives(tmp_path, bound, name):
    content = _image()
    ARCHIVES[name](tmp_path / name, content)
    bound(len(content))
    assert evenly.fit(tmp_path / name).rows == 64 * 64
    bound(len(content) - 1)
    with pytest.raises(evenly.SourceError, match=rf"{name}/a.bmp, with 12,342. {ADVICE}12342"):
        evenly.fit(tmp_path / name)


def test_zip_member_larger_than_declared(tmp_path, bound):
    """zipfile decompresses whole bzip2 chunks: 4 KB can become gigabytes."""
    path = tmp_path / "x.zip"
    _bzip2_zip(path, bytes(10_000_000))
    data = path.read_bytes()
    assert len(data) < 1000
    path.write_bytes(data.replace((10_000_000).to_bytes(4, "little"), (500).to_bytes(4, "little")))
    bound(1_000_000)
    with pytest.raises((evenly.SourceError, evenly.DataError), match="1,000,000 bytes"):
        evenly.fit(path, broken="error")


def test_tar_extended_header_is_limited(tmp_path):
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 2**31
    path = tmp_path / "x.tar"
    path.write_bytes(info.tobuf() + bytes(10_240))
    with pytest.raises(
        evenly.SourceError, match=r"x.tar, .*an extended header of 2,147,483,648 bytes"
    ):
        evenly.fit(path)


def test_size_limit_of_single_read(bound):
    raw = io.BytesIO(bz2.compress(bytes(100_000)))
    stream = Stream(raw, "x.bz2", decompressed(raw, b"BZh"))
    bound(50_000)
    assert len(stream.read(50_000)) == 50_000
    with pytest.raises(evenly.SourceError, match=r"x.bz2, with 50,001"):
        stream.read(50_001)


def test_xz_dictionary_is_limited(tmp_path, bound):
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 2**26}]
    path = tmp_path / "x.csv.xz"
    path.write_bytes(lzma.compress(b"a\n1\n", filters=filters))
    assert evenly.fit(path).mean == 1.0
    bound(2**20)
    with pytest.raises(evenly.SourceError, match=r"x.csv.xz.*[Mm]emory usage limit"):
        evenly.fit(path)


@pytest.mark.parametrize("between", [b"", bytes(4), bytes(2**17)])
def test_concatenated_xz_streams(tmp_path, between):
    path = tmp_path / "x.csv.xz"
    path.write_bytes(lzma.compress(b"a\n1\n") + between + lzma.compress(b"2\n") + between)
    assert evenly.fit(path).count == 2
    path.write_bytes(lzma.compress(b"a\n1\n" * 1000)[:-20])
    with pytest.raises(evenly.SourceError, match=r"x.csv.xz"):
        evenly.fit(path)


def test_hdf5_chunk_size_is_limited(tmp_path, bound):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", (1000, 2), "f8", chunks=(500, 2), compression="gzip")
    bound(16_000)
    assert evenly.fit(tmp_path / "x.h5").rows == 1000
    bound(7_999)
    with pytest.raises(
        evenly.SourceError, match=r"x.h5/x, in chunks of shape \(500, 2\), with 8,000"
    ):
        evenly.fit(tmp_path / "x.h5")


def test_zarr_chunk_size_is_limited(tmp_path, bound):
    zarr = pytest.importorskip("zarr")
    array = zarr.create_array(
        str(tmp_path / "x.zarr"), shape=(1000, 2), chunks=(500, 2), dtype="f8"
    )
    array[:] = np.ones((1000, 2))
    bound(16_000)
    assert evenly.fit(tmp_path / "x.zarr").rows == 1000
    bound(7_999)
    with pytest.raises(evenly.SourceError, match=r"in chunks of shape \(500, 2\), with 8,000"):
        evenly.fit(tmp_path / "x.zarr")


def test_zarr_array_of_fill_values_is_limited(tmp_path):
    """A few bytes of metadata declare rows of 8 TB of fill values."""
    zarr = pytest.importorskip("zarr")
    zarr.create_array(str(tmp_path / "x.zarr"), shape=(2, 10**12), chunks=(1, 10**6), dtype="f8")
    with pytest.raises(evenly.SourceError, match=r"in blocks of shape \(1, 1000000000000\)"):
        evenly.fit(tmp_path / "x.zarr")


def _parquet(path, x):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table({"x": x}), path, row_group_size=20_000)


def _hdf5(path, x):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=x, chunks=(20_000,), compression="gzip")


@pytest.mark.parametrize(("name", "write"), [("x.parquet", _parquet), ("x.h5", _hdf5)])
def test_mapped_file_truncated_while_reading(tmp_path, name, write):
    path = tmp_path / name
    write(path, np.random.default_rng(0).normal(size=2_000_000))

    def shorten(progress):
        os.truncate(path, path.stat().st_size // 10)

    with pytest.raises(evenly.SourceError, match=name):
        evenly.fit(path, threads=1, progress=shorten)


def test_zarr_chunk_truncated_while_reading(tmp_path, monkeypatch):
    zarr = pytest.importorskip("zarr")
    path = tmp_path / "x.zarr"
    array = zarr.create_array(str(path), shape=(2_000_000,), chunks=(20_000,), dtype="f8")
    array[:] = np.random.default_rng(0).normal(size=2_000_000)
    use_block_sizes(monkeypatch, store_bytes=2**18)

    def shorten(progress):
        for chunk in (path / "c").iterdir():
            os.truncate(chunk, 10)

    with pytest.raises(evenly.SourceError, match=r"x\.zarr"):
        evenly.fit(path, progress=shorten)


def test_remote_archive_size_limit_names_url(bound):
    fsspec = pytest.importorskip("fsspec")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("x.csv", "a\n" + "1\n" * 1_000_000)
    fsspec.filesystem("memory").pipe("/bzip2.zip", buffer.getvalue())
    bound(100_000)
    with pytest.raises(evenly.SourceError, match=r"Received: memory://bzip2\.zip, unpacked"):
        evenly.fit("memory://bzip2.zip")
