"""The command line by group: fit, show, merge, subtract, apply."""

import json

import polars as pl
import pytest

import evenly
from evenly.cli import main
from evenly.cli.errors import to_cli_options

CSV = "station,day,v,note\nEWR,1,2.5,x\nJFK,01,1,\nEWR,2,3.5,y\n,1,7,\nJFK,2,,z\n"


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(CSV)
    return path


@pytest.fixture
def statistics(tmp_path, source):
    path = tmp_path / "rows.json"
    assert main(["fit", str(source), "--by", "station", "-q", "-o", str(path)]) == 0
    return path


def run(*arguments):
    return main(list(map(str, arguments)))


def test_fit_by_prints_table_of_groups(source, capsys):
    assert run("fit", source, "--by", "station", "--columns", "v") == 0
    out, _ = capsys.readouterr()
    assert out == (
        "3 groups, 5 rows, 1 column, by station\n"
        "group      column  count  missing  mean  std  min  max\n"
        "EWR        v           2        0     3  0.5  2.5  3.5\n"
        "JFK        v           1        1     1    0    1    1\n"
        "(missing)  v           1        0     7    0    7    7\n"
    )


def test_left_out_columns_exclude_key_column(source, capsys):
    assert run("fit", source, "--by", "station") == 0
    out, err = capsys.readouterr()
    assert out.endswith("\nleft out: note (text)\n")
    assert err == (
        f"{source}: column 'day' has leading zeros, such as '01', and is read as numbers. If it "
        "has codes, pass --exclude day.\n"
    )


@pytest.mark.parametrize("by", [["--by", "station,day"], ["--by", "station", "--by", "day"]])
def test_by_several_columns(source, by, tmp_path):
    assert run("fit", source, *by, "-q", "-o", tmp_path / "s.json") == 0
    assert list(evenly.load(tmp_path / "s.json")) == [
        ("EWR", 1), ("EWR", 2), ("JFK", 1), ("JFK", 2), (None, 1),
    ]  # fmt: skip


def test_table_of_many_groups_is_shortened(tmp_path, capsys):
    pl.DataFrame({"k": range(100), "v": range(100)}).write_csv(tmp_path / "many.csv")
    assert run("fit", tmp_path / "many.csv", "--by", "k") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 1 + 50 + 1 + 10
    assert lines[52] == "(40 more)"


def test_show_groups_as_table_and_json(statistics, capsys):
    assert run("show", statistics) == 0
    assert capsys.readouterr().out.startswith("3 groups, 5 rows, 2 columns, by station\n")
    assert run("show", statistics, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["by"] == "station"
    assert [group["key"] for group in shown["groups"]] == ["EWR", "JFK", None]
    assert shown["groups"][0]["columns"][1]["mean"] == 3.0


def test_merge_and_subtract_groups(statistics, tmp_path):
    both, rest = tmp_path / "both.json", tmp_path / "rest.json"
    assert run("merge", statistics, statistics, "-o", both, "-q") == 0
    assert run("subtract", both, statistics, "-o", rest, "-q") == 0
    assert evenly.load(rest) == evenly.load(statistics)
    assert evenly.load(both).rows == 10


def test_merge_groups_with_plain_moments_raises(statistics, tmp_path, source, capsys):
    plain = tmp_path / "plain.json"
    assert run("fit", source, "-q", "-o", plain) == 0
    assert run("merge", statistics, plain, "-o", tmp_path / "x.json") == 1
    assert "Moments with groups can only be added to moments with groups" in capsys.readouterr().err
    assert run("subtract", statistics, plain, "-o", tmp_path / "x.json") == 1
    assert "Moments with groups" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("by", ["station", "day"])
def test_apply_normalizes_rows_by_group(source, tmp_path, suffix, by):
    statistics, out = tmp_path / "s.json", tmp_path / f"out.{suffix}"
    assert run("fit", source, "--by", by, "--columns", "v", "-q", "-o", statistics) == 0
    assert run("apply", statistics, source, "-o", out, "-q") == 0
    read = pl.read_csv if suffix == "csv" else pl.read_parquet
    frame = pl.read_csv(source)
    expected = evenly.load(statistics).normalize(frame)["v"].to_list()
    assert read(out)["v"].to_list() == expected
    assert "01" in out.read_text() if suffix == "csv" else True


def test_apply_unknown_groups(statistics, tmp_path, capsys):
    other = tmp_path / "other.csv"
    other.write_text("station,day,v\nLGA,1,2\n")
    assert run("apply", statistics, other, "-o", tmp_path / "o.csv") == 1
    error = capsys.readouterr().err
    assert "group 'LGA'" in error
    assert "--unknown missing" in error
    assert run("apply", statistics, other, "-o", tmp_path / "o.csv", "--unknown", "total") == 0
    assert run("apply", statistics, other, "-o", tmp_path / "m.csv", "--unknown", "missing") == 0
    (tmp_path / "none.csv").write_text("day,v\n1,2\n")
    assert run("apply", statistics, tmp_path / "none.csv", "-o", tmp_path / "n.csv") == 1
    assert "every key column. Missing: 'station'" in capsys.readouterr().err


def test_unknown_by_column_raises(source, capsys):
    assert run("fit", source, "--by", "statoin") == 1
    assert "Did you mean 'station'?" in capsys.readouterr().err


# Methods of normalization


def normalized(source, *options, statistics):
    """Return the values that `evenly apply` writes."""
    output = source.with_name("out.csv")
    assert run("apply", statistics, source, "-o", output, *options) == 0
    return pl.read_csv(output)["v"].to_list()


@pytest.fixture(params=[[], ["--by", "station"]])
def fitted(request, source, tmp_path):
    path = tmp_path / "fitted.json"
    options = ["--columns", "v", "--distribution", "-q", "-o", path]
    assert run("fit", source, *request.param, *options) == 0
    return path


@pytest.mark.parametrize(
    ("options", "keywords"),
    [
        (["--method", "minmax"], {"method": "minmax"}),
        (["--method", "minmax", "--range=-1,3"], {"method": "minmax", "range": (-1, 3)}),
        (["--method", "maxabs", "--clip", "range"], {"method": "maxabs", "clip": True}),
        (
            ["--method", "robust", "--constant", "center"],
            {"method": "robust", "constant": "center"},
        ),
        (
            ["--method", "quantile", "--quantiles", "0.2,0.9", "--clip", "0.25"],
            {"method": "quantile", "q": (0.2, 0.9), "clip": 0.25},
        ),
        (["--clip", "0.5"], {"clip": 0.5}),
    ],
)
def test_apply_with_a_method(options, keywords, source, fitted):
    values = normalized(source, *options, statistics=fitted)
    expected = evenly.load(fitted).normalize(pl.read_csv(source), **keywords)["v"]
    assert values == expected.to_list()
    back = {name: value for name, value in keywords.items() if name != "clip"}
    inverse = [text for text in options if not text.startswith("--clip")]
    inverse = [text for text in inverse if text not in ("range", "0.25", "0.5")]
    values = normalized(source, *inverse, "--inverse", statistics=fitted)
    assert values == evenly.load(fitted).denormalize(pl.read_csv(source), **back)["v"].to_list()


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--range", "3"], 2, "Invalid value for '--range': '3' is not two numbers, such as 0,1."),
        (["--quantiles", "a,b"], 2, "Invalid value for '--quantiles': 'a,b' is not two numbers"),
        (["--clip", "x"], 2, "Invalid value for '--clip': 'x' is neither a number nor range."),
        (["--clip", "1", "--inverse"], 2, "--clip cannot be used with --inverse"),
        (["--range", "0,1"], 1, "Received: --range 0.0,1.0 and --method standard. Omit it"),
        (["--clip", "range"], 1, "or the word range for a method with one ('minmax', 'maxabs' or"),
        (["--clip", "range"], 1, "Received: --clip range and --method standard."),
        (["--method", "robust"], 1, "--quantiles 0.25,0.75, which must not be 0."),
        (["--method", "robust"], 1, "with --quantiles, --constant center to subtract"),
        (["--constant", "error"], 1, "With --constant error no column may be constant in a group."),
    ],
)
def test_errors_of_methods_name_options(options, status, message, tmp_path, capsys):
    path = tmp_path / "x.csv"
    path.write_text("k,v,w\n" + "a,1,0\n" * 9 + "a,5,0\n")
    assert run("fit", path, "--by", "k", "--distribution", "-q", "-o", tmp_path / "s.json") == 0
    assert run("apply", tmp_path / "s.json", path, *options, "-o", tmp_path / "y.csv") == status
    assert message in capsys.readouterr().err


def test_quantiles_need_a_distribution(source, statistics, tmp_path, capsys):
    command = ["apply", statistics, source, "--method", "robust", "-o", tmp_path / "y.csv"]
    assert run(*command) == 1
    assert "Fit the data with evenly fit --distribution." in capsys.readouterr().err


def test_values_in_urls_are_not_options():
    assert to_cli_options("https://h/x?q=1&method=a, with q=2") == (
        "https://h/x?q=1&method=a, with --quantiles 2"
    )
