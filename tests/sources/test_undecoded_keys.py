"""Tests of keys that are not valid UTF-8, which are kept from every source."""

import io
import json
import logging
import sqlite3

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

import evenly
from evenly.apply import apply
from evenly.cli import main
from evenly.moments.load import from_bytes

RAW = ["München".encode("latin-1"), "Köln".encode("latin-1"), b"Bonn"] * 3
KEYS = np.array([raw.decode(errors="surrogateescape") for raw in RAW], object)
X = np.arange(9.0)
GROUPS = evenly.fit(X, by=KEYS)
REMARK = "not all texts of by= are UTF-8"

COLUMNS = {
    "string": pa.array(RAW).view(pa.string()),
    "large": pa.array(RAW).cast(pa.large_binary()).view(pa.large_string()),
    "view": pa.array(RAW).cast(pa.binary_view()).view(pa.string_view()),
    "dictionary": pa.DictionaryArray.from_arrays(
        pa.array([0, 1, 2] * 3), pa.array(RAW[:3]).view(pa.string())
    ),
}


def csv():
    lines = [b"%g,%s" % pair for pair in zip(X, RAW, strict=True)]
    return b"\n".join([b"x,city", *lines, b""])


def files():
    yield "x.csv", csv()
    for name, column in COLUMNS.items():
        table = pa.table({"x": X, "city": column})
        for suffix, new in (("arrow", pa.ipc.new_file), ("arrows", pa.ipc.new_stream)):
            sink = io.BytesIO()
            with new(sink, table.schema) as writer:
                writer.write_table(table)
            yield f"{name}.{suffix}", sink.getvalue()
        if name in ("string", "large"):
            sink = io.BytesIO()
            pa.parquet.write_table(table, sink)
            yield f"{name}.parquet", sink.getvalue()


def same(moments):
    return list(moments) == list(GROUPS) and all(
        moments[key].mean.tolist() == GROUPS[key].mean.tolist() for key in GROUPS
    )


@pytest.mark.parametrize(("name", "content"), list(files()), ids=lambda value: str(value)[:20])
def test_undecodable_keys_from_files(tmp_path, caplog, name, content):
    (tmp_path / name).write_bytes(content)
    moments = evenly.fit(tmp_path / name, by="city")
    assert same(moments)
    assert [record.message.partition(": ")[2][: len(REMARK)] for record in caplog.records] == [
        REMARK
    ]
    apply(moments, str(tmp_path / name), str(tmp_path / "y.arrow"))
    whole = pa.ipc.open_file(tmp_path / "y.arrow").read_all()
    expected = GROUPS.normalize(X.reshape(-1, 1), by=KEYS)[:, 0]
    assert whole["x"].to_numpy().tolist() == expected.astype(np.float32).tolist() or (
        whole["x"].to_numpy().tolist() == expected.tolist()
    )


@pytest.mark.parametrize("name", COLUMNS)
def test_undecodable_keys_from_frames(name):
    table = pa.table({"x": X, "city": COLUMNS[name]})
    assert same(evenly.fit(table, by="city"))
    assert same(evenly.fit(X, by=COLUMNS[name]))
    moments = evenly.fit(table, by="city")
    expected = GROUPS.normalize(X.reshape(-1, 1), by=KEYS)[:, 0].tolist()
    assert moments.normalize(table)["x"].to_pylist() == expected


@pytest.mark.parametrize("kind", ["str", "pyarrow"])
def test_undecodable_keys_from_pandas(kind):
    import pandas as pd

    chunked = pa.chunked_array([COLUMNS["large"]])
    make = pd.arrays.ArrowStringArray if kind == "str" else pd.arrays.ArrowExtensionArray
    frame = pd.DataFrame({"x": X, "city": pd.Series(make(chunked))})
    assert same(evenly.fit(frame, by="city"))
    assert same(evenly.fit(X, by=frame["city"]))


def test_undecodable_keys_from_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = X
        file.create_dataset("city", data=RAW, dtype=h5py.string_dtype())
    assert same(evenly.fit(tmp_path / "x.h5", columns=["x"], by="city"))


def test_undecodable_keys_from_sqlite(tmp_path):
    pytest.importorskip("adbc_driver_sqlite")
    connection = sqlite3.connect(tmp_path / "x.db")
    connection.execute("CREATE TABLE t (x REAL, city TEXT)")
    rows = list(zip(X, RAW, strict=True))
    connection.executemany("INSERT INTO t VALUES (?, CAST(? AS TEXT))", rows)
    connection.commit()
    connection.close()
    assert same(evenly.fit(f"sqlite:///{tmp_path}/x.db?table=t", by="city"))


def test_undecodable_keys_in_statistics_file(tmp_path):
    GROUPS.save(tmp_path / "s.json")
    content = (tmp_path / "s.json").read_bytes()
    assert b'"key": "M\\udcfcnchen"' in content
    content.decode()  # the file is UTF-8
    read = evenly.load(tmp_path / "s.json")
    assert read == GROUPS
    assert read["M\udcfcnchen"].count.tolist() == [3]
    assert read.to_bytes() == GROUPS.to_bytes()
    assert from_bytes(GROUPS.to_bytes()) == GROUPS


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_undecodable_keys_are_escaped_in_output(tmp_path, capfdbinary, option):
    path = tmp_path / "s.json"
    GROUPS.save(path)
    assert main(["show", str(path), *option]) == 0
    output = capfdbinary.readouterr().out
    assert "M\\udcfcnchen" in output.decode()
    if option:
        keys = [group["key"] for group in json.loads(output)["groups"]]
        assert "M\udcfcnchen" in keys


def test_no_warning_for_valid_keys(caplog):
    caplog.set_level(logging.WARNING)
    evenly.fit(pa.table({"x": [1.0], "city": ["Zürich"]}), by="city")
    assert not caplog.records


NO_BYTES = ["\ud800", "a\udbff\udc80", "\udc7f", "\udd00"]


@pytest.mark.parametrize("text", NO_BYTES, ids=ascii)
def test_invalid_surrogates_are_rejected(text):
    """In JSON two consecutive surrogates would be read as one other character."""
    for keys in ([text], [text, 1.5], np.array([text])):
        with pytest.raises(evenly.DataError, match=r"the surrogate U\+D[0-9A-F]{3}, which is not"):
            evenly.fit(np.ones(len(keys)), by=np.array(keys, object))
    content = evenly.fit([1.0], by=np.array(["QQ"])).to_bytes()
    escaped = json.dumps(text[0] if len(text) == 1 else "\ud800").encode()
    with pytest.raises(evenly.StatisticsFileError, match="a key must be text"):
        from_bytes(content.replace(b'"QQ"', escaped))


def test_empty_arrow_string_is_a_key(tmp_path):
    """`apply` treated it as missing, as in a CSV file."""
    table = pa.table({"x": [1.0, 3.0, 5.0, 9.0], "s": ["", "", None, None]})
    pa.parquet.write_table(table, tmp_path / "x.parquet")
    moments = evenly.fit(tmp_path / "x.parquet", by="s")
    apply(moments, str(tmp_path / "x.parquet"), str(tmp_path / "y.parquet"))
    result = pa.parquet.read_table(tmp_path / "y.parquet")["x"].to_pylist()
    assert result == [-1.0, 1.0, -1.0, 1.0]


DATES = [
    (pa.date32(), 10**8, "A date that is a key must be in the years 1 to 9999"),
    (pa.date64(), 86_400_000 * 10**9, "A date that is a key must be in the years"),
    (pa.timestamp("us"), 2**62, "A timestamp that is a key must be in whole microseconds"),
    (pa.timestamp("us"), -(2**63), "A timestamp that is a key must be in whole micro"),
    (pa.timestamp("s"), 2**60, "A timestamp that is a key must be in whole microseconds"),
]


@pytest.mark.parametrize(("kind", "value", "rule"), DATES, ids=str)
def test_dates_out_of_range_are_rejected(tmp_path, kind, value, rule):
    words = pa.array([value], pa.int32() if kind == pa.date32() else pa.int64())
    table = pa.table({"x": [1.0], "d": words.view(kind)})
    path = tmp_path / "x.arrow"
    with pa.OSFile(str(path), "w") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    for source, place in ((path, str(path)), (table, "the table")):
        with pytest.raises(evenly.UnsupportedTypeError) as error:
            evenly.fit(source, columns=["x"], by="d")
        assert str(error.value).startswith(rule)
        assert str(error.value).endswith(f" It is in column 'd' of {place}.")


@pytest.mark.parametrize(
    "keys",
    [
        np.array([10**12], "M8[Y]"),
        np.array([-(2**60)], "M8[h]"),
        np.array([10**8], "M8[D]"),
        np.array([10**6 + 1], "M8[ps]"),
    ],
    ids=str,
)
def test_numpy_times_out_of_range_are_rejected(keys):
    with pytest.raises(evenly.UnsupportedTypeError, match="that is a key must be in"):
        evenly.fit(np.ones(1), by=keys)


def test_numpy_times_with_multiple_units():
    """Keys of dtype datetime64[10s] were read as seconds."""
    assert [str(key) for key in evenly.fit([1.0], by=np.array([6], "M8[10s]"))] == [
        "1970-01-01 00:01:00"
    ]
