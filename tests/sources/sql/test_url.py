"""Tests of database URLs: parsing and redaction."""

import pytest

import evenly
from evenly.redaction import redact_url
from evenly.sources.sql.identifiers import find_table, quote_identifier
from evenly.sources.sql.url import parse


@pytest.mark.parametrize("sql", ["SELECT a + b FROM t WHERE c = '%41&table=x?'", "SELECT 1;  "])
def test_query_is_not_decoded(sql):
    assert parse(f"postgresql://host/db?sslmode=require&query={sql}").query == sql.rstrip("; ")


def test_server_options_are_kept_in_target():
    asked = parse("postgres://host/db?sslmode=require&table=t")
    assert (asked.scheme, asked.target, asked.table) == (
        "postgresql",
        "postgres://host/db?sslmode=require",
        "t",
    )


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:se@cret@host/db?table=t",
        "postgresql://me:secret@host/db",
        "postgresql://host/db?user=me&password=secret&table=t",
        "ftp://me:secret@host/x.csv",
    ],
)
def test_password_is_redacted(url):
    assert "cret" not in redact_url(url)
    assert "host/" in redact_url(url)


def test_table_and_query_are_not_redacted():
    query = "?query=SELECT 'a:b@c' FROM t"
    assert redact_url(f"duckdb:///x.db{query}") == f"duckdb:///x.db{query}"


def test_a_table_or_a_query_must_be_named():
    with pytest.raises(evenly.SourceError, match=r"end with a table or a query.*db\?table=NAME"):
        evenly.fit("postgresql://me:secret@host/db")


def test_missing_database_is_rejected(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flights.db").touch()
    with pytest.raises(evenly.SourceError, match=r"no file 'flight.db'. Did you mean 'flights.db'"):
        evenly.fit("duckdb:///flight.db?table=t")


def test_absolute_path_needs_four_slashes(tmp_path):
    (tmp_path / "x.db").touch()
    with pytest.raises(evenly.SourceError, match="Write an absolute path with four slashes"):
        evenly.fit(f"duckdb://{tmp_path}/x.db?table=t")


def test_two_slashes_are_rejected():
    with pytest.raises(evenly.SourceError, match="must have three slashes"):
        evenly.fit("sqlite://x.db?table=t")


@pytest.mark.parametrize("name", ['a"; DROP TABLE b; --', "we.ird", "é ' \\", "select"])
def test_quoted_name_is_one_identifier(name):
    assert quote_identifier(name).replace('""', "")[1:-1].count('"') == 0
    assert find_table(name, [("main", name)], "x") == quote_identifier("main", name)


def test_table_name_in_several_schemas_is_ambiguous():
    known = [("a", "t"), ("b", "t")]
    with pytest.raises(evenly.DataError, match=r"must be unique.*'a\.t', 'b\.t'"):
        find_table("t", known, "x")
    assert find_table("b.t", known, "x") == '"b"."t"'
    assert find_table("t", [*known, ("main", "t")], "x") == '"main"."t"'
