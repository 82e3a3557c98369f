"""SQLite columns have no type: every row counts, wherever it is."""

import sqlite3
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

import evenly
import oracle
from evenly.apply import apply

pytest.importorskip("adbc_driver_sqlite")

BATCH = 65_536


@pytest.fixture
def database(tmp_path):
    """Return a function that writes a table with one column and returns its URL."""

    def write(values, declared=""):
        path = tmp_path / "x.sqlite"
        path.unlink(missing_ok=True)
        with sqlite3.connect(path) as connection:
            connection.execute(f'CREATE TABLE t (k INTEGER, "a ""b" {declared})')
            connection.executemany("INSERT INTO t VALUES (?, ?)", enumerate(values))
        connection.close()
        return f"sqlite:///{path}?"

    return write


@pytest.mark.parametrize("end", ["table=t", 'query=SELECT k, "a ""b" FROM t', "cast"])
@pytest.mark.parametrize("first", [None, 7])
@pytest.mark.parametrize("declared", ["REAL", "NUMERIC", ""])
def test_decimals_after_the_first_batch(database, end, first, declared):
    url = database([first] * (BATCH + 9) + [0.5, 2.5], declared)
    end = 'query=SELECT k, CAST("a ""b" AS REAL) AS "a ""b" FROM t' if end == "cast" else end
    moments = evenly.fit(url + end)
    assert moments.columns == ("k", 'a "b')
    total = BATCH + 11
    assert moments.missing.tolist() == [0, 0 if first else BATCH + 9]
    assert float(moments.sum[1]) == 3.0 + (first or 0) * (BATCH + 9)
    assert float(moments.sum[0]) == total * (total - 1) // 2  # no row is added or lost


def test_integers_after_nulls_are_exact(database):
    url = database([None] * BATCH + [2**60 + 1])
    assert evenly.fit(f"{url}table=t").sum[1] == 2**60 + 1


def test_text_after_the_first_batch_is_left_out(database):
    from evenly.sources import open_source

    source = open_source(database([None] * BATCH + ["text", 3]) + "table=t")
    assert evenly.fit(source).columns == ("k",)
    assert source.left_out == {'a "b': "text"}


@pytest.mark.parametrize("rows", [0, 1, BATCH - 1, BATCH, BATCH + 1])
def test_number_of_rows(database, rows):
    url = database([*[None] * rows, 1.5])
    moments = evenly.fit(f"{url}table=t")
    assert moments.rows == rows + 1
    assert float(moments.sum[1]) == 1.5


def test_keys_and_weights_of_a_column_that_begins_with_nulls(database):
    url = database([None] * BATCH + [1.5, 0.5])
    groups = evenly.fit(f"{url}table=t", by='a "b')
    assert sorted(moments.rows for moments in groups.values()) == [1, 1, BATCH]
    weights = f'{url}query=SELECT k, COALESCE("a ""b", 0) AS w FROM t'
    assert evenly.fit(weights, weights="w").mean.tolist() == [BATCH + 0.25]


MIXED = [2**60 + 1, 0.5, None, 2**60 + 3, 3, 2**53, -(2**63), 2**63 - 1, 1e100, -1e100]


@pytest.mark.parametrize("declared", ["", "NUMERIC", "INTEGER"])
@pytest.mark.parametrize("before", [[], [None] * BATCH, [7] * BATCH, [0.5] * BATCH])
def test_integers_beside_reals_are_exact(database, declared, before):
    moments = evenly.fit(database([*before, *MIXED], declared) + "table=t", columns=['a "b'])
    exact = [Fraction(x) for x in [*before, *MIXED] if x is not None]
    assert moments.sum == [sum(exact)]
    assert moments.missing.tolist() == [[*before, *MIXED].count(None)]
    mean = sum(exact) / len(exact)
    squares = sum(x * x for x in exact) / len(exact)
    assert moments.variance()[0] == oracle.rounded(squares - mean * mean)


def test_integers_beside_reals_in_a_query(database):
    url = database([2**60 + 1, 0.5])
    assert evenly.fit(f"{url}query=SELECT * FROM t").sum[1] == 2**60 + Fraction(3, 2)


def test_integers_in_a_column_of_type_real_are_what_sqlite_stores(database):
    url = database([2**60 + 1, 0.5], "DOUBLE PRECISION")
    assert evenly.fit(f"{url}table=t").sum[1] == 2**60 + Fraction(1, 2)


def test_keys_and_weights_beside_integers_that_float64_rounds(database):
    url = database([2**60 + 1, 2**60 + 3, 0.5, 2**60 + 1])
    groups = evenly.fit(f"{url}table=t", by='a "b')
    assert {key: group.rows for key, group in groups.items()} == {
        0.5: 1,
        2**60 + 1: 2,
        2**60 + 3: 1,
    }
    weighted = evenly.fit(url + "query=SELECT *, k + 0.5 AS w FROM t", weights="w")
    assert weighted.sum[1] == Fraction(1, 2) * (2**60 + 1) + Fraction(3, 2) * (2**60 + 3) + (
        Fraction(5, 4) + Fraction(7, 2) * (2**60 + 1)
    )


def test_apply_subtracts_the_mean_from_integers_beside_reals_exactly(database, tmp_path):
    url = database([2**60 + 1, 2**60 + 3, 2.0**60, None, 2**60 + 8])
    moments = evenly.fit(f"{url}table=t", columns=['a "b'])
    apply(moments, f"{url}table=t", str(tmp_path / "y.parquet"))
    result = pd.read_parquet(tmp_path / "y.parquet")
    whole = pd.DataFrame({'a "b': np.array([1, 3, 0, 8], np.int64) + 2**60})
    expected = moments.normalize(whole)['a "b']
    assert result['a "b'].dropna().tolist() == expected.tolist()
    assert result["k"].tolist() == [0, 1, 2, 3, 4]


def test_apply_finds_the_group_of_integers_as_text(database, tmp_path):
    keys = [2**60 + 1, 2**60 + 3, 0.5, 2**60 + 1, 2**60 + 3, 0.5]
    url = database(keys)
    groups = evenly.fit(f"{url}table=t", columns=["k"], by='a "b')
    with pytest.raises(evenly.DataError) as refused:
        apply(groups, f"{url}table=t", str(tmp_path / "y.parquet"))
    advice = 'query=SELECT ..., CAST("a ""b" AS TEXT) AS "a ""b" FROM ...'
    assert str(refused.value) == (
        "Group keys must be exact, and SQLite's driver reads integers beside reals as float64. "
        f"""Received: column 'a "b' of {url}table=t, with integers beyond 2**53 beside reals. """
        f"Read them as text: {advice}"
    )
    text = f'{url}query=SELECT k, CAST("a ""b" AS TEXT) AS "a ""b" FROM t'
    apply(groups, text, str(tmp_path / "y.parquet"))
    result = pd.read_parquet(tmp_path / "y.parquet")
    assert result["k"].tolist() == [-1, -1, -1, 1, 1, 1]
    assert result['a "b'].tolist() == list(map(str, keys))


def test_apply_names_copied_integers_that_float64_rounds(database, tmp_path, caplog):
    url = database([0.5, 2**60 + 1, 2**60 + 3])
    moments = evenly.fit(f"{url}table=t", columns=["k"])
    apply(moments, f"{url}table=t", str(tmp_path / "y.parquet"))
    assert caplog.messages == [
        f"""Column 'a "b' of {url}table=t, with integers beyond 2**53 beside reals, is copied as """
        "the nearest float64. To keep all digits, read it as text: query=SELECT ..., "
        'CAST("a ""b" AS TEXT) AS "a ""b" FROM ...'
    ]
    assert pd.read_parquet(tmp_path / "y.parquet")['a "b'].tolist() == [0.5, 2.0**60, 2.0**60]


def test_reals_in_a_column_of_text_keep_their_digits(database, tmp_path):
    values = ["x", 1234567.8, 1234567.9, 0.1, 0.1 + 2**-56, 3, None, 1e300]
    url = database(values)
    text = ["x", "1234567.8", "1234567.9", "0.1", "0.10000000000000002", "3", None, "1.0e+300"]
    groups = evenly.fit(f"{url}table=t", by='a "b')
    assert {key: group.mean[0] for key, group in groups.items()} == dict(
        zip(text, range(8), strict=True)
    )
    assert [x if x in ("x", None) else float(x) for x in text] == values
    apply(evenly.fit(f"{url}table=t"), f"{url}table=t", str(tmp_path / "y.parquet"))
    copied = pd.read_parquet(tmp_path / "y.parquet")['a "b']
    assert copied.astype(object).where(copied.notna(), None).tolist() == text
