"""Large statistics files are refused by their brackets, before they fill the memory."""

import json
import subprocess
import sys

import numpy as np
import pytest

import evenly
from evenly.statistics_file import structure

HOSTILE = {
    "open brackets": b"[" * 10_000,
    "empty arrays": b"[" + b"[]," * 10_000 + b"[]]",
    "empty objects": b"[" + b"{}," * 10_000 + b"{}]",
    "nested objects": b'{"a":' * 10_000,
    "short texts": b"[" + b'"ab",' * 10_000 + b'""]',
    "small numbers": b"[" + b"999," * 10_000 + b"1]",
    "odd numbers": b"[" + b"1e999," * 10_000 + b"1]",
}
MISMATCHED = {
    "many keys": b"{" + b",".join(b'"%015d": 1' % i for i in range(1000)) + b"}",
    "one key too many": b"{" + b",".join(b'"%015d": 1' % i for i in range(25)) + b"}",
    "keys that look like brackets": b"{"
    + b",".join(b'"{%015d": 1' % i for i in range(1000))
    + b"}",
    "escaped quotes": b"{" + b",".join(b'"\\"{%015d": 1' % i for i in range(1000)) + b"}",
    "too deep": b'["a long text here",' * 13 + b"1" + b"]" * 13,
    "cut short": b'{"columns": [{"count": 3, "dtype": "float64", "max": 6.0, "mea',
    "a quote that is not closed": b'{"columns": [], "name": "a, b' + b"c" * 1000 + b"]}",
}


@pytest.fixture(autouse=True)
def every_file_is_large(monkeypatch):
    monkeypatch.setattr(structure, "SMALL_BYTES", 0)


@pytest.mark.parametrize("name", HOSTILE)
def test_too_many_brackets_are_refused(name):
    with pytest.raises(
        evenly.StatisticsFileError,
        match=r"no statistics file: its [\d,]+ bytes hold [\d,]+ objects, [\d,]+ arrays and [\d,]+ "
        r"commas, more than any statistics have. Make one of data with `evenly fit -o FILE`",
    ):
        evenly.Moments.from_bytes(HOSTILE[name])


@pytest.mark.parametrize("name", MISMATCHED)
def test_brackets_that_do_not_match_are_refused(name):
    with pytest.raises(
        evenly.StatisticsFileError,
        match=r"cut short: brackets must match, be nested at most 12 deep, and an object has at "
        r"most 24 keys. Make one of data with `evenly fit -o FILE`",
    ):
        evenly.Moments.from_bytes(MISMATCHED[name])


@pytest.mark.parametrize(
    "names",
    [
        ["a", "b"],
        ["{[", "]}"],
        ['"', '\\"{'],
        ["\\", "[\n"],
        ["a, b", "x: y"],
        ["😀" * 10, "é"],
        ['","', '{"a":'],
    ],
)
def test_names_may_have_any_characters(names):
    pandas = pytest.importorskip("pandas")
    x = np.arange(6.0).reshape(3, 2)
    moments = evenly.fit(pandas.DataFrame(x, columns=names))
    assert evenly.Moments.from_bytes(moments.to_bytes()) == moments


@pytest.mark.parametrize("layout", [{"indent": 3}, {"separators": (",", ":")}])
def test_any_layout_of_json_is_read(layout):
    by = np.array(["2020-01-01", "2020-01-02"], "M8[D]")
    moments = evenly.fit(np.arange(6.0).reshape(2, 3), by=by)
    content = json.dumps(json.loads(moments.to_bytes()), **layout).encode()
    assert evenly.GroupedMoments.from_bytes(content) == moments


def test_small_files_are_parsed_at_once(monkeypatch):
    """Their error names the line and the column."""
    monkeypatch.setattr(structure, "SMALL_BYTES", 4 * 2**20)
    with pytest.raises(evenly.StatisticsFileError, match=r"not JSON .* at line 1, column"):
        evenly.Moments.from_bytes(MISMATCHED["cut short"])


_PEAK = """
import resource, sys
import evenly
unit, size = sys.argv[1].encode(), 2**24
content = b"[" + unit * (size // len(unit)) + b'""]'
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    evenly.Moments.from_bytes(content)
except evenly.StatisticsFileError:
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 // len(content))
"""


@pytest.mark.parametrize("unit", ["[],", "{},", '"abcdefg",', '"😀abcd",', "9999999,", '{"a": 1},'])
def test_memory_is_at_most_twenty_times_the_size_of_the_file(unit):
    command = [sys.executable, "-c", _PEAK, unit]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(found.stdout) < 20
