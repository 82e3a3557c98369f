"""Tests of paths, patterns, folders and URLs, and of the files they stand for."""

import os
import sys

import numpy as np
import pytest

import evenly
from evenly.sources import open_source
from evenly.sources.files import filesystems
from evenly.sources.scan import FileScan


@pytest.fixture
def folder(tmp_path):
    """Return a folder with two data files, and hidden files of writers."""
    for name in ["b.csv", "a.csv", "deep/c.csv", "_SUCCESS", ".hidden.csv", "_tmp/x.csv"]:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x\n1\n")
    (tmp_path / "README.md").write_text("no data")
    return tmp_path


def tables(source, folder):
    return [file.path.removeprefix(f"{folder}/") for file in FileScan([source]).tables()]


def refusal(error, source, **options):
    with pytest.raises(error) as caught:
        evenly.fit(source, **options)
    return str(caught.value)


def test_expand_folder(folder):
    assert tables(folder, folder) == ["a.csv", "b.csv", "deep/c.csv"]
    assert evenly.fit(folder).rows == 3


def test_expand_pattern(folder):
    assert tables(f"{folder}/*.csv", folder) == ["a.csv", "b.csv"]
    assert tables(f"{folder}/**/c.csv", folder) == ["deep/c.csv"]


def test_file_name_with_pattern_characters(tmp_path):
    path = tmp_path / "x[1].csv"
    path.write_text("x\n7\n")
    assert evenly.fit(path).mean.tolist() == [7.0]


def test_list_of_paths(folder):
    moments = evenly.fit([folder / "a.csv", str(folder / "b.csv")])
    assert moments.rows == 2
    assert moments.sources == (f"{folder}/a.csv and 1 more",)


def test_generator_of_paths(folder):
    assert (
        evenly.fit(path for path in sorted(folder.glob("*.csv"))).rows == 3
    )  # .hidden.csv as well


def test_missing_file_suggests_name(folder):
    message = refusal(evenly.SourceError, folder / "aa.csv")
    assert "there is no such file. Did you mean 'a.csv'" in message
    assert message.endswith(" Check the path.")


def test_missing_folder_is_rejected(folder):
    assert "does not exist either" in refusal(evenly.SourceError, folder / "no" / "x.csv")


def test_pattern_without_match_is_rejected(folder):
    assert "which matches none" in refusal(evenly.SourceError, f"{folder}/*.npz")


def test_folder_without_data_files_is_rejected(tmp_path):
    (tmp_path / "notes.md").touch()
    message = refusal(evenly.SourceError, tmp_path)
    assert "A folder must hold data files" in message
    assert "'notes.md'" in message


def test_empty_folder_is_rejected(tmp_path):
    assert "which holds nothing" in refusal(evenly.SourceError, tmp_path)


def test_folder_of_hidden_files_is_rejected(tmp_path):
    (tmp_path / "_SUCCESS").touch()
    assert "which holds hidden files" in refusal(evenly.SourceError, tmp_path)


def test_unreadable_file_is_rejected(folder, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(filesystems, "RegularFile", refuse)
    path = f"{folder}/a.csv"
    assert refusal(evenly.SourceError, path) == (
        f"A source must be readable. Received: {path!r}: Permission denied."
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="of Unix")
def test_pipe_is_rejected(tmp_path):
    """Format detection reads the first bytes, and needs to seek back."""
    os.mkfifo(tmp_path / "x.csv")
    assert "must be a regular file" in refusal(evenly.SourceError, tmp_path / "x.csv")


def test_unknown_suffix_is_rejected(tmp_path):
    (tmp_path / "x.json").write_text('{"x": 1}')
    message = refusal(evenly.SourceError, tmp_path / "x.json")
    assert "must be in a known format: .parquet" in message
    assert "begins with b'{\"x\": 1}'" in message


@pytest.mark.parametrize("suffix", [".parquet", ".feather", ".npy", ".npz", ".zip"])
def test_format_different_from_suffix_is_rejected(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    path.write_text("x,y\n1,2\n")
    assert f"A {suffix} file must be" in refusal(evenly.SourceError, path)


@pytest.mark.parametrize("suffix", [".parquet", ".feather", ".npy", ".npz", ".zip", ".csv.gz"])
def test_empty_file_is_rejected(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    path.touch()
    assert refusal(evenly.SourceError, path) == (
        f"A file must not be empty. Received: {path}, of 0 bytes."
    )


def test_format_is_detected_by_content_first(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((3, 2)))
    (tmp_path / "x.npy").rename(tmp_path / "x.csv")
    assert evenly.fit(tmp_path / "x.csv").rows == 3


def test_files_with_different_column_order(tmp_path):
    (tmp_path / "a.csv").write_text("x,y,t\n1,2,u\n")
    (tmp_path / "b.csv").write_text("t,y,x\nv,4,3\n")
    moments = evenly.fit(tmp_path)
    assert dict(zip(moments.columns, moments.mean, strict=True)) == {"x": 2.0, "y": 3.0}


def test_files_with_different_columns_are_rejected(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text("x,z\n3,4\n")
    assert refusal(evenly.ColumnError, tmp_path) == (
        f"All parts of a fit must have the same columns, as {tmp_path}/a.csv has them. "
        f"Received: {tmp_path}/b.csv, missing: 'y'; unknown: 'z'. "
        "Choose common ones with columns=[...]."
    )
    assert evenly.fit(tmp_path, columns=["x"]).rows == 2


def test_column_that_is_text_in_another_file_is_rejected(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text("x,y\n3,none at all\n")
    message = refusal(evenly.UnsupportedTypeError, tmp_path)
    assert "column 'y', which is number in" in message
    assert f"text in {tmp_path}/b.csv" in message
    assert evenly.fit(tmp_path, exclude=["y"]).rows == 2


def test_column_that_is_empty_in_one_file(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,\n")
    (tmp_path / "b.csv").write_text("x,y\n3,4\n")
    (tmp_path / "c.csv").write_text("x,y\n3,\n")
    moments = evenly.fit(tmp_path)
    assert moments.count.tolist() == [3, 1]
    assert moments.missing.tolist() == [0, 2]


def test_tables_and_arrays_are_rejected_together(tmp_path):
    (tmp_path / "a.csv").write_text("x\n1\n")
    np.save(tmp_path / "b.npy", np.ones((3, 1)))
    message = refusal(evenly.SourceError, tmp_path)
    assert "All files of a fit must be tables, or all arrays" in message
    (tmp_path / "0.npy").write_bytes((tmp_path / "b.npy").read_bytes())
    assert "All batches must have the same columns" in refusal(evenly.DataError, tmp_path)


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".feather", ".npy", ".csv.gz", ".npz"])
def test_remote_files(tmp_path, memory, suffix):
    import gzip

    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.feather
    import pyarrow.parquet

    table = pa.table({"x": [1.0, 2.0, 4.0]})
    path = tmp_path / f"x{suffix}"
    if suffix == ".parquet":
        pa.parquet.write_table(table, path)
    elif suffix == ".feather":
        pa.feather.write_feather(table, path)
    elif suffix == ".npy":
        np.save(path, np.array([[1.0], [2.0], [4.0]]))
    elif suffix == ".npz":
        np.savez(path, x=np.array([[1.0], [2.0], [4.0]]))
    else:
        pa.csv.write_csv(table, path.with_suffix("") if suffix == ".csv.gz" else path)
        if suffix == ".csv.gz":
            path.write_bytes(gzip.compress(path.with_suffix("").read_bytes()))
    memory.pipe(f"/data/x{suffix}", path.read_bytes())
    for url in [f"memory://data/x{suffix}", "memory://data", "memory://data/*", f"file://{path}"]:
        moments = evenly.fit(url)
        assert moments.sum[0] == 7, url
        assert moments.rows == 3, url


def test_url_of_file_in_archive(tmp_path, memory):
    import zipfile

    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("in/a.csv", "x\n1\n")
        archive.writestr("in/b.csv", "x\n3\n")
    memory.pipe("/x.zip", (tmp_path / "x.zip").read_bytes())
    assert evenly.fit("zip://in/a.csv::memory://x.zip").mean.tolist() == [1.0]
    assert evenly.fit("zip://in/*.csv::memory://x.zip").mean.tolist() == [2.0]
    assert evenly.fit("memory://x.zip").mean.tolist() == [2.0]


def test_missing_url_is_rejected(memory):
    message = refusal(evenly.SourceError, "memory://nothing.csv")
    assert message.startswith("A URL must lead to a file. Received: 'memory://nothing.csv'")


def test_unknown_protocol_is_rejected():
    message = refusal(evenly.SourceError, "quux://x.csv")
    assert "'quux://x.csv'" in message


@pytest.mark.parametrize(
    ("package", "name", "feature"),
    [
        ("pyarrow", "x.csv", "Reading CSV"),
        ("pyarrow", "x.parquet", "Reading Parquet"),
        ("fsspec", "memory://x.csv", "Opening memory://x.csv"),
    ],
)
def test_a_missing_package_names_the_command(tmp_path, monkeypatch, package, name, feature):
    for module in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    if "://" not in name:
        (tmp_path / name).write_bytes(b"PAR1" if "parquet" in name else b"x\n1\n")
        name = str(tmp_path / name)
    with pytest.raises(evenly.MissingExtraError) as caught:
        open_source(name)
    assert str(caught.value) == (
        f"{feature} needs the package {package}. It is not installed. "
        'Run: pip install "evenly[files]"'
    )
