"""Every kind of file goes on after every death, with every bit."""

import json
import os

import numpy as np
import pytest

import evenly
from assertions import same
from simulated_crash import lives, save_everywhere
from small_blocks import use_block_sizes
from source_factories import NAMED, UNNAMED, make_columns

FILES = [
    *("Parquet", "Parquet row groups", "Feather", "Arrow file", "Arrow stream", "CSV"),
    *("CSV gzip", "CSV zip", "folder", "structured NPY", "NPY", "NPY Fortran", "NPY gzip", "NPZ"),
    *("HDF5", "HDF5 records", "HDF5 array", "Zarr zip", "Zarr folder", "Zarr array's folder"),
]


@pytest.fixture
def columns():
    return make_columns(11)


def two(kind, columns, folder):
    """Two sources of a kind, with other rows."""
    paths = []
    for name, rows in (("first", slice(None)), ("second", slice(2, 9))):
        (folder / name).mkdir()
        part = {column: x[rows] for column, x in columns.items()}
        paths.append((NAMED | UNNAMED)[kind](part, folder / name))
        (folder / name / "plain.csv").unlink(missing_ok=True)
    return paths


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("saves", [1, 2, 3])
def test_any_deaths_leave_the_same_bits(kind, saves, columns, tmp_path, monkeypatch):
    paths = two(kind, columns, tmp_path)
    expected = evenly.fit(paths)
    save_everywhere(monkeypatch)
    state = tmp_path / "state.json"
    moments, number = lives(monkeypatch, paths, saves, checkpoint=state)
    assert same(moments, expected)
    assert number > 1
    assert evenly.load(state) == expected


@pytest.mark.parametrize("kind", ["CSV", "Parquet row groups", "Arrow file", "NPY", "HDF5 array"])
def test_a_file_goes_on_in_its_middle(kind, columns, tmp_path, monkeypatch):
    path = (NAMED | UNNAMED)[kind](columns, tmp_path)
    expected = evenly.fit(path)
    save_everywhere(monkeypatch)
    moments, number = lives(monkeypatch, path, checkpoint=tmp_path / "state.json")
    assert same(moments, expected)
    assert number > 3


@pytest.mark.parametrize("kind", ["CSV", "Parquet row groups", "Feather"])
@pytest.mark.parametrize("options", [{"weights": "a"}, {"columns": ["c", "a"]}, {"exclude": "b"}])
def test_options_are_kept(kind, options, columns, tmp_path, monkeypatch):
    path = NAMED[kind](columns, tmp_path)
    expected = evenly.fit(path, **options)
    save_everywhere(monkeypatch)
    moments, _ = lives(monkeypatch, path, checkpoint=tmp_path / "state.json", **options)
    assert same(moments, expected)


@pytest.mark.parametrize("kind", ["CSV", "Parquet row groups", "Feather"])
def test_groups_go_on_in_the_middle_of_a_file(kind, columns, tmp_path, monkeypatch):
    columns["k"] = np.arange(11) % 3
    path = NAMED[kind](columns, tmp_path)
    expected = evenly.fit(path, by="k", weights="a")
    save_everywhere(monkeypatch)
    use_block_sizes(monkeypatch, csv_chunk_bytes=200)  # the first one says what keys are
    state = tmp_path / "state.json"
    moments, number = lives(monkeypatch, path, checkpoint=state, by="k", weights="a")
    assert moments == expected == evenly.load(state)
    assert moments.by == "k"
    assert number > 1
    with pytest.raises(evenly.DataError, match=r"Received: no by=; .* was started with by='k'"):
        evenly.fit(path, checkpoint=state, weights="a")


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_images_go_on_along_any_axis(axis, tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5))
    expected = evenly.fit(tmp_path / "x.npy", feature_axis=axis)
    save_everywhere(monkeypatch)
    moments, number = lives(
        monkeypatch, tmp_path / "x.npy", checkpoint=tmp_path / "s.json", feature_axis=axis
    )
    assert same(moments, expected)
    assert number > 2


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_any_number_of_threads_dies_alike(threads, columns, tmp_path, monkeypatch):
    paths = two("Parquet row groups", columns, tmp_path)
    expected = evenly.fit(paths)
    save_everywhere(monkeypatch)
    moments, number = lives(monkeypatch, paths, checkpoint=tmp_path / "state.json", threads=threads)
    assert same(moments, expected)
    assert number == 1 + 4 + 3 + 1  # all row groups, and the end


# Columns that are known late


def texts(folder, *contents):
    for number, text in enumerate(contents):
        (folder / f"{number}.csv").write_text(text)
    return [os.fspath(folder / f"{number}.csv") for number in range(len(contents))]


LATE = {
    "numbers late": ["a,b\n1,\n2,\n3,\n4,\n5,\n6,\n7,2\n", "a,b\n1,5\n"],
    "numbers in the second file": ["a,b\n1,\n2,\n", "a,b\n1,5\n"],
    "no values": ["a,b\n1,\n2,\n", "a,b\n1,\n"],
    "text late": ["a,b\n1,\n2,\n3,\n4,\n5,\n6,\n7,x\n8,y\n"],
    "text, then nothing": ["a,b\n1,x\n", "a,b\n2,\n"],
    "nothing in the last": ["a,b\n1,2\n", "a,b\n2,\n"],
    "wider late": ["a\n9007199254740993\n1\n2\n3\n4\n0.5\n9007199254740993\n", "a\n1\n"],
    "no rows": ["a,b\n1,2\n", "a,b\n", "a,b\n3,4\n"],
    "no rows first": ["a,b\n", "a,b\n3,4\n"],
}


@pytest.mark.parametrize("contents", LATE.values(), ids=LATE)
@pytest.mark.parametrize("saves", [1, 2])
def test_columns_that_are_known_late_are_the_same_columns(contents, saves, tmp_path, monkeypatch):
    paths = texts(tmp_path, *contents)
    save_everywhere(monkeypatch)
    expected = evenly.fit(paths)
    moments, _ = lives(monkeypatch, paths, saves, checkpoint=tmp_path / "state.json")
    assert same(moments, expected)


def test_a_column_without_values_may_get_them_another_day(tmp_path):
    first, second = texts(tmp_path, "a,b\n1,\n", "a,b\n2,5\n")
    state = tmp_path / "state.json"
    assert evenly.fit(first, update=state).columns == ("a",)
    moments = evenly.fit(second, update=state)
    assert moments == evenly.fit([first, second])
    assert moments.sources == ("0.csv and 1 more",)


def test_columns_that_differ_are_refused_as_without_a_checkpoint(tmp_path):
    first, second = texts(tmp_path, "a,b\n1,2\n", "a,c\n1,2\n")
    evenly.fit(first, update=tmp_path / "state.json")
    with pytest.raises(evenly.ColumnError, match=r"missing: 'b'; unknown: 'c'"):
        evenly.fit(second, update=tmp_path / "state.json")


def test_text_among_numbers_is_refused_as_without_a_checkpoint(tmp_path):
    first, second = texts(tmp_path, "a,b\n1,2\n", "a,b\n1,x\n")
    evenly.fit(first, update=tmp_path / "state.json")
    with pytest.raises(evenly.UnsupportedTypeError, match="one kind in all parts"):
        evenly.fit(second, update=tmp_path / "state.json")


def test_an_array_of_other_columns_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((3, 2)))
    np.save(tmp_path / "b.npy", np.ones((3, 4)))
    evenly.fit(tmp_path / "a.npy", update=tmp_path / "state.json")
    with pytest.raises(evenly.ColumnError, match="Received: 2 and 4"):
        evenly.fit(tmp_path / "b.npy", update=tmp_path / "state.json")


def test_files_from_elsewhere_go_on_too(columns, tmp_path, monkeypatch):
    import fsspec

    path = NAMED["CSV"](columns, tmp_path)
    memory = fsspec.filesystem("memory")
    memory.pipe({"/days/1.csv": path.read_bytes(), "/days/2.csv": path.read_bytes()})
    expected = evenly.fit("memory://days/*.csv")
    save_everywhere(monkeypatch)
    state = tmp_path / "state.json"
    moments, number = lives(monkeypatch, "memory://days/*.csv", checkpoint=state)
    assert same(moments, expected)
    assert number > 2
    assert evenly.fit("memory://days/2.csv", update=state) == expected  # under its other name
    memory.pipe("/days/2.csv", path.read_bytes() + b"1,2,3\n")
    with pytest.raises(evenly.SourceError, match=r"memory://\S*days/2.csv', then"):
        evenly.fit("memory://days/*.csv", checkpoint=state)
    memory.rm("/days", recursive=True)


CSV_TEXT = "a;b\n1,5;2\n2,5;?\n"
CSV_OPTIONS = {"decimal": ",", "missing": ["?"], "header": 0}


def test_csv_options_are_recorded_and_must_stay_the_same(tmp_path):
    state, path = tmp_path / "state.json", tmp_path / "1.csv"
    path.write_text(CSV_TEXT)
    first = evenly.fit(path, checkpoint=state, csv=CSV_OPTIONS)
    assert json.loads(state.read_text())["options"]["csv"] == {"decimal": ",", "missing": ["?"]}
    (tmp_path / "2.csv").write_text(CSV_TEXT)
    again = evenly.fit([path, tmp_path / "2.csv"], checkpoint=state, csv=CSV_OPTIONS)
    assert again == first + first
    for other in (None, {"decimal": ","}, {**CSV_OPTIONS, "missing": ["?", "-"]}):
        with pytest.raises(evenly.DataError, match="resumed with the options that it was started"):
            evenly.fit([path, tmp_path / "2.csv"], checkpoint=state, csv=other)


def test_checkpoint_without_csv_options_has_no_key_for_them(tmp_path):
    path, state = tmp_path / "1.csv", tmp_path / "state.json"
    path.write_text("a\n1\n2\n")
    evenly.fit(path, checkpoint=state, csv={"header": True})
    assert "csv" not in json.loads(state.read_text())["options"]
    with pytest.raises(evenly.DataError, match=r"Received: csv=\{'decimal': ','\}; .*with no csv="):
        evenly.fit(path, checkpoint=state, csv={"decimal": ","})


@pytest.mark.parametrize("csv", [3, {}, {"decimals": ","}, {"missing": [[1]]}])
def test_invalid_csv_options_in_a_checkpoint_are_rejected(tmp_path, csv):
    path, state = tmp_path / "1.csv", tmp_path / "state.json"
    path.write_text(CSV_TEXT)
    evenly.fit(path, checkpoint=state, csv=CSV_OPTIONS)
    document = json.loads(state.read_text())
    document["options"]["csv"] = csv
    state.write_text(json.dumps(document))
    with pytest.raises(evenly.StatisticsFileError, match="the option 'csv' must"):
        evenly.fit(path, checkpoint=state, csv=CSV_OPTIONS)
