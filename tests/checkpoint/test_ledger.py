"""The account of files within a statistics file: there and back, readable, never believed."""

import importlib.util
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import evenly
from evenly.statistics_file import FileRecord, Manifest, manifest, parse

ROOT = Path(__file__).parents[2]
OPTIONS = {
    "columns": ["a", 0],
    "exclude": [],
    "feature_axis": -1,
    "infinite": "error",
    "select": None,
    "weights": "w",
    "by": None,
    "mode": None,
    "broken": None,
}


def document(**changes):
    """A statistics file as a dict, with a ledger."""
    files = [
        {"bytes": 9, "complete": True, "modified": 1, "path": "a.csv", "rows": 3},
        {"bytes": None, "complete": False, "modified": "9b", "path": "b.csv", "rows": 1},
        {"bytes": 8, "complete": False, "members": 2, "modified": 1, "path": "c.tar", "rows": 2},
    ]
    return {
        "columns": [],
        "evenly_version": "x",
        "extremes": "exact",
        "fields": [["a", "number"], ["t", "text"]],
        "files": files,
        "format": "evenly statistics",
        "format_version": 1,
        "options": OPTIONS,
        "rows": 6,
        "sources": [],
    } | changes


def refusal(**changes):
    changed = {key: value for key, value in document(**changes).items() if value is not ...}
    with pytest.raises(evenly.StatisticsFileError) as caught:
        parse(json.dumps(changed).encode())
    return str(caught.value)


def test_a_ledger_is_read():
    header, _ = parse(json.dumps(document()).encode())
    assert header.manifest == Manifest(
        [
            FileRecord("a.csv", 9, 1, 3, True),
            FileRecord("b.csv", None, "9b", 1, False),
            FileRecord("c.tar", 8, 1, 2, False, 2),
        ],
        OPTIONS,
        (("a", "number"), ("t", "text")),
    )


paths = st.text(st.characters(), min_size=1, max_size=8)
numbers = st.integers(0, 2**50)
records = st.builds(
    FileRecord,
    paths,
    st.none() | numbers,
    st.none() | numbers | paths,
    numbers,
    st.booleans(),
    numbers,
    st.none() | st.from_regex("sha256:[0-9a-f]{64}", fullmatch=True),
)


@given(
    st.lists(records, max_size=5, unique_by=lambda file: file.path),
    st.none() | st.lists(st.tuples(paths, paths), max_size=3).map(tuple),
)
def test_any_ledger_comes_back_the_same(tmp_path_factory, files, fields):
    """Lone surrogates too, which a file name on Linux can bring."""
    path = tmp_path_factory.getbasetemp() / "ledger.json"
    moments = evenly.Moments.empty()
    moments._state.rows = sum(file.rows for file in files)
    moments.save_with_manifest(path, Manifest(files, OPTIONS, fields))
    assert evenly.moments.load_with_manifest(path)[1] == Manifest(files, OPTIONS, fields)


def test_each_file_and_field_is_a_line_with_sorted_keys(tmp_path):
    (tmp_path / "x.csv").write_text("a,t\n1,x\n")
    evenly.fit(tmp_path / "x.csv", checkpoint=tmp_path / "s.json")
    text = (tmp_path / "s.json").read_text()
    assert re.search(
        r'\n"fields": \[\n\["a", "number"\],\n\["t", "text"\]\n\],\n"files": \[\n', text
    )
    assert re.search(
        r'\n\{"bytes": 8, "complete": true, .*, "path": "x.csv", "rows": 1\}\n\],\n', text
    )
    assert list(json.loads(text)) == sorted(json.loads(text))
    assert all(list(file) == sorted(file) for file in json.loads(text)["files"])


def test_the_page_shows_what_is_written():
    page = (ROOT / "docs" / "format.md").read_text(encoding="utf-8")
    shown = page.partition('```json\n"fields"')[2].partition("```")[0]
    texts = manifest.serialize(
        Manifest(
            [
                FileRecord("days/1.csv", 31, 1767225600000000000, 3, True),
                FileRecord("days/2.csv", 94, 1767312000000000000, 1, False),
            ],
            {},
            (("height", "number"), ("city", "text")),
        )
    )
    fields, files = "".join(texts["fields"]), "".join(texts["files"])
    assert f': {fields},\n"files": {files},\n' == shown


FILE = {"bytes": 9, "complete": True, "modified": 1, "path": "a.csv", "rows": 6}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"options": ...}, "the file has 'fields', but no 'options'."),
        ({"files": ...}, "the file has 'fields', but no 'files'."),
        ({"files": {}}, "'files' must be an array. Received: an object with 0 entries."),
        ({"files": [3]}, "file 0 must be an object. Received: 3."),
        ({"files": [{}]}, "file 0 has no 'bytes'."),
        ({"files": [FILE | {"hash": 1}]}, 'file 0 has an unknown key, "hash".'),
        ({"files": [FILE | {"bytes": -1}]}, "file 0: 'bytes' must be an integer from 0 to"),
        ({"files": [FILE | {"bytes": True}]}, "'bytes' must be an integer"),
        ({"files": [FILE | {"complete": 1}]}, "file 0: 'complete' must be true or false."),
        ({"files": [FILE | {"modified": 2**63}]}, "'modified' must be a 64-bit integer, a"),
        ({"files": [FILE | {"modified": "x" * 201}]}, "a string of at most 200 characters"),
        ({"files": [FILE | {"modified": 1.5}]}, "or null. Received: 1.5."),
        ({"files": [FILE | {"path": ""}]}, "'path' must be a string of 1 to 65536 characters"),
        ({"files": [FILE | {"path": None}]}, "'path' must be a string"),
        ({"files": [FILE | {"rows": 2**63}]}, "'rows' must be an integer from 0 to 2**63 - 1"),
        ({"files": [FILE | {"members": -1}]}, "'members' must be an integer from 0 to 2**63 - 1"),
        ({"files": [FILE, FILE], "rows": 12}, 'two files have the same path, "a.csv".'),
        ({"rows": 5}, "the files have 6 rows in total, but 'rows' is 5. Deleting the line"),
        ({"options": []}, "'options' must be an object"),
        ({"options": {}}, "'options' has no 'broken'."),
        ({"options": OPTIONS | {"x": 1}}, "'options' has an unknown key, \"x\"."),
        ({"options": OPTIONS | {"select": [[]]}}, "the option 'select' must be a name, a number"),
        ({"options": OPTIONS | {"select": 1.5}}, "an array of these, or null. Received: 1.5."),
        ({"fields": 3}, "'fields' must be an array or null. Received: 3."),
        ({"fields": [["a"]]}, "field 0 must be an array of a name and a kind."),
        ({"fields": [["a", "x" * 201]]}, "field 0 must be an array of a name and a kind."),
    ],
)
def test_what_no_fit_has_written_is_refused(changes, message):
    assert message in refusal(**changes)


def test_a_checkpoint_whose_columns_are_not_its_fields_is_refused(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    evenly.fit(tmp_path / "x.csv", checkpoint=tmp_path / "s.json")
    text = (tmp_path / "s.json").read_text().replace('["a", "number"]', '["c", "number"]')
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(evenly.ColumnError, match="'c'"):
        evenly.fit(tmp_path / "x.csv", checkpoint=tmp_path / "s.json")


def test_the_fuzzer_knows_ledgers():
    spec = importlib.util.spec_from_file_location(
        "fuzz_statistics_file", ROOT / "fuzz" / "fuzz_statistics_file.py"
    )
    fuzzer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fuzzer)
    assert any(b'"files"' in seed and fuzzer.read(seed) for seed in fuzzer.SEEDS)
