"""Large invalid statistics files are rejected before they are parsed."""

import json
import subprocess
import sys

import numpy as np
import pytest

import evenly
from evenly.statistics_file.structure import check_structure

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
    "truncated": b'{"columns": [{"count": 3, "dtype": "float64", "max": 6.0, "mea',
    "a quote that is not closed": b'{"columns": [], "name": "a, b' + b"c" * 1000 + b"]}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_too_many_brackets_raise(name):
    with pytest.raises(
        evenly.StatisticsFileError,
        match=r"not a statistics file: its [\d,]+ bytes contain [\d,]+ objects, [\d,]+ arrays and "
        r"[\d,]+ commas, more than any statistics have. Make one with `evenly fit -o FILE`",
    ):
        check_structure(HOSTILE[name], small_bytes=0)


@pytest.mark.parametrize("name", MISMATCHED)
def test_mismatched_brackets_raise(name):
    with pytest.raises(
        evenly.StatisticsFileError,
        match=r"truncated: brackets must match and be nested at most 12 deep, and an object has at "
        r"most 24 keys. Make one with `evenly fit -o FILE`",
    ):
        check_structure(MISMATCHED[name], small_bytes=0)


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
def test_names_with_any_characters_are_accepted(names):
    pandas = pytest.importorskip("pandas")
    x = np.arange(6.0).reshape(3, 2)
    moments = evenly.fit(pandas.DataFrame(x, columns=names))
    check_structure(moments.to_bytes(), small_bytes=0)


@pytest.mark.parametrize("layout", [{"indent": 3}, {"separators": (",", ":")}])
def test_any_json_layout_is_accepted(layout):
    by = np.array(["2020-01-01", "2020-01-02"], "M8[D]")
    moments = evenly.fit(np.arange(6.0).reshape(2, 3), by=by)
    content = json.dumps(json.loads(moments.to_bytes()), **layout).encode()
    check_structure(content, small_bytes=0)
    assert evenly.GroupedMoments.from_bytes(content) == moments


def test_small_files_are_parsed_without_check():
    """The error of the parser names the line and the column."""
    with pytest.raises(evenly.StatisticsFileError, match=r"not JSON .* at line 1, column"):
        evenly.Moments.from_bytes(MISMATCHED["truncated"])


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
def test_memory_is_at_most_twenty_times_file_size(unit):
    command = [sys.executable, "-c", _PEAK, unit]
    completed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(completed.stdout) < 20
