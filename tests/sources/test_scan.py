"""Files are looked up once, and internal files of Spark and Hive are no tables."""

import os
from collections import Counter
from unittest import mock

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from PIL import Image

import evenly
from evenly.cli import main
from evenly.sources.files.file_ref import FileRef, file_ref
from evenly.sources.scan import FileScan


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "days/deep").mkdir(parents=True)
    for name in ("a.csv", "b.csv", "deep/c.csv"):
        (tmp_path / "days" / name).write_text("x\n1\n")
    return tmp_path / "days"


def scanned_folders(task):
    """Return how often each folder is listed while a task runs."""
    with mock.patch("os.scandir", wraps=os.scandir) as scandir:
        task()
    return Counter(os.path.realpath(call.args[0]) for call in scandir.call_args_list)


@pytest.mark.parametrize("checkpoint", [False, True])
def test_fit_lists_each_folder_once(folder, checkpoint):
    options = {"checkpoint": folder.parent / "state.json"} if checkpoint else {}
    calls = scanned_folders(lambda: evenly.fit(folder, **options))
    assert {calls[str(folder)], calls[str(folder / "deep")]} == {1}


def test_command_line_lists_each_folder_once(folder):
    statistics, output = str(folder.parent / "m.json"), str(folder.parent / "y.csv")
    fit = scanned_folders(lambda: main(["fit", "-q", str(folder), "-o", statistics]))
    apply = scanned_folders(lambda: main(["apply", statistics, str(folder), "-o", output]))
    assert fit[str(folder)] == apply[str(folder)] == 1


def test_fit_asks_for_the_status_of_a_path_once(folder):
    path = str(folder / "a.csv")
    with mock.patch("os.stat", wraps=os.stat) as stat:
        evenly.fit(path)
    assert sum(call.args[0] == path for call in stat.call_args_list) == 1


def test_remote_folder_is_listed_once_and_sizes_are_not_asked_for():
    filesystem = fsspec.filesystem("memory")
    for name in "abc":
        filesystem.pipe(f"/scanned/{name}.csv", b"x\n1\n")
    calls = Counter()

    def counted(name):
        real = getattr(MemoryFileSystem, name)

        def call(*arguments, **options):
            calls[name] += 1
            return real(*arguments, **options)

        return mock.patch.object(MemoryFileSystem, name, call)

    with counted("find"), counted("size"):
        assert evenly.fit("memory://scanned").rows == 3
    assert calls == {"find": 1}


def test_scan_records_sizes_of_named_and_remote_files(folder):
    (file,) = FileScan([folder / "a.csv"]).tables()
    assert file == FileRef(str(folder / "a.csv"), "table", ".csv", "", True, 4)
    fsspec.filesystem("memory").pipe("/sized/x.csv.gz", b"12345")
    (remote,) = FileScan(["memory://sized"]).tables()
    assert (remote.suffix, remote.compression, remote.size) == (".csv", ".gz", 5)


@pytest.mark.parametrize("name", ["_b.csv", "_hidden/b.csv"])
def test_link_to_internal_table_is_read(folder, name):
    target = folder / name
    target.parent.mkdir(exist_ok=True)
    target.write_text("x\n5\n")
    (folder / "link.csv").symlink_to(target)
    assert evenly.fit(folder).rows == 4


def test_link_next_to_internal_link_is_read(folder):
    (folder.parent / "other.csv").write_text("x\n5\n")
    (folder / "_a").mkdir()
    (folder / "_a/link.csv").symlink_to(folder.parent / "other.csv")
    (folder / "b-link.csv").symlink_to(folder.parent / "other.csv")
    assert evenly.fit(folder).rows == 4


def test_link_to_internal_zip_of_tables_is_read(folder):
    import zipfile

    (folder / "_a").mkdir()
    with zipfile.ZipFile(folder / "_a/x.zip", "w") as archive:
        archive.writestr("x.csv", "x\n5\n")
    (folder / "x.zip").symlink_to(folder / "_a/x.zip")
    assert evenly.fit(folder).rows == 4


def test_link_to_internal_image_counts_once(tmp_path):
    (tmp_path / "_a").mkdir()
    Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(tmp_path / "_a/x.png")
    (tmp_path / "x.png").symlink_to(tmp_path / "_a/x.png")
    assert evenly.fit(tmp_path).rows == 4


def test_internal_folder_named_by_user_is_read(folder):
    (folder / "_a").mkdir()
    (folder / "_a/x.csv").write_text("x\n5\n")
    assert evenly.fit(folder).rows == 3
    assert evenly.fit(folder / "_a").rows == 1
    assert evenly.fit(f"{folder}/*").rows == 4


@pytest.mark.parametrize("name", ["s3://bucket/x.zarr", "duckdb:///x.db?table=t", "x.tar.gz"])
def test_kind_is_known_from_name(name):
    kinds = {"s": "store", "d": "database", "x": "tar"}
    assert file_ref(name, named=True).kind == kinds[name[0]]


def test_options_of_a_database_url_are_not_partitions():
    (file,) = FileScan(["postgresql:///db?host=/tmp/a=b/c&table=t"]).tables()
    assert file.partition == ()
