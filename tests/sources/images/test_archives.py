"""Tests of corrupt archives of images: errors name the archive or the member."""

import gzip
import io
import random
import tarfile
import zipfile
from zipfile import ZIP_BZIP2

import numpy as np
import pytest

import evenly
from evenly.sources.images import archives
from image_files import encoded, noise, write_tar, write_zip

PNG = encoded(noise(0, 9, 9, 3), "PNG")
IMAGES = {f"{i}.png": PNG for i in range(5)}


def checked(header):
    """Return a tar header with its correct checksum."""
    total = sum(header[:148]) + sum(header[156:]) + 8 * 32
    return header[:148] + b"%06o\0 " % total + header[156:]


def with_field(path, member, start, value):
    """Change a field of a member's header, and update the checksum."""
    with tarfile.open(path) as archive:
        offset = archive.getmembers()[member].offset
    content = bytearray(path.read_bytes())
    content[offset + start : offset + start + len(value)] = value
    content[offset : offset + 512] = checked(bytes(content[offset : offset + 512]))
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_corrupt_tar_header_is_an_error(suffix, tmp_path):
    """tarfile takes it for the end of the archive, and later images were silently omitted."""
    path = write_tar(IMAGES, tmp_path / "x.tar")
    with tarfile.open(path) as archive:
        offset = archive.getmembers()[2].offset
    content = bytearray(path.read_bytes())
    content[offset + 150] ^= 1
    path.write_bytes(content)
    if suffix == ".tar.gz":
        path = tmp_path / "y.tar.gz"
        path.write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(evenly.SourceError, match=r"A file must be complete.*y?\.tar.*bad checksum"):
        evenly.fit(path)


SIZE = 124
NEGATIVE = b"\xff" * 11 + b"\x00"


@pytest.mark.parametrize(
    ("start", "value", "reason"),
    [
        (SIZE, b"77777777777\0", "it ends within its member"),
        (SIZE, b"\x80" + b"\x7f" * 11, "it ends within its member|truncated|cannot"),
        (SIZE, NEGATIVE, "negative size|invalid|header"),
        (SIZE, b"hello world\0", "invalid header|bad"),
    ],
)
def test_invalid_tar_member_size_is_an_error(start, value, reason, tmp_path):
    path = with_field(write_tar(IMAGES, tmp_path / "x.tar"), 1, start, value)
    with pytest.raises(evenly.SourceError, match=f"x.tar, which cannot be read: .*({reason})"):
        evenly.fit(path)


def test_tar_long_name_recursion_is_an_error(tmp_path):
    """tarfile recurses for each long name."""
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 2
    block = header.tobuf(tarfile.GNU_FORMAT) + b"a\0".ljust(512, b"\0")
    path = write_tar(IMAGES, tmp_path / "x.tar")
    path.write_bytes(block * 2_000 + path.read_bytes())
    with pytest.raises(evenly.SourceError, match=r"x\.tar, which cannot be read"):
        evenly.fit(path)


def test_tar_members_with_empty_or_undecodable_names(tmp_path):
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name in ("", "caf\udce9.png", "a.png"):
            member = tarfile.TarInfo(name)
            member.size = len(PNG)
            archive.addfile(member, io.BytesIO(PNG))
    assert evenly.fit(path).rows == 2 * 81


def test_zip_member_with_empty_name_is_skipped(tmp_path):
    """`ZipInfo.is_dir` raises for it in some versions of Python."""
    path = write_zip({"a.png": PNG}, tmp_path / "x.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("Z", b"no image")
    content = path.read_bytes()
    for magic, start in ((b"PK\x03\x04", 26), (b"PK\x01\x02", 28)):
        place = content.rindex(magic)
        name = content.index(b"Z", place + 26)
        content = (
            content[: place + start]
            + b"\0\0"
            + content[place + start + 2 : name]
            + (content[name + 1 :])
        )
    end = content.rindex(b"PK\x05\x06")
    start = content.index(b"PK\x01\x02")
    fields = (end - start).to_bytes(4, "little") + start.to_bytes(4, "little")
    path.write_bytes(content[: end + 12] + fields + content[end + 20 :])
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["a.png", ""]
    assert evenly.fit(path).rows == 81


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_corrupt_zip_member_is_named(method, tmp_path, caplog):
    path = write_zip({"bad.png": PNG * 9, "good.png": PNG}, tmp_path / "x.zip", method)
    content = bytearray(path.read_bytes())
    content[60:90] = b"\xff" * 30
    path.write_bytes(content)
    assert evenly.fit(path).rows == 81
    assert "x.zip/bad.png: " in caplog.text


@pytest.mark.parametrize("error", [ValueError, KeyError, OverflowError, UnicodeError, IndexError])
def test_tarfile_exception_names_archive(error, tmp_path, monkeypatch):
    path = write_tar(IMAGES, tmp_path / "x.tar")

    def next_member(archive):
        raise error("odd")

    monkeypatch.setattr(tarfile.TarFile, "next", next_member)
    with pytest.raises(evenly.SourceError, match=r"x.tar, which cannot be read: .*(odd|invalid)"):
        evenly.fit(path)


def test_zip_member_exception_names_member(tmp_path, monkeypatch, caplog):
    path = write_zip(IMAGES, tmp_path / "x.zip")

    def read(archive, info, place):
        if info.filename == "3.png":
            raise IndexError("odd")
        return read_member(archive, info, place)

    read_member = archives.read_member
    monkeypatch.setattr(archives, "read_member", read)
    assert evenly.fit(path, threads=1).rows == 4 * 81
    assert "x.zip/3.png: IndexError: odd" in caplog.text


def test_archive_system_error_is_not_reported_as_corrupt(tmp_path, monkeypatch):
    path = write_tar(IMAGES, tmp_path / "x.tar")

    def pread(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(archives.os, "pread", pread)
    with pytest.raises(evenly.SourceError) as caught:
        evenly.fit(path)
    assert "x.tar/0.png': Input/output error (EIO)" in str(caught.value)


@pytest.mark.parametrize("form", ["tar", "zip"])
def test_mutated_archives_raise_only_evenly_errors(form, tmp_path):
    rng = random.Random(5)
    write = write_tar if form == "tar" else write_zip
    whole = write({"a.png": PNG, "b/b.png": PNG}, tmp_path / f"x.{form}").read_bytes()
    heads = [
        offset for offset in range(0, len(whole), 512) if whole[offset + 257 :][:5] == b"ustar"
    ]
    path = tmp_path / f"y.{form}"
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(rng.choice((1, 2, 5))):
            head = rng.choice(heads) if heads else 0
            content[head + rng.randrange(512 if heads else len(content))] = rng.randrange(256)
        for head in heads if rng.random() < 0.8 else ():
            content[head : head + 512] = checked(bytes(content[head : head + 512]))
        path.write_bytes(content)
        try:
            evenly.fit(path, threads=1)
        except evenly.errors.EvenlyError as error:
            assert "y." in str(error)  # noqa: PT017


def test_bzip2_member_beyond_size_limit_is_an_error(tmp_path, monkeypatch):
    path = tmp_path / "x.zip"
    large = encoded(np.zeros((1500, 1500, 3), np.uint8), "BMP")
    write_zip({"good.png": encoded(noise(0, 2, 2, 3), "PNG"), "b.bmp": large}, path, ZIP_BZIP2)
    assert evenly.fit(path).count[0] == 4 + 1500 * 1500
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("b.bmp").file_size
    content = path.read_bytes()  # declare a smaller size
    path.write_bytes(content.replace(size.to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    monkeypatch.setenv("EVENLY_MAX_MEMBER_BYTES", str(2**20))
    with pytest.raises(evenly.SourceError, match="Data decompressed at once"):
        evenly.fit(path, broken="skip")
