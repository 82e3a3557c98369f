"""`evenly apply` of CSV files and databases takes what `evenly fit` takes, exactly."""

import csv
import sqlite3
from fractions import Fraction

import numpy as np
import pytest

import evenly
from evenly.apply import apply
from evenly.cli import main

pyarrow = pytest.importorskip("pyarrow")
pytest.importorskip("pyarrow.parquet")


def normalized(tmp_path, text, *, fit=None, output="y.csv", inverse=False, **options):
    """Return the rows of a CSV file normalized by its own statistics."""
    path = tmp_path / "x.csv"
    path.write_text(text)
    moments = evenly.fit(path, **(fit or {}))
    apply(moments, str(path), str(tmp_path / output), inverse=inverse, **options)
    with open(tmp_path / output, newline="") as file:
        return list(csv.reader(file))


def expected(values):
    """Return exactly computed normalized values, rounded at the end."""
    values = [Fraction(value) for value in values]
    mean = sum(values) / len(values)
    std = float(sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5
    return [float(value - mean) / std for value in values]


def column(rows, index=0):
    return [float(row[index]) if row[index] else None for row in rows[1:]]


@pytest.mark.parametrize(
    "values",
    [
        [1_700_000_000_000_000_000 + 100 * k for k in range(6)],
        [2**62 + k for k in range(5)],
        [-(2**63), 2**63 - 1, 0],
        [2**60 + 1, 2**60 + 2, 2**60 + 7],
    ],
)
def test_64_bit_integers_are_exact(tmp_path, values):
    rows = normalized(tmp_path, "t\n" + "".join(f"{value}\n" for value in values))
    np.testing.assert_allclose(column(rows), expected(values), rtol=1e-12, atol=1e-15)


def test_integers_beside_decimals_keep_the_order_of_rows(tmp_path):
    values = [2**60 + 1, 0.5, 2**60 + 3, None, 7, 2**60 + 5, 0.25]
    text = "t,k\n" + "".join(f"{'' if v is None else v},{k}\n" for k, v in enumerate(values))
    rows = normalized(tmp_path, text, fit={"columns": ["t"]})
    assert [row[1] for row in rows[1:]] == [str(k) for k in range(7)]
    found = column(rows)
    assert found.pop(3) is None
    np.testing.assert_allclose(found, expected([v for v in values if v is not None]), rtol=1e-12)


def test_booleans(tmp_path):
    rows = normalized(tmp_path, "x,b\n1,true\n2,False\n3,TRUE\n")
    np.testing.assert_allclose(column(rows, 1), expected([1, 0, 1]), rtol=1e-12)


@pytest.mark.parametrize(
    "times",
    [
        ["2020-01-01 00:00:00", "2020-01-01 00:00:10", "2020-01-01 00:00:50"],
        ["2020-01-01T00:00:00Z", "2020-01-01T00:00:10Z", "2020-01-01T00:00:50Z"],
        ["2020-01-01 00:00:00.000000001", "2020-01-01 00:00:10", "2020-01-01 00:00:50"],
    ],
)
def test_timestamps_by_name(tmp_path, times):
    text = "when,note\n" + "".join(f"{time},a\n" for time in times)
    rows = normalized(tmp_path, text, fit={"columns": ["when"]})
    np.testing.assert_allclose(column(rows), expected([0, 10, 50]), rtol=1e-9)


def test_unit_of_time_is_that_of_the_fit(tmp_path):
    (tmp_path / "ns.csv").write_text("when\n2020-01-01 00:00:00.5\n2020-01-01 00:00:01.5\n")
    (tmp_path / "s.csv").write_text("when\n2020-01-01 00:00:01\n")
    moments = evenly.fit(tmp_path / "ns.csv", columns=["when"])
    apply(moments, str(tmp_path / "s.csv"), str(tmp_path / "y.csv"))
    assert (tmp_path / "y.csv").read_text() == '"when"\n0\n'


def test_marks_commas_and_comments(tmp_path):
    text = "a;name;b\n1,5;007;?\n2,5;NA;2\n# note\n3,5;x;4\n"
    csv_options = {"decimal": ",", "missing": ["?"], "comment": "#"}
    fit = {"csv": csv_options, "exclude": ["name"]}
    rows = normalized(tmp_path, text, fit=fit, csv=csv_options)
    assert rows[0] == ["a", "name", "b"]
    assert [row[1] for row in rows[1:]] == ["007", "NA", "x"]
    np.testing.assert_allclose(column(rows), expected([1, 2, 3]))
    assert column(rows, 2) == [None, -1.0, 1.0]


def test_file_without_header_gives_one_without_header(tmp_path):
    rows = normalized(tmp_path, "1,a\n3,b\n", fit={"csv": {"header": False}}, csv={"header": False})
    assert rows == [["-1", "a"], ["1", "b"]]


def test_text_in_a_column_to_scale_names_the_line(tmp_path):
    (tmp_path / "x.csv").write_text("a\n1\n2\n")
    (tmp_path / "y.csv").write_text("a\nx\n2\n")
    moments = evenly.fit(tmp_path / "x.csv")
    with pytest.raises(
        evenly.DataError, match=r"'x' in line 2, column 'a'.*csv=\{'missing': \['x'"
    ):
        apply(moments, str(tmp_path / "y.csv"), str(tmp_path / "z.csv"))
    assert not (tmp_path / "z.csv").exists()


def test_column_without_values_stays_missing(tmp_path):
    (tmp_path / "x.csv").write_text("a\n1\n2\n")
    (tmp_path / "y.csv").write_text("a,b\n,1\n,2\n")
    apply(evenly.fit(tmp_path / "x.csv"), str(tmp_path / "y.csv"), str(tmp_path / "z.csv"))
    assert (tmp_path / "z.csv").read_text() == '"a","b"\n,"1"\n,"2"\n'


def test_duplicate_names_are_rejected(tmp_path):
    (tmp_path / "x.csv").write_text("a,b,b\n1,2,3\n2,3,4\n")
    moments = evenly.fit(tmp_path / "x.csv", columns=["a"])
    with pytest.raises(evenly.ColumnError, match=r"'b' 2 times in .*Rename one"):
        apply(moments, str(tmp_path / "x.csv"), str(tmp_path / "y.csv"))


def test_numbers_become_float64_unless_asked(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,true\n3,false\n")
    moments = evenly.fit(tmp_path / "x.csv")
    for dtype, found in ((None, "double"), ("float32", "float")):
        apply(moments, str(tmp_path / "x.csv"), str(tmp_path / "y.parquet"), dtype=dtype)
        types = pyarrow.parquet.read_schema(tmp_path / "y.parquet").types
        assert [*map(str, types)] == [found, found]


def test_options_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.csv").write_text("a|b\n1,5|?\n3,5|2\n")
    options = ["--delimiter", "|", "--decimal", ","]
    assert main(["fit", "x.csv", *options, "--missing", "?", "-o", "x.json", "-q"]) == 0
    assert main(["apply", "x.json", "x.csv", *options, "--missing-mark", "?", "-o", "y.csv"]) == 0
    assert capsys.readouterr().err == ""
    assert (tmp_path / "y.csv").read_text() == '"a","b"\n-1,\n1,0\n'


# Databases


@pytest.fixture(params=["duckdb", "sqlite"])
def database(request, tmp_path, monkeypatch):
    """Return the beginning of the URL of a database."""
    monkeypatch.chdir(tmp_path)
    library = pytest.importorskip(request.param) if request.param == "duckdb" else sqlite3
    connection = library.connect("x.db")
    connection.execute("CREATE TABLE t (a DOUBLE, name VARCHAR, n BIGINT)")
    rows = [(k / 2, f"row {k}", 2**60 + k) for k in range(100)]
    connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    connection.commit()
    connection.close()
    return f"{request.param}:///x.db"


@pytest.mark.parametrize("end", ["?table=t", "?query=SELECT * FROM t"])
def test_database_is_normalized_into_a_file(database, tmp_path, end):
    moments = evenly.fit(f"{database}?table=t")
    moments.save("x.json")
    assert main(["apply", "x.json", f"{database}{end}", "-o", "y.parquet", "-q"]) == 0
    result = pyarrow.parquet.read_table("y.parquet")
    assert result.column_names == ["a", "name", "n"]
    assert result["name"].to_pylist() == [f"row {k}" for k in range(100)]
    for name in ("a", "n"):
        np.testing.assert_allclose(
            result[name].to_numpy(), expected(range(100)), rtol=1e-6, atol=1e-7
        )


def test_database_by_group(database):
    url = f"{database}?query=SELECT a, n % 2 AS odd FROM t"
    apply(evenly.fit(url, by="odd", columns=["a"]), url, "y.parquet")
    again = evenly.fit("y.parquet", by="odd", columns=["a"])
    assert len(again) == 2
    for key in (0, 1):
        np.testing.assert_allclose(again[key].variance(), [1], rtol=1e-12)


def test_csv_options_for_a_database_are_rejected(database):
    with pytest.raises(evenly.DataError, match="is for CSV files"):
        apply(
            evenly.fit(f"{database}?table=t"), f"{database}?table=t", "y.csv", csv={"decimal": ","}
        )


def test_group_of_integers_that_float64_rounds_is_found(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("k,a\n9007199254740993,1\n9007199254740992,5\n9007199254740993,3\n1e3,7\n")
    groups = evenly.fit(path, by="k")
    assert {key: group.rows for key, group in groups.items()} == {
        2**53 + 1: 2,
        2**53: 1,
        1000: 1,
    }
    apply(groups, str(path), str(tmp_path / "y.parquet"))
    normalized = pyarrow.parquet.read_table(tmp_path / "y.parquet")["a"]
    assert normalized.to_pylist() == [-1.0, 0.0, 1.0, 0.0]
