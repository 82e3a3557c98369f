"""Tests of folders, patterns and links: each file occurs once, for tables and images."""

import glob
import os
import shutil

import numpy as np
import pytest

import evenly
from evenly.sources.files import folders
from evenly.sources.scan import FileScan
from image_files import encoded, noise

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")

FILES = ["a", "b", "deep/c", "deep/deeper/d"]


def write(folder, suffix):
    content = b"x\n1\n" if suffix == ".csv" else encoded(noise(0, 2, 2, 3), "PNG")
    for name in FILES:
        path = folder / f"{name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder.parent / "elsewhere").mkdir()
    (folder.parent / "elsewhere" / f"e{suffix}").write_bytes(content)
    (folder.parent / "elsewhere" / "blob").write_bytes(content)
    return folder


@pytest.fixture(params=[".csv", ".png"])
def suffix(request):
    """Return the suffix of a table and of an image."""
    return request.param


@pytest.fixture
def data(tmp_path, suffix):
    """Return a folder with four files, next to another folder."""
    return write(tmp_path / "data", suffix)


@pytest.fixture
def names(tmp_path, suffix):
    """Return a function that lists the files of a source without folder and suffix."""

    def names(source):
        scan = FileScan([source])
        found = scan.tables() if suffix == ".csv" else scan.images()
        return sorted(
            file.path.removeprefix(f"{tmp_path}/").removeprefix("data/").removesuffix(suffix)
            for file in found
        )

    return names


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("", FILES),
        ("**", FILES),
        ("**/", FILES),
        ("**/*{}", FILES),
        ("**/**/*{}", FILES),
        ("*", FILES),
        ("*{}", ["a", "b"]),
        ("*/*{}", ["deep/c"]),
        ("*/", ["deep/c", "deep/deeper/d"]),
        ("deep/**/d{}", ["deep/deeper/d"]),
        ("**/deeper", ["deep/deeper/d"]),
        ("[ax]{}", ["a"]),
    ],
)
def test_each_file_occurs_once(pattern, expected, data, names, suffix):
    assert names(f"{data}/{pattern.format(suffix)}") == expected


@pytest.mark.parametrize("pattern", ["", "**", "**/*{}", "**/**/*{}"])
def test_links_to_folders_are_not_followed(pattern, data, names, suffix):
    (data / "loop").symlink_to(".")
    (data / "deep/up").symlink_to("..")
    (data / "deep/out").symlink_to(data.parent / "elsewhere")
    assert names(f"{data}/{pattern.format(suffix)}") == FILES


@pytest.mark.parametrize("pattern", ["out", "out/", "out/*{}", "ou*/*{}", "*t", "out/**", "o*/e*"])
def test_named_link_to_folder_is_followed(pattern, data, names, suffix):
    (data / "out").symlink_to(data.parent / "elsewhere")
    assert "out/e" in names(f"{data}/{pattern.format(suffix)}")


def test_two_links_to_one_folder_count_once(data, names, suffix):
    for name in ("out", "out2"):
        (data / name).symlink_to(data.parent / "elsewhere")
    assert names(f"{data}/*/*{suffix}") == ["deep/c", "out/e"]
    assert [name for name in names(f"{data}/*") if "blob" not in name] == [*FILES, "out/e"]


@pytest.mark.parametrize("pattern", ["", "**", "**/*{}", "*"])
def test_link_to_file_in_source_counts_once(pattern, data, names, suffix):
    (data / f"0{suffix}").symlink_to(f"a{suffix}")
    (data / "deep" / f"0{suffix}").symlink_to(data / f"0{suffix}")  # by another link
    assert names(f"{data}/{pattern.format(suffix)}") == FILES


@pytest.mark.parametrize("pattern", ["", "**/*{}"])
def test_links_to_one_file_outside_count_once(pattern, data, names, suffix):
    """Snapshots of the Hugging Face Hub are links to blobs without a suffix."""
    (data / f"l{suffix}").symlink_to(data.parent / "elsewhere/blob")
    (data / "deep" / f"m{suffix}").symlink_to(data.parent / "elsewhere/blob")
    assert names(f"{data}/{pattern.format(suffix)}") == sorted([*FILES, "deep/m"])


def test_link_to_hidden_file_is_read(data, names, suffix):
    shutil.copy(data / f"a{suffix}", data / f".hidden{suffix}")
    (data / f"l{suffix}").symlink_to(f".hidden{suffix}")
    assert names(data) == sorted([*FILES, "l"])


def test_file_in_several_sources_is_read_for_each(data, suffix):
    rows = evenly.fit(data).rows
    assert evenly.fit([data, f"{data}/*{suffix}"]).rows > rows


def test_folder_and_pattern_with_link_loops(data, suffix):
    alone = evenly.fit(data)
    (data / "loop").symlink_to(".")
    (data / "deep/up").symlink_to("..")
    assert (
        evenly.fit(data) == evenly.fit(f"{data}/**") == evenly.fit(f"{data}/**/*{suffix}") == alone
    )


@pytest.mark.parametrize(
    "pattern", ["*", "*/*", "**/c*", ".*", "deep/../*", "./*", "[ab]*", "no*/*"]
)
def test_patterns_match_like_glob(pattern, data, names, suffix, monkeypatch):
    """Except for followed links and duplicates."""
    (data / f".h{suffix}").write_bytes((data / f"a{suffix}").read_bytes())
    monkeypatch.chdir(data)
    expected = sorted(filter(os.path.isfile, glob.glob(pattern + suffix, recursive=True)))
    if not expected:
        with pytest.raises(evenly.SourceError, match="which matches none"):
            FileScan([pattern + suffix])
        return
    assert names(pattern + suffix) == [name.removesuffix(suffix) for name in expected]


def test_links_to_zarr_store_count_once(tmp_path):
    zarr = pytest.importorskip("zarr")
    zarr.save(str(tmp_path / "data/x.zarr"), np.array([[1.0], [3.0]]))
    (tmp_path / "data/y.zarr").symlink_to("x.zarr")
    for pattern in ("data", "data/**", "data/*.zarr", "data/*"):
        assert len(FileScan([f"{tmp_path}/{pattern}"]).tables()) == 1


def test_folder_system_error_is_raised(data, suffix, monkeypatch):
    """`glob` and `os.walk` treat it as an empty folder."""

    def scandir(path):
        if str(path).endswith("deep"):
            raise OSError(24, "Too many open files", path)
        return os_scandir(path)

    os_scandir = os.scandir
    monkeypatch.setattr(folders.os, "scandir", scandir)
    for pattern in ("", "**", f"**/*{suffix}", f"*/*{suffix}"):
        with pytest.raises(evenly.SourceError, match=r"deep'?: Too many open files \(EMFILE\)"):
            evenly.fit(f"{data}/{pattern}")


def test_forbidden_folder_is_an_error_but_skipped_by_patterns(data, suffix, monkeypatch):
    def scandir(path):
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", path)
        return os_scandir(path)

    os_scandir = os.scandir
    monkeypatch.setattr(folders.os, "scandir", scandir)
    with pytest.raises(evenly.SourceError) as caught:
        evenly.fit(data)
    assert str(caught.value) == (
        f"A folder must be readable. Received: '{data}/deep': Permission denied."
    )
    assert evenly.fit(f"{data}/**/*{suffix}").rows > 0  # as in a shell


def test_stat_system_error_is_not_reported_as_missing_file(data, suffix, monkeypatch):
    path = f"{data}/a{suffix}"

    def stat(name, **options):
        if name == path:
            raise OSError(5, "Input/output error", name)
        return os_stat(name, **options)

    os_stat = os.stat
    monkeypatch.setattr(os, "stat", stat)
    with pytest.raises(evenly.SourceError, match=r"Input/output error \(EIO\)"):
        evenly.fit(path)
