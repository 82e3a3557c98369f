"""The statistics file: exact round trips, atomic writes, and validation."""

import importlib.util
import json
import os
import random
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evenly
import strategies
from assertions import same
from evenly import Moments, SourceError, StatisticsFileError, statistics_file
from evenly.system.atomic import atomic_file

ROOT = Path(__file__).parents[1]


def fitted(rows, columns=None, **options):
    return Moments.empty(columns).update(np.asarray(rows, float), **options)


@pytest.fixture
def moments():
    return fitted([[1.0, 7.0], [2.0, np.nan], [6.0, 9.0]], ["height", "größe"])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "statistics.json"


# There and back


def test_docs_page_matches_written_file(path):
    moments = fitted([[1.0], [2.0], [6.0], [np.nan]], ["height"])
    moments.sources = ["people.csv"]
    moments.save(path)
    page = (ROOT / "docs" / "format.md").read_text(encoding="utf-8")
    shown = page.partition("```json\n")[2].partition("```")[0]
    assert path.read_text(encoding="utf-8") == shown


def test_save_and_load(moments, path):
    moments.sources = ["b.csv", "a.csv"]
    moments.save(path)
    assert same(evenly.load(path), moments)
    assert same(evenly.load(str(path)), moments)


@given(strategies.arrays(max_rows=10), st.data())
def test_any_moments_round_trip(tmp_path_factory, array, data):
    path = tmp_path_factory.getbasetemp() / "any.json"
    weights = data.draw(st.none() | strategies.fractional_weights(len(array)))
    moments = Moments.empty(array.shape[1]).update(array, weights=weights)
    if data.draw(st.booleans()):
        moments = moments + moments - moments
    moments.save(path)
    assert same(evenly.load(path), moments)


@given(st.lists(st.text(st.characters(), max_size=5), min_size=1, max_size=4, unique=True))
def test_any_name_round_trips(tmp_path_factory, names):
    """Including lone surrogates, which file names on Linux can contain."""
    path = tmp_path_factory.getbasetemp() / "names.json"
    moments = Moments.empty(names, sources=names)
    moments.save(path)
    assert evenly.load(path).columns == tuple(names)
    assert evenly.load(path).sources == tuple(sorted(names))


@pytest.mark.parametrize("columns", [None, 3, ["a"]])
def test_no_rows_round_trip(columns, path):
    moments = Moments.empty(columns)
    moments.save(path)
    assert evenly.load(path).num_features == moments.num_features
    assert evenly.load(path).columns == moments.columns


def test_integers_beyond_float64_round_trip(path):
    moments = Moments.empty(1).update(np.array([2**64 - 1, 2**64 - 3], np.uint64))
    moments.save(path)
    assert evenly.load(path)._state.extremes() == [(2**64 - 3, 2**64 - 1)]


def test_column_is_one_line_with_sorted_keys(moments, path):
    moments.save(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    columns = [json.loads(line.rstrip(",")) for line in lines if "sum" in line]
    assert [column["name"] for column in columns] == ["height", "größe"]
    assert all(list(column) == sorted(column) for column in columns)
    assert list(json.loads(path.read_text())) == sorted(json.loads(path.read_text()))


def test_changed_column_changes_one_line(moments, path):
    moments.save(path)
    before = path.read_text().splitlines()
    moments.update(np.array([[1.0, np.nan]]) * 0 + [[0.5, np.nan]])
    moments.save(path)
    after = path.read_text().splitlines()
    changed = [line for line, old in zip(after, before, strict=True) if line != old]
    assert ["height" in changed[0], "größe" in changed[1], "rows" in changed[2]] == [True] * 3


def test_other_json_layouts_are_read(moments, path):
    moments.save(path)
    path.write_text(json.dumps(json.loads(path.read_text()), indent=7, ensure_ascii=True))
    assert same(evenly.load(path), moments)


def test_optional_decimals_can_be_omitted(moments, path):
    moments.save(path)
    document = json.loads(path.read_text())
    for column in document["columns"]:
        del column["mean"], column["std"]
    path.write_text(json.dumps(document))
    assert same(evenly.load(path), moments)


# Whole or not at all


def test_failed_save_keeps_old_file(moments, path, monkeypatch):
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(SourceError, match=r"no space left.*An existing file is unchanged"):
        moments.save(path)
    assert path.read_text() == "old"
    assert os.listdir(path.parent) == [path.name]


def write_half(path, error):
    with atomic_file(path) as file:
        file.write(b"half")
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_failed_write_leaves_no_file(path, error):
    with pytest.raises(error):
        write_half(path, error)
    assert os.listdir(path.parent) == []


def test_read_error_in_block_is_not_a_write_error(path, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"source.csv"), atomic_file(path):
        (tmp_path / "source.csv").read_text()


def test_killed_process_keeps_old_file(path):
    path.write_text("old")
    code = f"""
import time
from evenly.system.atomic import atomic_file
with atomic_file({str(path)!r}) as file:
    file.write(b"half"); file.flush(); print("now", flush=True); time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"now\n"
    process.kill()
    process.communicate()
    assert path.read_text() == "old"


def test_save_on_full_disk(moments):
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    with pytest.raises(SourceError, match=r"Cannot write '/dev/full': no space left"):
        moments.save("/dev/full")


def test_save_in_missing_folder(moments, tmp_path):
    with pytest.raises(SourceError, match=r"folder of an output file must exist.*no/where"):
        moments.save(tmp_path / "no" / "where" / "x.json")


def test_save_to_folder_raises(moments, tmp_path):
    with pytest.raises(SourceError, match=r"is a directory"):
        moments.save(tmp_path)
    with pytest.raises(SourceError, match=r"Cannot read the statistics file.*is a directory"):
        evenly.load(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_save_in_read_only_folder(moments, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(SourceError, match=r"permission denied"):
        moments.save(tmp_path / "x.json")


def test_save_does_not_replace_protected_file(moments, path, monkeypatch):
    path.write_text("old")
    monkeypatch.setattr(os, "access", lambda *_: False)  # as for a file of mode 0444
    with pytest.raises(SourceError, match=r"Cannot write .*: it is write-protected"):
        moments.save(path)
    assert path.read_text() == "old"


def test_save_keeps_link_and_mode(moments, tmp_path):
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    moments.save(link)
    assert link.is_symlink()
    assert same(evenly.load(target), moments)
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_new_file_has_default_mode(moments, path):
    before = os.umask(0o027)
    try:
        moments.save(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_save_with_name_of_maximum_length(moments, tmp_path):
    long = tmp_path / ("x" * 250 + ".json")
    moments.save(long)
    assert same(evenly.load(long), moments)


# Believed only when checked


def test_load_missing_file(tmp_path):
    with pytest.raises(SourceError, match=r"Cannot read.*no such file.*Check the path"):
        evenly.load(tmp_path / "x.json")


GOOD = {
    "columns": [
        {
            "count": 3,
            "dtype": "float64",
            "max": 6.0,
            "min": 1.0,
            "missing": 0,
            "name": "a",
            "sum": "0x9p0",
            "sum_of_squares": "0x29p0",
        }
    ],
    "evenly_version": "0.1.0",
    "extremes": "exact",
    "format": "evenly statistics",
    "format_version": 1,
    "rows": 3,
    "sources": [],
}
HUGE = "1" + "0" * 400


def with_column(text=None, **changes):
    """Return the valid file as text, with values of its column replaced by JSON texts."""
    column = {key: json.dumps(value) for key, value in GOOD["columns"][0].items()} | changes
    body = ", ".join(f'"{key}": {value}' for key, value in column.items() if value is not None)
    return json.dumps(GOOD | {"columns": []}).replace("[]", f"[{{{body}}}]", 1)


def with_header(**changes):
    header = {key: json.dumps(value) for key, value in GOOD.items()} | changes
    body = ", ".join(f'"{key}": {value}' for key, value in header.items() if value is not None)
    return f"{{{body}}}"


def test_valid_file_is_read():
    statistics_file.parse(with_column().encode())
    statistics_file.parse(with_header().encode())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # No JSON, or not ours
        (
            "",
            r"not a statistics file, or it is truncated: not JSON \(Expecting value",
        ),
        ("{}", 'not a statistics file: it has no "format": "evenly statistics"'),
        ("[1]", "not a statistics file"),
        ("NaN", "not a statistics file"),
        ('"x', r"truncated: not JSON \(Unterminated string"),
        (with_header()[:200], "truncated"),
        (with_header() + "x", "Extra data"),
        (
            b"\xff\xfe{}",
            r"not a statistics file: not UTF-8 text \(invalid .* at byte 0\)",
        ),
        (b"\xef\xbb\xbf{}", "not JSON.*BOM"),
        ("[" * 200_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        (with_header(format='"tfx"'), "not a statistics file"),
        # The header
        (
            with_header(format_version="5"),
            "format version 5; this version of evenly reads up to 4. Install",
        ),
        (with_header(format_version="0"), "'format_version' must be a positive integer"),
        (with_header(format_version="true"), "positive integer. Received: true"),
        (with_header(format_version="1.0"), "positive integer. Received: 1.0"),
        (with_header(format_version=None), "positive integer. Received: null"),
        (with_header(rows=None), "the file has no 'rows'"),
        (with_header(rows="-1"), "'rows' must be an integer from 0"),
        (with_header(rows="9223372036854775808"), r"'rows' must be an integer.*Received: 9223"),
        (with_header(rows=HUGE), r"Received: 10+\.\.\. \(401 characters\)"),
        (with_header(rows="NaN"), "Received: NaN"),
        (with_header(sources='"x"'), "'sources' must be strings"),
        (with_header(sources="[1]"), "'sources' must be strings. Received: an array with 1"),
        (with_header(extremes='"lost"'), '"exact" or "bounds". Received: "lost"'),
        (with_header(extremes="[]"), '"exact" or "bounds". Received: an array'),
        (with_header(evenly_version="1"), "'evenly_version' must be text. Received: 1"),
        (with_header(comment='"x"'), 'unknown key, "comment"'),
        (with_header(columns="{}"), "'columns' must be an array. Received: an object"),
        (with_header(columns="[1]"), "column 0 must be an object. Received: 1"),
        (
            with_header(rows='3, "rows": 4'),
            'key "rows" occurs twice',
        ),
        # Keys of a column
        (with_column(sum=None), "column \"a\" has no 'sum'"),
        (with_column(name=None, min=None), "column 0 has no 'min'"),
        (with_column(median="1"), 'column "a" has an unknown key, "median"'),
        (with_column(min='1.0, "min": 1.0'), 'key "min" of column "a" occurs twice'),
        (with_column(name="1"), "column 1: 'name' must be a string. Received: 1"),
        (with_column(name="null"), "'name' must be a string. Received: null"),
        (with_column(dtype="null"), "'dtype' must be a string"),
        (with_column(dtype=f'"{HUGE}"'), "'dtype' must be a string of at most 200"),
        # Counts
        (with_column(count="-1"), "'count' must be an integer from 0.*Received: -1"),
        (with_column(count="3.0"), "'count' must be.*Received: 3.0"),
        (with_column(count="true"), "'count' must be.*Received: true"),
        (with_column(count='"3"'), "'count' must be an exact number"),
        (with_column(count='"0x3p0"'), "'count' must be an integer.*Received: \"0x3p0\""),
        (with_column(count='"-0x3p-1"'), "'count' must be"),
        (with_column(missing=HUGE), "'missing' must be"),
        (with_column(missing="null"), "'missing' must be"),
        # Exact numbers
        (with_column(sum="9"), "'sum' must be an exact number such as"),
        (with_column(sum='"9"'), "'sum' must be an exact number"),
        (with_column(sum='"0x9"'), "'sum' must be an exact number"),
        (with_column(sum='"0x09p0"'), "'sum' must be an exact number"),
        (with_column(sum='"0x9p+0"'), "'sum' must be an exact number"),
        (with_column(sum='"0X9p0"'), "'sum' must be an exact number"),
        (with_column(sum='"0x9p00"'), "'sum' must be an exact number"),
        (with_column(sum='"0xAp1"'), "'sum' must be an exact number"),
        (with_column(sum='"0x9p٣"'), "'sum' must be an exact number"),
        (with_column(sum='"0x9p0 "'), "'sum' must be an exact number"),
        (with_column(sum='"0x12p-1"'), "exact number with an odd mantissa"),
        (with_column(sum='"-0x0p0"'), "exact number with an odd mantissa"),
        (with_column(sum='"0x0p1"'), "exact number with an odd mantissa"),
        (with_column(sum='"0x9p999999999"'), r"between 2\*\*-3400 and 2\*\*3400"),
        (with_column(sum='"0x9p-3401"'), r"between 2\*\*-3400"),
        (with_column(sum='"0x1p3400"'), r"between 2\*\*-3400"),
        (with_column(sum=f'"0x{"f" * 2000}p0"'), "'sum' must be an exact number"),
        (with_column(sum=f'"0x9p{"9" * 5000}"'), "'sum' must be an exact number"),
        (with_column(sum_of_squares="{}"), "'sum_of_squares' must be.*Received: an object"),
        # Extremes
        (
            with_column(min="NaN"),
            "'min' must be a finite 64-bit number, or null. Received: NaN",
        ),
        (with_column(max="Infinity"), "'max' must be a finite 64-bit number.*Received: Infinity"),
        (with_column(max="1e999"), "'max' must be a finite 64-bit number.*Received: 1e999"),
        (with_column(max="18446744073709551616"), "'max' must be a finite 64-bit number"),
        (with_column(max='"6"'), "'max' must be a finite 64-bit number"),
        (with_column(max="true"), "'max' must be a finite 64-bit number"),
        # Together
        (with_column(min="7.0"), "min must not exceed max. Received: 7.0 and 6.0"),
        (with_column(min="null"), "min must not exceed max. Received: null and 6.0"),
        (with_column(count="0"), "with a count of 0 both sums must be 0, and min and max null"),
        (with_column(sum_of_squares='"0x1bp-1"'), r"count \* sum_of_squares must be at least sum"),
        (with_column(sum_of_squares='"-0x29p0"'), r"count \* sum_of_squares must be at least sum"),
        (with_column(sum='"0x63p0"', sum_of_squares='"0xffffp0"'), "no values between min and max"),
        (with_column(sum_of_squares='"0x2fp0"'), "no values between min and max have these sums"),
        (with_column(max="5.0"), "no values between min and max have these sums"),
        # Decimals for people
        (with_column(mean="3.01"), "'mean' is 3.01, but the exact sums give 3.0. .* remove it"),
        (with_column(mean="null"), "'mean' is null"),
        (with_column(mean="NaN"), "'mean' is NaN"),
        (with_column(std='"x"'), "'std' is \"x\", but the exact sums give 2.16"),
        (with_column(weight="4"), "'weight' is 4, but the exact sums give 3.0"),
    ],
)
def test_invalid_file_raises(text, message, path):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(StatisticsFileError, match=message) as error:
        evenly.load(path)
    assert str(error.value).startswith(f"{path}: ")
    assert len(str(error.value)) < 600


def test_duplicate_column_names_raise():
    column = GOOD["columns"][0]
    text = json.dumps(GOOD | {"columns": [column, column]})
    with pytest.raises(StatisticsFileError, match=r'two columns have the same name, "a"'):
        statistics_file.parse(text.encode())


def test_some_columns_without_names_raise():
    column = GOOD["columns"][0]
    nameless = {key: value for key, value in column.items() if key != "name"}
    text = json.dumps(GOOD | {"columns": [column, nameless]})
    with pytest.raises(StatisticsFileError, match=r"'name', or none. 1 of 2 do not have one"):
        statistics_file.parse(text.encode())


def test_file_too_large_raises(monkeypatch, moments, path):
    moments.save(path)
    monkeypatch.setattr(statistics_file.document, "MAX_BYTES", 100)
    with pytest.raises(StatisticsFileError, match=r"at most 100 bytes"):
        evenly.load(path)


def test_fuzz_reader():
    """Run fuzz/fuzz_statistics_file.py for a few seconds; run it for ten minutes manually."""
    source = ROOT / "fuzz" / "fuzz_statistics_file.py"
    spec = importlib.util.spec_from_file_location("fuzz_statistics_file", source)
    fuzz = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fuzz)
    seed = time.time_ns()
    print("seed", seed)
    assert all(map(fuzz.read, fuzz.SEEDS))
    stream = fuzz.mutate_seeds(random.Random(seed))
    for _ in range(20_000):
        fuzz.read(next(stream))


@pytest.mark.slow
def test_many_columns_round_trip(path):
    """More columns than are converted to Python integers at a time."""
    moments = Moments.empty().update(np.arange(140_000.0).reshape(2, -1))
    moments.save(path)
    assert same(evenly.load(path), moments)
