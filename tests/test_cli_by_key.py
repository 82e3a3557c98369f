"""The command line with statistics by key."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evenly
from evenly.cli import main


@pytest.fixture
def statistics(tmp_path: Path) -> str:
    """The path of a statistics file with two keys."""
    batch = {
        "observation.state": np.array([[1.0, 2.0], [3.0, 6.0]]),
        "action": np.array([[5], [9]]),
    }
    select = {"state": "observation.state", "actions": "action"}
    evenly.fit([batch], select=select, distribution=True).save(tmp_path / "s.json")
    return str(tmp_path / "s.json")


def printed(capsys: Any, *arguments: str) -> str:
    assert main(arguments) == 0
    return str(capsys.readouterr().out)


def failure(capsys: Any, *arguments: str, status: int = 1) -> str:
    assert main(arguments) == status
    out, err = capsys.readouterr()
    assert out == ""
    return str(err)


def test_show_prints_a_table_for_each_key(statistics: str, capsys: Any) -> None:
    assert printed(capsys, "show", statistics).splitlines() == [
        "actions: 2 rows, 1 column",
        "column  count  missing  mean  std  min  max  remarks",
        "0           2        0     7    2    5    9",
        "",
        "state: 2 rows, 2 columns",
        "column  count  missing  mean  std  min  max  remarks",
        "0           2        0     2    1    1    3",
        "1           2        0     4    2    2    6",
    ]


def test_show_json(statistics: str, capsys: Any) -> None:
    content = json.loads(printed(capsys, "show", statistics, "--json"))
    assert content["keys"]["state"]["path"] == ["observation.state"]
    assert [column["mean"] for column in content["keys"]["state"]["columns"]] == [2, 4]


def test_show_formats(statistics: str, capsys: Any, tmp_path: Path) -> None:
    content = json.loads(printed(capsys, "show", statistics, "--format", "lerobot"))
    assert content["observation.state"]["mean"] == [2, 4]
    assert content["action"]["q50"] == [7]
    content = json.loads(printed(capsys, "show", statistics, "--format", "openpi"))
    assert content["norm_stats"]["actions"]["std"] == [2]
    error = failure(capsys, "show", statistics, "--format", "openpi", "--json", status=2)
    assert "--format and --json print different JSON. Choose one." in error
    evenly.fit([[1.0]]).save(tmp_path / "plain.json")
    error = failure(capsys, "show", str(tmp_path / "plain.json"), "--format", "lerobot")
    assert "need statistics by key. Received: Moments." in error


def test_merge_and_subtract(statistics: str, tmp_path: Path, capsys: Any) -> None:
    whole, rest = str(tmp_path / "whole.json"), str(tmp_path / "rest.json")
    assert "4 rows" in printed(capsys, "merge", statistics, statistics, "-o", whole)
    assert evenly.load(whole) == evenly.load(statistics) + evenly.load(statistics)
    printed(capsys, "subtract", whole, statistics, "-o", rest)
    assert evenly.load(rest) == evenly.load(statistics)


def test_report_has_a_section_for_each_key(statistics: str, tmp_path: Path) -> None:
    assert main(["report", statistics, "-o", str(tmp_path / "r.html")]) == 0
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "s.json: actions" in page
    assert "s.json: state" in page


def test_commands_for_one_table_refuse_keys(statistics: str, tmp_path: Path, capsys: Any) -> None:
    np.save(tmp_path / "x.npy", np.ones((2, 2)))
    out = str(tmp_path / "out.npy")
    error = failure(capsys, "apply", statistics, str(tmp_path / "x.npy"), "-o", out)
    assert (
        "evenly apply needs the statistics of one table. Received: statistics of 2 keys." in error
    )
    assert "evenly.load(FILE).normalize(batch) scales batches." in error
    error = failure(capsys, "diff", statistics, statistics)
    assert "evenly diff needs the statistics of one table" in error
    error = failure(capsys, "merge", statistics, "-o", out, "--columns", "a")
    assert "evenly merge --columns needs the statistics of one table" in error
    evenly.fit([[1.0]]).save(tmp_path / "plain.json")
    error = failure(capsys, "merge", statistics, str(tmp_path / "plain.json"), "-o", out)
    assert "by key can only be added to moments by key" in error
    error = failure(capsys, "subtract", statistics, str(tmp_path / "plain.json"), "-o", out)
    assert "by key can only be added to moments by key" in error
