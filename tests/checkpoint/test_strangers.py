"""A statistics file from somebody else: what only it names is neither opened nor looked at."""

import json
import os

import pytest

import evenly
from csv_files import day
from evenly.checkpoint.relative_paths import PathMapper
from http_server import serving

pytest.importorskip("aiohttp")


@pytest.fixture
def folder(tmp_path):
    """A folder for the statistics, beside those of the data."""
    for name in ("statistics", "data", "elsewhere"):
        (tmp_path / name).mkdir()
    day(tmp_path / "data" / "1.csv", 1)
    day(tmp_path / "data" / "2.csv", 2)
    return tmp_path


def with_file(state, source, **record):
    """Fit a source, and write another file into the ledger."""
    evenly.fit(source, update=state)
    document = json.loads(state.read_text())
    new = {"bytes": 4, "complete": False, "modified": None, "rows": 0} | record
    document["files"].append(new)
    state.write_text(json.dumps(document))


def looked_at(monkeypatch):
    """Note each path that Python asks the system about."""
    paths = []
    for name in ("stat", "lstat", "open", "scandir", "listdir"):
        asked = getattr(os, name)

        def noting(path=".", *arguments, _asked=asked, **options):
            paths.append(os.fspath(path) if not isinstance(path, int) else "")
            return _asked(path, *arguments, **options)

        monkeypatch.setattr(os, name, noting)
    return paths


@pytest.mark.parametrize("rule", ["update", "checkpoint"])
def test_an_address_is_not_asked_for_anything(rule, folder):
    state = folder / "statistics" / "state.json"
    with serving({"/x.csv": b"a\n1\n"}) as web:
        with_file(state, folder / "data" / "1.csv", path=f"http://{web.host}/x.csv")
        with pytest.raises(evenly.SourceError, match=rf"http://{web.host}/x.csv"):
            evenly.fit(folder / "data" / "2.csv", **{rule: state})
        assert web.seen == []


@pytest.mark.parametrize(
    "path",
    ["{}/elsewhere/private.csv", "../elsewhere/private.csv", "a/../../elsewhere/private.csv"],
)
@pytest.mark.parametrize("rule", ["update", "checkpoint"])
def test_a_file_elsewhere_is_not_looked_at(rule, path, folder, monkeypatch):
    (folder / "elsewhere" / "private.csv").write_text("a\n77\n")
    state = folder / "statistics" / "state.json"
    with_file(state, folder / "data" / "1.csv", path=path.format(folder))
    paths = looked_at(monkeypatch)
    with pytest.raises(evenly.SourceError, match=r"private\.csv"):
        evenly.fit(folder / "data" / "2.csv", **{rule: state})
    assert paths
    assert not [path for path in paths if "private" in str(path)]


def test_a_link_out_of_the_folder_is_not_followed(folder):
    (folder / "elsewhere" / "private.csv").write_text("a\n77\n")
    state = folder / "statistics" / "state.json"
    (folder / "statistics" / "in").symlink_to(folder / "elsewhere")
    with_file(state, folder / "data" / "1.csv", path="in/private.csv")
    with pytest.raises(evenly.SourceError, match="must be among the sources"):
        evenly.fit(folder / "data" / "2.csv", update=state)


def test_what_is_below_the_folder_is_finished(folder):
    begun = folder / "statistics" / "begun.csv"
    day(begun, 3)
    found = begun.stat()
    state = folder / "statistics" / "state.json"
    record = {"bytes": found.st_size, "modified": found.st_mtime_ns, "path": "begun.csv"}
    with_file(state, folder / "data" / "1.csv", **record)
    moments = evenly.fit(folder / "data" / "2.csv", update=state)
    assert moments == evenly.fit([folder / "data" / "1.csv", folder / "data" / "2.csv", begun])


def test_what_is_given_again_is_finished(folder):
    begun = folder / "elsewhere" / "begun.csv"
    day(begun, 3)
    found = begun.stat()
    state = folder / "statistics" / "state.json"
    record = {"bytes": found.st_size, "modified": found.st_mtime_ns, "path": str(begun)}
    with_file(state, folder / "data" / "1.csv", **record)
    with pytest.raises(evenly.SourceError) as caught:
        evenly.fit(folder / "data" / "2.csv", update=state)
    assert str(caught.value) == (
        f"A partly read file must be among the sources unless it is below the folder of '{state}': "
        "other files are not opened only because a statistics file names them. Missing: "
        f"'{begun}', of which 0 rows are included. Pass it together with the new sources to "
        "finish it."
    )
    moments = evenly.fit([folder / "data" / "2.csv", begun], update=state)
    assert moments == evenly.fit([folder / "data" / "1.csv", folder / "data" / "2.csv", begun])


def test_a_file_like_one_elsewhere_is_refused_without_a_look(folder, monkeypatch):
    """Whether it was moved cannot be known, and its rows might count twice."""
    again = folder / "elsewhere" / "1.csv"
    state = folder / "statistics" / "state.json"
    evenly.fit(folder / "data" / "1.csv", update=state)
    (folder / "data" / "1.csv").rename(again)
    paths = looked_at(monkeypatch)
    with pytest.raises(evenly.SourceError, match="which is not among the sources"):
        evenly.fit(again, update=state)
    assert not [path for path in paths if "data" in str(path)]


def test_only_names_below_the_folder_are_below_it(tmp_path):
    (tmp_path / "link.csv").symlink_to(tmp_path / "x.csv")
    names = PathMapper(tmp_path / "state.json")
    assert names.is_below("x.csv")
    assert names.is_below("a/../x.csv")
    for name in ("link.csv", "../x.csv", "/x.csv", "s3://bucket/x.csv", f"{tmp_path}x/x.csv", "."):
        assert not names.is_below(name)
