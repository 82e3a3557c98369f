"""Tests of DuckDB and SQLite URLs and of cursors."""

import sqlite3
import sys

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from adbc_driver_sqlite import dbapi

import evenly
from evenly.cli import main

A = np.arange(10.0)
WEIRD = 'odd"; DROP TABLE t; --'


@pytest.fixture(params=["duckdb", "sqlite"])
def database(request, tmp_path, monkeypatch):
    """Return the beginning of the URL of a database with two tables in this folder."""
    monkeypatch.chdir(tmp_path)
    connect = duckdb.connect if request.param == "duckdb" else sqlite3.connect
    connection = connect("x.db")
    for table in ("t", WEIRD):
        name = table.replace('"', '""')
        connection.execute(f'CREATE TABLE "{name}" ("a b" DOUBLE, "sel""ect" INTEGER, s VARCHAR)')
        connection.executemany(
            f'INSERT INTO "{name}" VALUES (?, ?, ?)', [(float(a), int(a), "x") for a in A]
        )
    connection.execute("CREATE TABLE empty (a DOUBLE)")
    connection.commit()
    connection.close()
    return f"{request.param}:///x.db"


@pytest.mark.parametrize("table", ["t", "main.t", WEIRD])
def test_table_with_any_name(database, table):
    if database.startswith("sqlite") and table == "main.t":
        table = "t"
    moments = evenly.fit(f"{database}?table={table}")
    assert moments.columns == ("a b", 'sel"ect')
    assert moments.mean.tolist() == [4.5, 4.5]
    assert evenly.fit(f"{database}?table=t") == moments  # nothing was dropped


def test_a_query_is_read(database):
    moments = evenly.fit(f'{database}?query=SELECT "a b" + 1 AS c FROM t WHERE "a b" < 2;')
    assert (moments.columns, moments.mean.tolist()) == (("c",), [1.5])


def test_missing_table_lists_known_tables(database):
    with pytest.raises(evenly.ColumnError, match=r"must name a table.*'tt'.*'empty'.*'t'\?"):
        evenly.fit(f"{database}?table=tt")


def test_empty_source_is_rejected(database):
    with pytest.raises(evenly.DataError, match=r"At least one row.*x\.db\?table=empty, with none"):
        evenly.fit(f"{database}?table=empty")


@pytest.mark.parametrize("query", ["SELECT no FROM t", "SELEC", "DROP TABLE t"])
def test_invalid_query_is_rejected(database, query):
    with pytest.raises(evenly.SourceError, match=r"its query valid\. Received: .*x\.db\?query="):
        evenly.fit(f"{database}?query={query}")
    assert evenly.fit(f"{database}?table=t").rows == 10


def test_query_error_while_reading(database):
    bad = "error('half' || 'way')" if database.startswith("duckdb") else "abs(-9223372036854775808)"
    query = f'SELECT CASE WHEN "a b" = 9 THEN {bad} ELSE 1 END AS c FROM t'
    with pytest.raises(
        evenly.SourceError, match=r"its query valid\. Received: .*(halfway|overflow)"
    ):
        evenly.fit(f"{database}?query={query}")


def test_file_that_is_not_a_database_is_rejected(database, tmp_path):
    (tmp_path / "x.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(evenly.SourceError, match="A database must be readable"):
        evenly.fit(f"{database}?table=t")


def test_database_without_table_or_query_is_rejected(database, tmp_path):
    with pytest.raises(evenly.SourceError, match=rf"Pass the URL {database[:9]}.*\?table=NAME"):
        evenly.fit("x.db")


def test_select_is_rejected_for_database_tables(database):
    with pytest.raises(evenly.DataError, match="select= chooses a part"):
        evenly.fit(f"{database}?table=t", select="t")


def test_database_file_is_not_changed(database, tmp_path):
    before = (tmp_path / "x.db").read_bytes()
    (tmp_path / "x.db").chmod(0o444)
    evenly.fit(f"{database}?table=t")
    assert (tmp_path / "x.db").read_bytes() == before


def test_command_line(database, tmp_path):
    assert main(["fit", f"{database}?table=t", "--columns", "a b", "-q", "-o", "o.json"]) == 0
    moments = evenly.load("o.json")
    assert moments == evenly.fit(pa.table({"a b": A}))
    assert moments.sources == (f"{database}?table=t",)


def test_fit_table_and_file_together(database, tmp_path):
    pa.csv.write_csv(pa.table({"a b": A}), "x.csv")
    both = evenly.fit([f"{database}?table=t", "x.csv"], columns=["a b"])
    assert both == evenly.fit(pa.table({"a b": np.tile(A, 2)}))


def test_duckdb_table_row_count_is_known(database):
    seen = []
    evenly.fit(f"{database}?table=t", progress=seen.append)
    assert seen[-1].total_rows == (10 if database.startswith("duckdb") else None)


def test_adbc_cursor(tmp_path):
    with dbapi.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1 AS a, 2.5 AS b UNION ALL SELECT 3, 4.5")
        assert evenly.fit(cursor).mean.tolist() == [2, 3.5]


@pytest.mark.parametrize("connect", [sqlite3.connect, duckdb.connect])
def test_dbapi_cursor_is_rejected(connect):
    """A row of two numbers is not a batch of two rows."""
    connection = connect(":memory:")
    with pytest.raises(evenly.UnsupportedTypeError, match=r"come as Arrow data.*Python objects"):
        evenly.fit(connection.execute("SELECT 1, 2"))
    connection.close()


@pytest.mark.parametrize("package", ["duckdb", "adbc_driver_sqlite"])
def test_a_missing_package_names_the_command(tmp_path, monkeypatch, package):
    (tmp_path / "x.db").touch()
    for module in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    scheme = package.rpartition("_")[2]
    with pytest.raises(evenly.MissingExtraError, match=rf"{package}.*evenly\[sql\]"):
        evenly.fit(f"{scheme}:///{tmp_path}/x.db?table=t")


@pytest.mark.parametrize(
    "end", [" -- note", "; -- note", " ;; ", " /* a\n-- note */", "\n-- a ' quote\n;", ";\n"]
)
def test_query_injection_is_rejected(database, end):
    assert evenly.fit(f"{database}?query=SELECT \"a b\" AS c, '; --' AS t FROM t{end}").rows == 10


WRITES = [
    *("COPY t TO '{0}'", "COPY (SELECT 1) TO '{0}'", "ATTACH '{0}' AS n", "VACUUM INTO '{0}'"),
    *("EXPORT DATABASE '{0}'", "INSTALL httpfs", "LOAD httpfs", "SET memory_limit = '1GB'"),
    *("SET enable_external_access = true", "PRAGMA user_version = 3", "CREATE TABLE n (a INT)"),
    *("CREATE TEMP TABLE n (a INT)", "INSERT INTO t VALUES (1, 1, 'x')", "BEGIN", "CHECKPOINT"),
    *("DELETE FROM t RETURNING *", "SELECT 1 AS a; SELECT 2 AS a", "SELECT 1 AS a; DROP TABLE t"),
    *("SELECT 1 AS a) AS q; ATTACH '{0}' AS n; --", "SELECT 1 AS a) AS q; DROP TABLE t; --"),
    *("SELECT 1 AS a) UNION ALL SELECT * FROM (SELECT 2 AS a", "SELECT load_extension('{0}')"),
    *("SELECT 1 AS a; COPY t TO '{0}'", "CALL enable_logging()", "-- nothing", ""),
]


@pytest.mark.parametrize("query", WRITES)
def test_statement_that_is_not_a_query_is_rejected(database, query, tmp_path):
    files = {path: path.read_bytes() for path in tmp_path.iterdir()}
    url = f"{database}?query={query.format(tmp_path / 'new')}"
    with pytest.raises(evenly.SourceError):
        evenly.fit(url)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files


READS = [
    *("read_csv('{}')", "'{}'", "read_text('{}')", "glob('{}')"),
    *("read_parquet('http://127.0.0.1:1/x.parquet')", "sqlite_scan('{}', 't')"),
]


@pytest.mark.parametrize("function", READS)
def test_duckdb_query_cannot_access_other_files(tmp_path, function):
    private = tmp_path / "private.csv"
    private.write_text("a\n77\n")
    with duckdb.connect(str(tmp_path / "x.db")) as connection:
        connection.execute(f"CREATE VIEW v AS SELECT * FROM read_csv('{private}')")
    for end in (f"query=SELECT 1 AS a FROM {function.format(private)}", "table=v"):
        with pytest.raises(evenly.SourceError, match="set EVENLY_ALLOW_EXTERNAL_ACCESS=1"):
            evenly.fit(f"duckdb:///{tmp_path}/x.db?{end}")


def test_external_access_can_be_allowed(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENLY_ALLOW_EXTERNAL_ACCESS", "1")
    (tmp_path / "x.csv").write_text("a\n77\n")
    duckdb.connect(str(tmp_path / "x.db")).close()
    url = f"duckdb:///{tmp_path}/x.db?query="
    assert evenly.fit(f"{url}SELECT * FROM read_csv('{tmp_path}/x.csv')").mean == 77
    with pytest.raises(evenly.SourceError, match="one statement that reads"):
        evenly.fit(f"{url}COPY (SELECT 1) TO '{tmp_path}/y.csv'")


@pytest.mark.parametrize("name", ["memory.db", "main.db", 'it\'s "odd".db', "a.b.db"])
def test_duckdb_database_with_any_name(tmp_path, name):
    with duckdb.connect(str(tmp_path / name)) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1.5 AS a")
    assert evenly.fit(f"duckdb:///{tmp_path}/{name}?table=t").mean == 1.5


def test_duckdb_database_already_open_for_reading(database):
    with duckdb.connect("other.db") as connection:
        connection.execute("CREATE TABLE t AS SELECT 1.5 AS a")
    with duckdb.connect("other.db", read_only=True):
        assert evenly.fit("duckdb:///other.db?table=t").mean == 1.5


@pytest.mark.parametrize("query", ["FROM t", "VALUES (1)", "PIVOT t ON s USING sum(a)", "TABLE t"])
def test_duckdb_query_forms(tmp_path, query):
    with duckdb.connect(str(tmp_path / "x.db")) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1.5 AS a, 'x' AS s")
    assert evenly.fit(f"duckdb:///{tmp_path}/x.db?query={query}").rows == 1
