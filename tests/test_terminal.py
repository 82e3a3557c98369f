"""No control characters in the names of data and files reach the terminal."""

import json
import os
import re
import subprocess
import sys

import pytest

import evenly
from image_files import encoded, noise, write_zip

NAMES = ["\x1b[2J\x1b]0;owned\x07", "a\rb", "\u202egnp.x", "c\x9b31m", "two\nlines", "größe 身長"]
CONTROL = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def run(*arguments):
    """Run a command; return its status and output."""
    done = subprocess.run(
        [sys.executable, "-m", "evenly", *map(str, arguments)],
        capture_output=True,
        check=False,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
    )
    text = (done.stdout + done.stderr).decode("utf-8")
    assert not CONTROL.search(text), text
    assert "Traceback" not in text
    return done.returncode, text


@pytest.fixture
def table(tmp_path):
    """Create a CSV file with malicious column names, groups and file name."""
    path = tmp_path / "t\x1b[31m\u202e\n.csv"
    header = ",".join(f'"{name}"' for name in [*NAMES, "group\x1b[0m", "text\x1b[1m"])
    rows = [",".join(["1"] * len(NAMES) + [f'"{name}"', '"x"']) for name in NAMES]
    path.write_text("\n".join([header, *rows]) + "\n", newline="", encoding="utf-8")
    return path


def test_column_names_are_escaped(table, tmp_path):
    statistics = tmp_path / "s\x1b[1m.json"
    status, text = run("fit", table, "-o", statistics)
    assert status == 0
    assert r"\x1b[2J\x1b]0;owned\x07" in text
    assert "größe 身長" in text
    assert "left out: " in text
    assert r"text\x1b[1m" in text
    assert run("show", statistics)[0] == 0
    assert run("merge", statistics, statistics, "-o", tmp_path / "m.json")[0] == 0
    assert run("apply", statistics, table, "-o", tmp_path / "y\x1b[1m.csv")[0] == 0
    _, text = run("show", statistics, "--json")
    names = [column["name"] for column in json.loads(text)["columns"]]
    assert names == list(evenly.load(statistics).columns)
    assert names[0] == NAMES[0]


def test_group_keys_are_escaped(table, tmp_path):
    statistics = tmp_path / "g.json"
    options = ["--by", "group\x1b[0m", "--columns", NAMES[0]]
    status, text = run("fit", table, *options, "-o", statistics)
    assert status == 0
    assert r"two\nlines" in text
    status, text = run("show", statistics)
    assert (status, r"\u202egnp.x" in text) == (0, True)
    document = json.loads(run("show", statistics, "--json")[1])
    assert sorted(group["key"] for group in document["groups"]) == sorted(NAMES)


def test_error_messages_are_escaped(table, tmp_path):
    for arguments in (
        ["fit", table, "--columns", "x\x1b[1m"],
        ["fit", tmp_path / "absent\x1b[1m.csv"],
        ["fit", tmp_path / "\x1b[1m*.csv"],
        ["show", table],
        ["merge", table, "-o", tmp_path / "m.json"],
        ["fit", table, "-o", table],
        ["fit", "--\x1b[1m", table],
        ["apply", table, table, "-o", tmp_path / "y\x1b[1m"],
    ):
        status, text = run(*arguments)
        assert status in (1, 2), arguments
        assert r"\x1b" in text, arguments


@pytest.mark.skipif(os.name == "nt", reason="no such names there")
def test_image_and_member_names_are_escaped(tmp_path):
    folder = tmp_path / "p\x1b[1m"
    folder.mkdir()
    png = encoded(noise(0, 2, 2, 3), "PNG")
    (folder / "good.png").write_bytes(png)
    (folder / "\u202e\x1b[2J.png").write_bytes(b"\x1b[2J is no image")
    (folder / "x.\x1b[3m").write_bytes(b"")
    (folder / os.fsdecode(b"caf\xe9.png")).write_bytes(b"")
    write_zip({"\x1b[2J\r.png": b"", "b.png": png}, folder / "z.zip")
    status, text = run("fit", folder)
    assert status == 0
    assert r"z.zip/\x1b[2J\r.png: it is empty" in text
    assert r"\udce9.png: it is empty" in text
    status, text = run("fit", folder, "--strict")
    assert status == 1
    (folder / "t.csv").write_text("x\n1\n")
    assert run("fit", folder)[0] == 1


def test_reprs_and_html_are_escaped():
    by = [f"{name}" for name in NAMES]
    columns = [f"{name}" for name in NAMES]
    moments = evenly.Moments.empty(columns).update([[1.0] * len(columns)])
    rows = {"x": [1.0] * len(by), "g\x1b[1m": by}
    pandas = pytest.importorskip("pandas")
    groups = evenly.fit(pandas.DataFrame(rows), by="g\x1b[1m")
    for shown in (moments, groups):
        for text in (repr(shown), shown._repr_html_()):
            assert not CONTROL.search(text)
            assert "身長" in text


def test_warnings_are_escaped(tmp_path, caplog):
    (tmp_path / "good.png").write_bytes(encoded(noise(0, 2, 2, 3), "PNG"))
    (tmp_path / "\x1b[2J.png").write_bytes(b"")
    evenly.fit(tmp_path)
    messages = "\n".join(caplog.messages)
    assert r"\x1b[2J.png: it is empty" in messages
    assert not CONTROL.search(messages)


def test_long_name_is_shortened_after_escaping():
    moments = evenly.Moments.empty(["\x1b" * 30]).update([[1.0]])
    (name,) = [line.split()[0] for line in repr(moments).splitlines()[2:]]
    assert name == (r"\x1b" * 30)[:39] + "…"
