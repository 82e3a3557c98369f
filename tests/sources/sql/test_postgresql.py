"""Tests of PostgreSQL with a local server, if it is installed."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

import evenly
from evenly.apply import apply

POOL = [Path(path) for path in ("/usr/lib/postgresql", "/usr/local/bin", "/usr/bin")]
FOUND = next((file for folder in POOL for file in sorted(folder.glob("**/initdb"))), None)

pytestmark = pytest.mark.skipif(FOUND is None, reason="PostgreSQL is not installed here")


def ordinary_user():
    """Return the user that the package of PostgreSQL creates; without it, one without rights."""
    return next(entry.pw_name for entry in map(find_user, ("postgres", "nobody")) if entry)


def find_user(name):
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(name)
    return None


@pytest.fixture(scope="module")
def server():
    """Return the beginning of a URL; the server listens only on a socket in its folder."""
    dbapi = pytest.importorskip("adbc_driver_postgresql.dbapi")
    folder = tempfile.mkdtemp(prefix="evenly")
    user = {}
    if os.getuid() == 0:  # PostgreSQL does not run as root
        user = {"user": ordinary_user()}
        shutil.chown(folder, user["user"])

    def run(program, *options):
        command = [FOUND.with_name(program), "-D", f"{folder}/data", *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, **user)

    run("initdb", "-A", "trust", "-U", "me", "--no-sync")
    run("pg_ctl", "-w", "-l", f"{folder}/log", "-o", f"-c listen_addresses='' -k {folder}", "start")
    url = f"postgresql://me:secret@/postgres?host={folder}"
    with dbapi.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            'CREATE TABLE t AS SELECT i::float8 AS a, i AS "b""x", i % 2 = 0 AS c, '
            "'x'::text AS s, CASE WHEN i > 1 THEN i::float4 END AS d "
            "FROM generate_series(1, 100000) i"
        )
        connection.commit()
    yield url
    run("pg_ctl", "-m", "immediate", "stop")
    shutil.rmtree(folder)


def test_a_table_is_read(server):
    moments = evenly.fit(f"{server}&table=t")
    assert moments.columns == ("a", 'b"x', "c", "d")
    assert moments.mean.tolist() == [50000.5, 50000.5, 0.5, 50001]
    assert moments.missing.tolist() == [0, 0, 0, 1]


def test_a_query_is_read(server):
    assert evenly.fit(f"{server}&query=SELECT a FROM t WHERE a < 4;").mean.tolist() == [2]


@pytest.mark.parametrize("end", ["&table=t", "&query=SELECT * FROM t WHERE a < 5"])
def test_table_is_normalized_into_a_file(server, tmp_path, end):
    moments = evenly.fit(f"{server}&table=t")
    apply(moments, f"{server}{end}", str(tmp_path / "y.parquet"))
    result = pyarrow.parquet.read_table(tmp_path / "y.parquet")
    assert result.column_names == ["a", 'b"x', "c", "s", "d"]
    assert result["s"][0].as_py() == "x"
    np.testing.assert_allclose(
        result["a"].to_numpy()[:4], (np.arange(1, 5) - 50000.5) / moments.std()[0], rtol=1e-12
    )


def test_password_is_redacted_in_messages_and_statistics(server):
    assert "secret" not in evenly.fit(f"{server}&table=t").sources[0]
    for bad in ("&table=no", "&query=SELECT no FROM t", "_&table=t"):
        with pytest.raises(evenly.EvenlyError) as caught:
            evenly.fit(f"{server}{bad}")
        assert "secret" not in str(caught.value)


def test_query_error_while_reading(server):
    with pytest.raises(evenly.SourceError, match="division by zero"):
        evenly.fit(f"{server}&query=SELECT 1 / (a - 99999)::int AS q FROM t")


def test_postgresql_database_is_not_changed(server):
    with pytest.raises(evenly.SourceError):
        evenly.fit(f"{server}&query=DELETE FROM t RETURNING *")
    assert evenly.fit(f"{server}&table=t").rows == 100_000


@pytest.fixture
def writers(server):
    """Create functions that write, and a sequence."""
    dbapi = pytest.importorskip("adbc_driver_postgresql.dbapi")
    with dbapi.connect(server) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE SEQUENCE IF NOT EXISTS numbers")
        cursor.execute(
            "CREATE OR REPLACE FUNCTION empty() RETURNS int LANGUAGE plpgsql AS "
            "'BEGIN DELETE FROM t; RETURN 1; END'"
        )
        connection.commit()


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("SELECT empty() AS a", "read-only transaction"),
        ("SELECT nextval('numbers') AS a", "read-only transaction"),
        ("SELECT set_config('transaction_read_only', 'off', false) = '' AS a, empty()", "must be"),
        ("SELECT a FROM t) AS q; DROP TABLE t; --", "syntax error"),
        ("SELECT a FROM t) UNION ALL SELECT * FROM (SELECT 1 AS a", "syntax error"),
        ("SELECT a FROM t; DROP TABLE t", "multiple commands"),
        ("WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone", "data-modifying"),
    ],
)
def test_writing_query_is_rejected(server, writers, query, why):
    with pytest.raises(evenly.SourceError, match=why):
        evenly.fit(f"{server}&query={query}")
    assert evenly.fit(f"{server}&table=t").rows == 100_000


@pytest.mark.parametrize("end", [" -- note", "; -- note", " /* a */ ;", "\n"])
def test_query_injection_is_rejected(server, end):
    query = f"SELECT a, E'it\\'s; --' AS t, $$; --$$ AS u FROM t WHERE a < 4{end}"
    assert evenly.fit(f"{server}&query={query}").mean.tolist() == [2]


@pytest.mark.parametrize("part", ["pass/word", "pass%zzword"])
def test_unparsable_password_is_redacted(server, part):
    with pytest.raises(evenly.SourceError) as caught:
        evenly.fit(f"{server.replace('secret', part)}&table=t")
    assert "word" not in str(caught.value).replace("password", "")
    assert "pass" not in str(caught.value)


def create(server, kind, values):
    """Create a table with a column of a type, and return its URL."""
    columns = f'"a ""b" {kind}, k float8 DEFAULT 1'
    return create_table(server, columns, f'("a ""b") VALUES {values}')


def create_table(server, columns, rows):
    """Create a table, and return its URL."""
    dbapi = pytest.importorskip("adbc_driver_postgresql.dbapi")
    with dbapi.connect(server) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS typed")
        cursor.execute(f"CREATE TABLE typed ({columns})")
        cursor.execute(f"INSERT INTO typed {rows}")
        connection.commit()
    return f"{server}&table=typed"


def test_money_is_not_counted_in_cents(server, tmp_path):
    url = create(server, "money", "('1.50'), ('2.50'), (NULL)")
    moments = evenly.fit(url)
    assert moments.columns == ('a "b', "k")
    assert moments.mean.tolist() == [2.0, 1.0]
    apply(moments, url, str(tmp_path / "y.parquet"))
    table = pyarrow.parquet.read_table(tmp_path / "y.parquet")
    assert table['a "b'].to_pylist() == [-1.0, 1.0, None]


def test_domains_are_read_as_the_type_that_they_are_based_on(server, tmp_path):
    # The driver counts money in cents, also where it is that of a domain.
    dbapi = pytest.importorskip("adbc_driver_postgresql.dbapi")
    with dbapi.connect(server) as connection, connection.cursor() as cursor:
        cursor.execute("DROP DOMAIN IF EXISTS price, amount CASCADE")
        cursor.execute("CREATE DOMAIN amount AS money")
        cursor.execute("CREATE DOMAIN price AS amount CHECK (value >= '0')")
        connection.commit()
    url = create(server, "price", "('1.50'), ('2.50'), (NULL)")
    moments = evenly.fit(url)
    assert moments.mean.tolist() == [2.0, 1.0]
    apply(moments, url, str(tmp_path / "y.parquet"))
    table = pyarrow.parquet.read_table(tmp_path / "y.parquet")
    assert table['a "b'].to_pylist() == [-1.0, 1.0, None]


@pytest.mark.parametrize(
    ("kind", "values", "copied"),
    [
        ("inet", "('10.0.0.1'), (NULL)", ["10.0.0.1/32", None]),
        ("timetz", "('01:02:03+02')", ["01:02:03+02"]),
        ("bit(3)", "(B'101')", ["101"]),
        ("int4range", "('[1,5)')", ["[1,5)"]),
        ("point", "('(1,2)')", ["(1,2)"]),
        ("macaddr[]", "('{08:00:2b:01:02:03,NULL}'), (NULL)", [["08:00:2b:01:02:03", None], None]),
        ("money[]", "('{1.50,2}')", [["1.50", "2.00"]]),
        ("oid[]", "('{4294967295}')", [[4294967295]]),
        ("text[]", "('{a,b}'), ('{}')", [["a", "b"], []]),
        ("float8[]", "('{1,NULL}')", [[1.0, None]]),
        ("bytea", "('\\x01ff')", [b"\x01\xff"]),
    ],
)
def test_columns_are_copied_with_their_values(server, tmp_path, kind, values, copied):
    # The driver reads many types as the bytes that the server sends for them.
    url = create(server, kind, values)
    apply(evenly.fit(url, columns=["k"]), url, str(tmp_path / "y.parquet"))
    table = pyarrow.parquet.read_table(tmp_path / "y.parquet")
    assert table['a "b'].to_pylist() == copied
    assert table["k"].to_pylist() == [0.0] * len(copied)


@pytest.mark.parametrize("kind", ["inet", "uuid", "date", "int8", "char(40)", "numeric"])
def test_keys_are_applied_as_they_were_fitted(server, tmp_path, kind):
    texts = {
        "inet": ("10.0.0.1", "10.0.0.2"),
        "uuid": [f"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1{i}" for i in "12"],
        "date": ("2020-01-01", "2021-01-01"),
    }
    first, second = texts.get(kind, ("9007199254740993", "9007199254740992"))
    url = create(server, kind, f"('{first}'), ('{second}'), ('{first}'), (NULL)")
    if kind == "uuid":
        with pytest.raises(evenly.UnsupportedTypeError, match=r"must be text.*binary"):
            evenly.fit(url, by='a "b')
        return
    moments = evenly.fit(url, by='a "b', columns=["k"])
    assert sorted(moments[key].rows for key in moments) == [1, 1, 2]
    apply(moments, url, str(tmp_path / "y.parquet"))
    assert pyarrow.parquet.read_table(tmp_path / "y.parquet").num_rows == 4


def test_object_identifiers_are_unsigned(server):
    url = create(server, "oid", "(4294967295), (1)")
    assert evenly.fit(url).max.tolist() == [4294967295.0, 1.0]
    assert sorted(evenly.fit(url, by='a "b').keys()) == [1, 4294967295]


@pytest.mark.parametrize("kind", ["date", "timestamp", "timestamptz"])
def test_infinite_times_are_refused_with_the_way_out(server, kind):
    url = create(server, kind, "('2020-01-01'), ('infinity'), (NULL)")
    assert evenly.fit(url).columns == ("k",)  # the column is not read
    with pytest.raises(evenly.SourceError) as refused:
        evenly.fit(url, columns=['a "b'])
    advice = 'CASE WHEN isfinite("a ""b") THEN "a ""b" END AS "a ""b"'
    assert (
        """infinity in column 'a "b', an infinite time, which Arrow does not have. """
        f"Select {advice}, which makes it missing"
    ) in str(refused.value)
    finite = url.replace("table=typed", f"query=SELECT {advice} FROM typed")
    moments = evenly.fit(finite, columns=['a "b'])
    assert (moments.rows, moments.missing.tolist()) == (3, [2])


def test_arrays_and_other_types_of_a_table_are_copied(server, tmp_path):
    url = create_table(
        server,
        "k text, a float8, numbers int[], words text[], price numeric(30, 10), day date, raw bytea",
        r"VALUES ('x', 1, '{1,2}', '{y,NULL}', 9007199254740993.5, '2026-01-31', '\x00ff'), "
        "('x', 3, NULL, '{}', 1, NULL, NULL)",
    )
    moments = evenly.fit(url, columns="a", by="k")
    apply(moments, url, str(tmp_path / "out.parquet"))
    table = pyarrow.parquet.read_table(tmp_path / "out.parquet")
    assert table["a"].to_pylist() == [-1, 1]
    assert table["numbers"].to_pylist() == [[1, 2], None]
    assert table["words"].to_pylist() == [["y", None], []]
    assert table["price"].to_pylist() == ["9007199254740993.5000000000", "1.0000000000"]
    assert table["day"].to_pylist() == [date(2026, 1, 31), None]
    assert table["raw"].to_pylist() == [b"\x00\xff", None]


def test_a_type_that_a_format_does_not_have_is_refused_with_the_column(server, tmp_path):
    url = create_table(server, "a float8, span interval", "VALUES (1, '1 month')")
    with pytest.raises(evenly.UnsupportedTypeError, match=r"column 'span': .*month_day_nano"):
        apply(evenly.fit(url, columns="a"), url, str(tmp_path / "out.parquet"))
