"""Arguments that must be paths, and files in formats that other libraries read."""

import io
import zipfile

import numpy as np
import pytest

import evenly
from evenly.apply import apply
from evenly.errors import SourceError, UnsupportedTypeError
from evenly.robotics import read_stats

MOMENTS = evenly.fit(np.ones((3, 2)))
CALLS = {
    "load": evenly.load,
    "save": MOMENTS.save,
    "source of apply": lambda path: apply(MOMENTS, path, "out.csv"),
    "output of apply": lambda path: apply(MOMENTS, "in.csv", path),
    "checkpoint": lambda path: evenly.fit("in.csv", checkpoint=path),
    "update": lambda path: evenly.fit("in.csv", update=path),
    "LeRobot": read_stats,
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    "path", [3, b"x.json", io.BytesIO(), ["x.json"]], ids=lambda x: type(x).__name__
)
def test_an_argument_that_is_no_path_is_refused(call, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnsupportedTypeError, match=f"Received: {type(path).__name__}"):
        call(path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_path_with_a_null_character_is_refused(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=r"null character|there is no such file"):
        call("x\0.json")


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("x.jsonl", "polars.read_ndjson"),
        ("x.json", "`evenly show`.*pandas.read_json"),
        ("x.xlsx", "pandas.read_excel"),
        ("x.pt", "torch.load"),
        ("x.orc", "pandas.read_orc"),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_in_another_format_is_refused_with_the_function_that_reads_it(
    tmp_path, name, advice, zipped
):
    path = tmp_path / name
    path.write_bytes(b'{"a": 1}\n')
    if zipped:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("workbook.xml", "<x/>")
    with pytest.raises(SourceError, match=rf"{name}.*{advice}.*pass the result"):
        evenly.fit(path)


def all_statistics():
    window = evenly.Window(2)
    window.append(np.ones((3, 2)))
    rows = {"k": [1, 2], "a": [1.0, 2.0]}
    return [
        MOMENTS,
        evenly.fit(rows, by="k"),
        evenly.fit([{"u": np.ones((3, 2))}], select={"u": "u"}),
        window,
    ]


@pytest.mark.parametrize("x", all_statistics(), ids=lambda x: type(x).__name__)
def test_statistics_are_not_taken_for_data(x):
    name = type(x).__name__
    for call in (evenly.fit, MOMENTS.copy().update):
        with pytest.raises(UnsupportedTypeError, match=f"Received: {name}.*evenly.merge"):
            call(x)
    with pytest.raises(UnsupportedTypeError, match=name):
        MOMENTS.normalize(x)
