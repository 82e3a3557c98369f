"""The command line in scheduled jobs: JSON output, nights without files, chosen columns."""

import json

import numpy as np
import pytest

import evenly
from evenly.cli import main

HEADER = "a,b,c\n"


@pytest.fixture
def abc(tmp_path):
    """A CSV file with two numeric columns and text."""
    path = tmp_path / "abc.csv"
    path.write_text(f"{HEADER}1,2,x\n3,4,y\n")
    return path


# fit --json


@pytest.mark.parametrize("quiet", [[], ["--quiet"]])
def test_fit_json_equals_show_json(tmp_path, abc, capsys, quiet):
    output = str(tmp_path / "abc.json")
    assert main(["fit", str(abc), "-o", output, "--json", *quiet]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["left_out"] == {"c": "text"}
    assert [column["mean"] for column in document["columns"]] == [2.0, 3.0]
    assert main(["show", output, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["columns"] == document["columns"]


def test_fit_json_by_group(abc, capsys):
    assert main(["fit", str(abc), "--by", "c", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [(group["key"], group["rows"]) for group in document["groups"]] == [("x", 1), ("y", 1)]
    assert document["left_out"] == {}


# --allow-empty


@pytest.mark.parametrize("source", ["new/*.csv", "new"])
def test_update_without_files_leaves_the_statistics_unchanged(
    tmp_path, monkeypatch, abc, capsys, source
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new").mkdir()
    assert main(["fit", abc.name, "--update", "state.json", "-q"]) == 0
    before = (tmp_path / "state.json").read_bytes()
    command = ["fit", source, "--update", "state.json", "--allow-empty", "-o", "copy.json"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert out.startswith("2 rows, 2 columns\n")
    assert err == f"no files: {source}\nnothing to fit: state.json is unchanged\n"
    assert (tmp_path / "state.json").read_bytes() == before
    assert evenly.load("copy.json") == evenly.fit(abc)
    assert main(["fit", source, "--update", "state.json", "-q"]) == 1


def test_allow_empty_before_the_first_files(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command = ["fit", "new/*.csv", "--update", "state.json", "-o", "out.json", "--allow-empty"]
    assert main(command) == 0
    expected = "no files: new/*.csv\nnothing to fit: no statistics were written\n"
    assert capsys.readouterr() == ("", expected)
    assert list(tmp_path.iterdir()) == []
    assert main([*command, "-q"]) == 0
    assert capsys.readouterr() == ("", "")


def test_allow_empty_fits_the_other_sources(tmp_path, abc, capsys):
    none = str(tmp_path / "none-*.csv")
    assert main(["fit", none, str(abc), "--allow-empty"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("2 rows, 2 columns\n")
    assert err.splitlines()[0] == f"no files: {none}"


def test_allow_empty_refuses_a_missing_path(tmp_path, capsys):
    assert main(["fit", str(tmp_path / "typo.csv"), "--allow-empty"]) == 1
    assert "there is no such file" in capsys.readouterr().err


def test_allow_empty_with_a_checkpoint_whose_files_are_gone(tmp_path, abc, capsys):
    command = ["fit", str(tmp_path / "*.csv"), "--checkpoint", str(tmp_path / "state.json"), "-q"]
    assert main(command) == 0
    abc.unlink()
    assert main([*command, "--allow-empty"]) == 1
    assert "A pattern must match at least one file." in capsys.readouterr().err


# merge --columns, and names with spaces


def test_merge_columns(tmp_path, abc):
    other = tmp_path / "other.csv"
    other.write_text("b,height\n6,1.8\n")
    evenly.fit(abc).save(tmp_path / "abc.json")
    evenly.fit(other).save(tmp_path / "other.json")
    files = [str(tmp_path / "abc.json"), str(tmp_path / "other.json")]
    output = str(tmp_path / "b.json")
    assert main(["merge", *files, "-o", output, "-q", "--columns", "b"]) == 0
    merged = evenly.load(output)
    assert (merged.columns, merged.rows, merged.mean.tolist()) == (("b",), 3, [4.0])


def test_merge_with_other_columns_names_the_option(tmp_path, abc, capsys):
    other = tmp_path / "other.csv"
    other.write_text("b\n6\n")
    evenly.fit(abc).save(tmp_path / "abc.json")
    evenly.fit(other).save(tmp_path / "other.json")
    files = [str(tmp_path / "abc.json"), str(tmp_path / "other.json")]
    assert main(["merge", *files, "-o", str(tmp_path / "x.json")]) == 1
    assert "Select the common ones with --columns." in capsys.readouterr().err


def test_merge_columns_of_arrays_are_positions(tmp_path):
    evenly.fit(np.array([[1.0, 2.0]])).save(tmp_path / "two.json")
    evenly.fit(np.array([[1.0, 4.0, 9.0]])).save(tmp_path / "three.json")
    files = [str(tmp_path / "two.json"), str(tmp_path / "three.json")]
    output = str(tmp_path / "one.json")
    assert main(["merge", *files, "-o", output, "-q", "--columns", "1"]) == 0
    assert evenly.load(output).mean.tolist() == [3.0]


@pytest.mark.parametrize("names", ["a, b", "a ,b", "a , b"])
def test_columns_with_spaces_around_commas(tmp_path, abc, names):
    output = str(tmp_path / "ab.json")
    assert main(["fit", str(abc), "-q", "-o", output, "--columns", names]) == 0
    assert evenly.load(output).columns == ("a", "b")


def test_spaces_of_names_in_the_data(tmp_path):
    source = tmp_path / "spaces.csv"
    source.write_text("a, b\n1,2\n")
    for names in (["a", "b"], ["a", " b"]):
        assert evenly.fit(source, columns=names).columns == ("a", " b")
    source.write_text("b, b\n1,2\n")
    assert evenly.fit(source, columns=["b"]).mean.tolist() == [1.0]
    source.write_text(" b,b \n1,2\n")
    with pytest.raises(evenly.ColumnError, match="There must be a column of that name"):
        evenly.fit(source, columns=["b"])
