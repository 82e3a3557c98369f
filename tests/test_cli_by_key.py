"""The command line with statistics by key."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
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


@pytest.fixture
def episodes(tmp_path: Path) -> list[str]:
    """Parquet files of a robot, with columns of vectors and one of numbers."""
    paths = []
    for index, rows in enumerate(([[1.0, 2.0], [3.0, 6.0]], [[5.0, -2.0]])):
        columns = {"observation.state": rows, "action": [[7.0]] * len(rows)}
        table = pa.table(columns | {"reward": [float(index)] * len(rows)})
        paths.append(str(tmp_path / f"{index}.parquet"))
        pq.write_table(table, paths[-1])
    return paths


@pytest.fixture
def store(tmp_path: Path) -> str:
    """An HDF5 file with arrays in groups, of which one has images."""
    h5py = pytest.importorskip("h5py")
    path = str(tmp_path / "episode.h5")
    with h5py.File(path, "w") as file:
        file["observation/state"] = [[1.0, 2.0], [3.0, 8.0]]
        file["observation/image"] = np.arange(96, dtype=np.uint8).reshape(2, 3, 4, 4)
        file["mask"] = np.arange(96.0).reshape(2, 3, 4, 4)
    return path


SELECT = ("--select", "state=observation.state", "--select", "actions=action")


def test_fit_by_key_is_that_of_python(episodes: list[str], tmp_path: Path, capsys: Any) -> None:
    out = str(tmp_path / "s.json")
    table = printed(capsys, "fit", *episodes, *SELECT, "--distribution", "-o", out)
    assert "actions: 3 rows, 1 column" in table
    select = {"state": "observation.state", "actions": "action"}
    assert evenly.load(out) == evenly.fit(episodes, select=select, distribution=True)
    lerobot = json.loads(printed(capsys, "show", out, "--format", "lerobot"))
    assert lerobot["observation.state"]["mean"] == [3, 2]
    assert lerobot["action"]["count"] == [3]


def test_column_of_numbers_has_a_key(episodes: list[str], capsys: Any) -> None:
    content = json.loads(printed(capsys, "fit", *episodes, "--select", "r=reward", "--json"))
    assert content["keys"]["r"]["columns"][0]["count"] == 3
    assert content["keys"]["r"]["path"] == ["reward"]


def test_arrays_of_a_store_have_keys_and_axes(store: str, tmp_path: Path, capsys: Any) -> None:
    out = str(tmp_path / "s.json")
    select = ("--select", "state=observation/state", "--select", "image=observation/image")
    printed(capsys, "fit", store, *select, "--feature-axis", "image=1", "-o", out)
    assert evenly.load(out)["image"].mean.tolist() == [31.5, 47.5, 63.5]
    lerobot = json.loads(printed(capsys, "show", out, "--format", "lerobot"))
    assert list(lerobot) == ["observation.image", "observation.state"]
    assert np.shape(lerobot["observation.image"]["mean"]) == (3, 1, 1)
    both = ("--select", "image=observation/image", "--select", "mask=mask", "--feature-axis", "1")
    content = json.loads(printed(capsys, "fit", store, *both, "--json"))
    assert [len(part["columns"]) for part in content["keys"].values()] == [3, 3]


def test_report_of_a_fit_by_key(episodes: list[str], tmp_path: Path, capsys: Any) -> None:
    page = tmp_path / "r.html"
    printed(capsys, "fit", *episodes, *SELECT, "--report", str(page), "-q")
    assert f"{episodes[0]}: actions" in page.read_text(encoding="utf-8")


def test_path_that_has_an_equals_sign(tmp_path: Path, capsys: Any) -> None:
    path = str(tmp_path / "x.npz")
    np.savez(path, **{"a=b": np.array([[1.0], [3.0]]), "b": np.zeros((4, 1))})
    plain = json.loads(printed(capsys, "fit", path, "--select", "=a=b", "--json"))
    assert plain["columns"][0]["mean"] == 2
    keys = json.loads(printed(capsys, "fit", path, "--select", "k=a=b", "--json"))
    assert keys["keys"]["k"]["path"] == ["a=b"]
    assert "--select a: --select must name an array" in failure(
        capsys, "fit", path, "--select", "a=c"
    )


@pytest.mark.parametrize(
    "select", [("a", "b"), ("a=b", "c"), ("a=b", "a=c"), ("a=",), ("a=b", "=c")]
)
def test_keys_must_be_complete_and_different(
    select: tuple[str, ...], episodes: list[str], capsys: Any
) -> None:
    options = [text for value in select for text in ("--select", value)]
    error = failure(capsys, "fit", *episodes, *options, status=2)
    assert "--select takes one path, or KEY=PATH for each of several different keys." in error
    assert f"Received: {' '.join(options)}. Pass --select" in error


@pytest.mark.parametrize(
    ("axes", "select"),
    [
        (("1", "2"), SELECT),
        (("1", "2"), ()),
        (("state=1", "state=0"), SELECT),
        (("state=1", "2"), SELECT),
        (("state=",), SELECT),
    ],
)
def test_axes_must_be_complete_and_different(
    axes: tuple[str, ...], select: tuple[str, ...], episodes: list[str], capsys: Any
) -> None:
    options = [text for value in axes for text in ("--feature-axis", value)]
    error = failure(capsys, "fit", *episodes, *select, *options, status=2)
    assert "--feature-axis takes one axis, or KEY=AXIS for different keys of --select" in error
    assert f"Received: {' '.join(options)}." in error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--columns", "reward"],
            "with --columns. Received: both. Select columns of the result, in "
            "Python moments[key].select(...)",
        ),
        (
            ["--by", "reward"],
            "with --by. Received: both. Fit each key by itself, with --select path",
        ),
        (["--weights", "reward"], "with --weights. Received: both."),
        (["--exclude", "reward"], "with --exclude. Received: both."),
        (["--checkpoint", "c.json"], "with --checkpoint. Received: both. Fit parts of the data"),
        (["--update", "u.json"], "with --update. Received: both."),
    ],
)
def test_options_that_keys_do_not_have(
    options: list[str], message: str, episodes: list[str], capsys: Any
) -> None:
    error = failure(capsys, "fit", *episodes, *SELECT, *options)
    assert f"--select KEY=PATH cannot be combined {message}" in error


def test_messages_name_the_options_of_the_command_line(
    episodes: list[str], statistics: str, tmp_path: Path, capsys: Any
) -> None:
    error = failure(capsys, "fit", *episodes, *SELECT, "--feature-axis", "image=1")
    assert "--feature-axis KEY=AXIS has keys of --select. Received: 'image'" in error
    error = failure(capsys, "fit", *episodes, *SELECT, "--select", "b=action")
    assert "The paths of --select KEY=PATH must lead to separate parts." in error
    plain = str(tmp_path / "plain.json")
    evenly.fit([[1.0]]).save(plain)
    error = failure(capsys, "show", plain, "--format", "lerobot")
    assert "Fit with --select KEY=PATH, for example --select action=action." in error
    error = failure(capsys, "merge", statistics, plain, "-o", str(tmp_path / "m.json"))
    assert "Fit both with the same --select KEY=PATH." in error


def test_standard_input_has_no_keys(capsys: Any) -> None:
    error = failure(capsys, "fit", "-", "--select", "a=b", status=2)
    assert "Standard input cannot be fitted with --select KEY=PATH, which reads" in error


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


@pytest.mark.parametrize("name", ["a=b", "a b=c"])
def test_the_error_for_an_array_whose_name_has_an_equals_sign_says_how_to_choose_it(
    tmp_path: Path, capsys: Any, name: str
) -> None:
    path, output = str(tmp_path / "x.npz"), str(tmp_path / "o.json")
    np.savez(path, **{name: np.array([[1.0], [3.0]])})
    error = failure(capsys, "fit", path, "--select", name, "-o", output)
    spelling = {"a=b": "=a=b", "a b=c": "'=a b=c'"}[name]
    assert error.endswith(f"If {name} is the name of an array, pass --select {spelling}.\n")
    printed(capsys, "fit", path, "--select", f"={name}", "-o", output)
    assert evenly.load(output).mean.tolist() == [2.0]


def test_other_errors_of_a_part_by_key_do_not_mention_names_of_arrays(
    tmp_path: Path, capsys: Any
) -> None:
    output = str(tmp_path / "o.json")
    error = failure(capsys, "fit", str(tmp_path / "none.npz"), "--select", "a=b", "-o", output)
    assert "name of an array" not in error
