"""Normalize several files into a folder."""

import gzip
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import evenly
from evenly.cli import main

TABLE = pa.table({"a": [1.0, 3.0, 8.0], "b": [2.0, 2.5, 9.0]})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with statistics and files in several formats."""
    monkeypatch.chdir(tmp_path)
    for name in ("in/days", "in/year=2020"):
        (tmp_path / name).mkdir(parents=True)
    pq.write_table(TABLE, "in/year=2020/x.parquet")
    (tmp_path / "in/days/1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "in/days/2.csv.gz").write_bytes(gzip.compress(b"a,b\n3,2.5\n"))
    evenly.fit(TABLE).save("s.json")
    return tmp_path


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_folder_keeps_relative_paths_and_formats(folder):
    assert main(["apply", "s.json", "in", "-o", "out/", "-q"]) == 0
    assert files_in(folder / "out") == ["days/1.csv", "days/2.csv", "year=2020/x.parquet"]
    expected = evenly.fit(TABLE).normalize(TABLE)
    assert pq.ParquetFile("out/year=2020/x.parquet").read().equals(expected)
    first = pyarrow.csv.read_csv("out/days/1.csv")
    assert first["a"].to_pylist() == expected["a"].to_pylist()[:1]


def test_several_sources_and_output_format(folder):
    (folder / "out").mkdir()
    command = ["apply", "s.json", "in/*/1.csv", "in/year=2020/x.parquet", "-o", "out", "-q"]
    assert main([*command, "--output-format", "arrow"]) == 0
    assert files_in(folder / "out") == ["days/1.arrow", "x.arrow"]
    assert evenly.fit("out/x.arrow").mean == pytest.approx([0, 0], abs=1e-15)


@pytest.mark.parametrize(
    ("arguments", "output"), [([], "3.csv"), (["csv"], "3.csv"), (["parquet"], "3.parquet")]
)
def test_archive_has_the_suffix_of_its_files(arguments, output, folder):
    with zipfile.ZipFile("3.csv.zip", "w") as archive:
        archive.writestr("3.csv", "a,b\n1,2\n")
    options = [item for name in arguments for item in ("--output-format", name)]
    assert main(["apply", "s.json", "3.csv.zip", "-o", "out/", "-q", *options]) == 0
    assert files_in(folder / "out") == [output]


def test_arrays(folder):
    np.save("x.npy", np.arange(6.0).reshape(3, 2))
    assert main(["apply", "s.json", "x.npy", "-o", "out/", "-q"]) == 0
    assert np.load("out/x.npy").shape == (3, 2)


def test_groups_by_a_column_in_the_names_of_folders(folder):
    (folder / "hive").mkdir()
    (folder / "in/year=2020").rename(folder / "hive/year=2020")
    evenly.fit("hive", by="year", columns=["a", "b"]).save("g.json")
    assert main(["apply", "g.json", "hive", "-o", "out/", "-q"]) == 0
    output = "out/year=2020/x.parquet"
    assert evenly.fit(output, columns=["a"]).mean == pytest.approx([0], abs=1e-15)
    assert pq.ParquetFile(output).read()["year"].to_pylist() == [2020] * 3


def test_several_sources_need_a_folder(folder, capsys):
    assert main(["apply", "s.json", "in/days/1.csv", "in/days", "-o", "out.csv"]) == 2
    message = capsys.readouterr().err.replace("\n", " ")
    assert "Several sources are normalized into a folder" in message
    assert "Pass -o out.csv/ for a folder" in message


@pytest.mark.parametrize(
    ("sources", "output", "message"),
    [
        (["in/days", "in/days/1.csv"], "out/", "Each file needs an output of its own"),
        (["in"], "in/out/", "The output folder must not be in a folder of sources"),
        (["in"], "in/", "The output folder must not be in a folder of sources"),
    ],
)
def test_conflicts_are_refused_before_anything_is_written(folder, sources, output, message, capsys):
    before = files_in(folder)
    assert main(["apply", "s.json", *sources, "-o", output]) == 1
    assert message in capsys.readouterr().err
    assert files_in(folder) == before


def test_output_that_is_an_input_is_refused(folder, capsys):
    assert main(["apply", "s.json", "in/days/1.csv", "-o", "in/days/"]) == 2
    assert "must be different files" in capsys.readouterr().err.replace("\n", " ")
    assert (folder / "in/days/1.csv").read_text() == "a,b\n1,2\n"


def test_an_error_leaves_complete_files(folder, capsys):
    (folder / "out/days").mkdir(parents=True)
    (folder / "out/days/3.csv").write_text("as before")
    (folder / "in/days/3.csv").write_text("a,b\n1,2\nx,y\n")
    assert main(["apply", "s.json", "in/days", "-o", "out/days/"]) == 1
    assert "3.csv" in capsys.readouterr().err
    assert files_in(folder / "out") == ["days/1.csv", "days/2.csv", "days/3.csv"]
    assert (folder / "out/days/3.csv").read_text() == "as before"
