"""URLs of databases: what they name, and what of them may be shown."""

import pytest

import evenly
from evenly.redaction import redact_url
from evenly.sources.sql.identifiers import found_table, quoted
from evenly.sources.sql.url import parse


@pytest.mark.parametrize("sql", ["SELECT a + b FROM t WHERE c = '%41&table=x?'", "SELECT 1;  "])
def test_a_query_is_taken_to_the_letter(sql):
    assert parse(f"postgresql://host/db?sslmode=require&query={sql}").query == sql.rstrip("; ")


def test_options_of_the_server_stay_with_it():
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
def test_a_password_is_not_redact_url(url):
    assert "cret" not in redact_url(url)
    assert "host/" in redact_url(url)


def test_what_follows_the_database_is_shown_whole():
    query = "?query=SELECT 'a:b@c' FROM t"
    assert redact_url(f"duckdb:///x.db{query}") == f"duckdb:///x.db{query}"


def test_a_table_or_a_query_must_be_named():
    with pytest.raises(evenly.SourceError, match=r"end with a table or a query.*db\?table=NAME"):
        evenly.fit("postgresql://me:secret@host/db")


def test_a_database_that_is_not_there_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flights.db").touch()
    with pytest.raises(evenly.SourceError, match=r"no file 'flight.db'. Did you mean 'flights.db'"):
        evenly.fit("duckdb:///flight.db?table=t")


def test_a_path_from_the_root_has_four_slashes(tmp_path):
    (tmp_path / "x.db").touch()
    with pytest.raises(evenly.SourceError, match="path from the root is written with four slashes"):
        evenly.fit(f"duckdb://{tmp_path}/x.db?table=t")


def test_two_slashes_are_refused():
    with pytest.raises(evenly.SourceError, match="has three slashes"):
        evenly.fit("sqlite://x.db?table=t")


@pytest.mark.parametrize("name", ['a"; DROP TABLE b; --', "we.ird", "é ' \\", "select"])
def test_any_name_is_one_identifier(name):
    assert quoted(name).replace('""', "")[1:-1].count('"') == 0
    assert found_table(name, [("main", name)], "x") == quoted("main", name)


def test_a_name_in_several_schemas_needs_one():
    known = [("a", "t"), ("b", "t")]
    with pytest.raises(evenly.DataError, match=r"must be unique.*'a\.t', 'b\.t'"):
        found_table("t", known, "x")
    assert found_table("b.t", known, "x") == '"b"."t"'
    assert found_table("t", [*known, ("main", "t")], "x") == '"main"."t"'
