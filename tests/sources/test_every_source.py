"""Tests that hold for every source."""

import logging
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evenly
from evenly.sources import open_source
from source_factories import NAMED, UNNAMED, arrow, rows
from strategies import splits

KINDS = NAMED | UNNAMED


def columns_of(seed, number=11):
    """Return a float column with NaN, an integer column and a boolean column."""
    rng = np.random.default_rng(seed)
    a = rng.normal(1.7e9, 3.0, number)
    a[rng.random(number) < 0.2] = np.nan
    a[0] = 0.1  # an empty column of a CSV file is left out
    return {
        "a": a,
        "b": rng.integers(-(2**40), 2**40, number),
        "c": rng.random(number) < 0.5,
    }


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def columns():
    return columns_of(2013)


@pytest.fixture
def source(kind, columns, tmp_path):
    return KINDS[kind](columns, tmp_path)


@pytest.fixture
def names(kind):
    return ("a", "b", "c") if kind in NAMED else None


@pytest.fixture
def expected(columns, names):
    moments = evenly.Moments.empty(names or 3)
    return moments.update(rows(columns))


def test_every_source_has_same_moments(source, expected, names):
    moments = evenly.fit(source)
    assert moments == expected
    assert moments.columns is None if names is None else set(moments.columns) == set(names)
    assert moments.rows == 11


def test_every_source_selects_columns(source, expected):
    """By position only where columns have no names."""
    columns = [2, 0] if expected.columns is None else ["c", "a"]
    assert evenly.fit(source, columns=columns) == expected.select(columns)


def test_every_source_excludes_columns(source, expected):
    last = evenly.fit(source, exclude=-1 if expected.columns is None else "c")
    assert last == expected.select([0, 1] if expected.columns is None else ["a", "b"])


def test_every_source_accepts_weights_array(kind, columns, tmp_path, names):
    weights = np.arange(11) % 4
    repeated = {name: np.repeat(x, weights) for name, x in columns.items()}
    expected = evenly.Moments.empty(names or 3).update(rows(repeated))
    assert evenly.fit(KINDS[kind](columns, tmp_path), weights=weights) == expected


@pytest.mark.parametrize("number", [10, 12])
def test_every_source_rejects_wrong_number_of_weights(source, number):
    with pytest.raises(evenly.DataError, match=rf"one number per row.*{number} weights"):
        evenly.fit(source, weights=np.ones(number))


def test_every_source_rejects_unknown_column(source, names):
    hint = "There must be a column" if names else "no names, only positions from 0 to 2"
    with pytest.raises(evenly.ColumnError, match=hint):
        evenly.fit(source, columns=["aa"])


def test_every_source_rejects_unknown_name_of_weights(source, names):
    hint = "There must be a column" if names else "no names, only positions from 0 to 2"
    with pytest.raises(evenly.ColumnError, match=f"{hint}.* Received: 'w'"):
        evenly.fit(source, weights="w")


def test_every_source_rejects_position_out_of_range(source, names):
    by_name = r"chosen by name, and only those of arrays by position\. Received: 3; .* has 'a', 'b'"
    by_position = r"position must be from 0 to 2\. Received: 3"
    with pytest.raises(evenly.ColumnError, match=by_name if names else by_position):
        evenly.fit(source, columns=[3])


def test_every_source_names_column_and_row_of_infinity(kind, columns, tmp_path, names):
    columns["a"][9] = np.inf
    column = "'a'" if names else "0"
    with pytest.raises(evenly.DataError, match=f"infinity in column {column}, row [0-9]+ of"):
        evenly.fit(KINDS[kind](columns, tmp_path))


def test_every_source_names_selected_column_of_infinity(kind, columns, tmp_path, names):
    columns["a"][9] = np.inf
    column = "'a'" if names else "0"
    with pytest.raises(evenly.DataError, match=f"infinity in column {column}, row [0-9]+ of"):
        evenly.fit(KINDS[kind](columns, tmp_path), columns=["b", "a"] if names else [1, 0])


def test_every_source_can_treat_infinity_as_missing(kind, columns, tmp_path):
    columns["a"][9] = np.inf
    moments = evenly.fit(KINDS[kind](columns, tmp_path), infinite="missing")
    columns["a"][9] = np.nan
    place = moments.columns.index("a") if moments.columns else 0
    assert moments.missing[place] == np.isnan(columns["a"]).sum()


def test_every_source_yields_each_row_once(source):
    opened = open_source(source)
    blocks = list(opened.blocks())
    assert sum(block.rows for block in blocks) == 11
    assert opened.rows in (None, 11)
    if opened.nbytes is not None:
        assert sum(block.nbytes for block in blocks) <= opened.nbytes


def test_every_source_closes_files_when_not_read(source):
    """An open file raises a ResourceWarning, which is an error here."""
    next(open_source(source).blocks())


SLOW = {"DataLoader", "Dataset", "duckdb", "polars lazy", "DuckDB URL", "SQLite URL"} | {
    kind for kind in KINDS if kind.startswith(("Zarr", "Hugging Face"))
}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in SLOW])
@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), number=st.integers(1, 40))
def test_every_source_has_same_moments_for_random_rows(kind, seed, number):
    columns = columns_of(seed, number)
    expected = evenly.Moments.empty(("a", "b", "c") if kind in NAMED else 3).update(rows(columns))
    with tempfile.TemporaryDirectory() as folder:
        assert evenly.fit(KINDS[kind](columns, Path(folder))) == expected


@pytest.mark.parametrize("kind", ["NumPy", "torch", "pandas", "polars", "pyarrow table", "CSV"])
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_every_source_merges_to_whole(kind, data, seed):
    columns = columns_of(seed, 23)
    expected = evenly.Moments.empty(("a", "b", "c") if kind in NAMED else 3).update(rows(columns))
    parts = data.draw(splits(23))
    with tempfile.TemporaryDirectory() as folder:
        places = [Path(folder, str(number)) for number in range(len(parts))]
        for place in places:
            place.mkdir()
        batches = (
            KINDS[kind]({name: x[start:stop] for name, x in columns.items()}, place)
            for (start, stop), place in zip(parts, places, strict=True)
            if stop > start
        )
        assert evenly.fit(batches) == expected


def test_every_source_logs_nothing_but_the_delimiter(source, caplog):
    with caplog.at_level(logging.INFO, logger="evenly"):
        evenly.fit(source)
    assert [line for line in caplog.messages if "separated by a comma" not in line] == []


def test_open_source_returns_source_unchanged():
    source = open_source(pa.table({"a": [1.0], "t": ["x"]}))
    moments = evenly.fit(source)
    assert moments.columns == ("a",)
    assert source.left_out == {"t": "text"}


def test_unsupported_object_is_rejected():
    with pytest.raises(evenly.UnsupportedTypeError, match=r"data frame.*Received: builtins.object"):
        evenly.fit(object())


@pytest.mark.parametrize("x", [arrow({"a": np.ones(2)}), np.ones(2)], ids=["table", "array"])
def test_select_is_rejected_for_sources_without_parts(x):
    with pytest.raises(evenly.DataError, match=r"select= chooses a part of batches.*select='a'"):
        evenly.fit(x, select="a")


def groups_of(columns, keys):
    """Return the moments of each group's rows, fitted separately."""
    made = {}
    for key in dict.fromkeys(keys):
        there = np.array([k == key for k in keys])
        made[key] = evenly.fit(pd.DataFrame({name: x[there] for name, x in columns.items()}))
    return made


TEXT = [
    kind for kind in NAMED if kind not in ("structured array", "structured NPY", "HDF5 records")
]
STATIONS = np.array(
    ["EWR", "JFK", "EWR", "LGA", "JFK", "EWR", "a longer name", "LGA"] + ["EWR"] * 3
)


@pytest.mark.parametrize("kind", TEXT)
def test_every_source_groups_by_text_column(kind, columns, tmp_path):
    source = NAMED[kind](columns | {"station": STATIONS.astype(object)}, tmp_path)
    moments = evenly.fit(source, by="station")
    assert dict(moments) == groups_of(columns, STATIONS.tolist())
    assert moments.by == "station"
    assert set(moments.columns) == {"a", "b", "c"}


@pytest.mark.parametrize("kind", NAMED)
def test_every_source_groups_by_several_columns(kind, columns, tmp_path):
    year, flag = np.arange(11) % 3 + 2012, np.arange(11) % 2 == 0
    source = NAMED[kind](columns | {"year": year, "flag": flag}, tmp_path)
    moments = evenly.fit(source, by=["year", "flag"], exclude="c")
    pairs = list(zip(year.tolist(), flag.tolist(), strict=True))
    assert dict(moments) == {
        key: own.select(["a", "b"]) for key, own in groups_of(columns, pairs).items()
    }
    kinds = {int} if kind == "SQLite URL" else {int, bool}  # SQLite has no booleans
    assert {type(part) for key in moments for part in key} == kinds


@pytest.mark.parametrize("kind", NAMED)
def test_every_source_groups_with_weights(kind, columns, tmp_path):
    weights = np.arange(11) % 4
    k = np.arange(11) % 3
    source = NAMED[kind](columns | {"w": weights, "k": k}, tmp_path)
    moments = evenly.fit(source, by="k", weights="w")
    repeated = {name: np.repeat(x, weights) for name, x in columns.items()}
    assert dict(moments) == groups_of(repeated, np.repeat(k, weights).tolist())


def test_every_source_accepts_key_array(source, columns, names):
    moments = evenly.fit(source, by=STATIONS)
    for key, own in groups_of(columns, STATIONS.tolist()).items():
        assert moments[key].sum == (own if names is None else own.select(moments.columns)).sum
        assert moments[key].rows == own.rows


def test_every_source_rejects_wrong_number_of_keys(source):
    with pytest.raises(evenly.DataError, match=r"one key per row.*12 keys"):
        evenly.fit(source, by=np.arange(12))


@pytest.mark.parametrize("kind", TEXT)
def test_every_source_names_group_of_infinity(kind, columns, tmp_path):
    columns["a"][9] = np.inf
    source = NAMED[kind](columns | {"station": STATIONS.astype(object)}, tmp_path)
    with pytest.raises(evenly.DataError, match=r"infinity in column 'a', row [0-9]+ of .*'EWR'"):
        evenly.fit(source, by="station")
