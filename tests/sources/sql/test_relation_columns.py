"""Values of DuckDB that its Arrow data does not have are errors, and never other numbers."""

import pyarrow.parquet as pq
import pytest

import evenly
from evenly.apply import apply

duckdb = pytest.importorskip("duckdb")


def database(tmp_path, kind, *values):
    """Return the URL of a table with a column of a type."""
    path = tmp_path / f"{kind}.duckdb".replace(" ", "_")
    with duckdb.connect(str(path)) as connection:
        connection.execute(f'CREATE TABLE t ("a ""b" {kind}, k DOUBLE)')
        for number, value in enumerate(values):
            connection.execute(f"INSERT INTO t VALUES ({value}, {number})")
    return f"duckdb:///{path}?table=t"


def refusal(call, *args, **options):
    """Return the message of the error of a call."""
    with pytest.raises(evenly.SourceError) as refused:
        call(*args, **options)
    return str(refused.value)


def test_large_unsigned_integers(tmp_path):
    url = database(tmp_path, "UHUGEINT", 2**127 - 1, "NULL", 1)
    moments = evenly.fit(url, columns=['a "b'])
    assert (moments.mean.tolist(), moments.missing.tolist()) == ([2.0**126], [1])
    with duckdb.connect(url.removeprefix("duckdb:///").partition("?")[0]) as connection:
        connection.execute(f"INSERT INTO t VALUES ({2**127}, 3)")
        advice = 'Select CAST("a ""b" AS DOUBLE) AS "a ""b"'
        rule = """column 'a "b' has an integer of 2**127 or more, which DuckDB cannot export. """
        assert rule + advice in refusal(evenly.fit, connection.table("t"))
    for options in ({}, {"columns": ['a "b']}, {"columns": ["k"], "by": 'a "b'}):
        assert rule + advice in refusal(evenly.fit, url, **options)
    query = 'query=SELECT CAST("a ""b" AS DOUBLE) AS "a ""b" FROM t'
    assert evenly.fit(url.replace("table=t", query)).max.tolist() == [2.0**127]
    assert evenly.fit(url, columns=["k"]).mean.tolist() == [1.5]  # that column is not read


@pytest.mark.parametrize("kind", ["DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP WITH TIME ZONE"])
@pytest.mark.parametrize("infinite", ["'infinity'", "'-infinity'"])
def test_infinite_times(tmp_path, kind, infinite):
    url = database(tmp_path, kind, "'2020-01-01'", "NULL", infinite)
    message = refusal(evenly.fit, url, columns=['a "b'])
    assert (
        """column 'a "b' has an infinite time, which Arrow does not have. Select CASE WHEN """
        'isfinite("a ""b") THEN "a ""b" END AS "a ""b", which makes it missing'
    ) in message
    moments = evenly.fit(url, columns=["k"])
    assert moments.mean.tolist() == [1.0]
    assert "has an infinite time" in refusal(apply, moments, url, str(tmp_path / "y.parquet"))
    finite = 'query=SELECT CASE WHEN isfinite("a ""b") THEN "a ""b" END AS "a ""b", k FROM t'
    assert evenly.fit(url.replace("table=t", finite), columns=['a "b']).missing.tolist() == [2]
    apply(moments, url.replace("table=t", finite), str(tmp_path / "y.parquet"))


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("TIMETZ", "'01:02:03+02'", "01:02:03+02"),
        ("BIT", "'101'", "101"),
        ("BIGNUM", "12345678901234567890123", "12345678901234567890123"),
    ],
)
def test_types_that_arrow_does_not_have_are_read_as_text(tmp_path, kind, value, text):
    # DuckDB exports a time with an offset without it, and the others as its own bytes.
    try:
        url = database(tmp_path, kind, value, "NULL")
    except duckdb.Error:
        pytest.skip(f"this DuckDB has no {kind}")
    moments = evenly.fit(url)
    assert (moments.columns, moments.left_out) == (("k",), {'a "b': "text"})
    assert set(evenly.fit(url, by='a "b').keys()) == {text, None}
    apply(moments, url, str(tmp_path / "y.parquet"))
    assert pq.read_table(tmp_path / "y.parquet")['a "b'].to_pylist() == [text, None]
    with duckdb.connect(url.removeprefix("duckdb:///").partition("?")[0]) as connection:
        assert evenly.fit(connection.table("t"), by='a "b').keys() == {text, None}
