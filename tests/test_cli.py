"""The command line, run in separate processes where necessary."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import evenly
from evenly.cli import main

EVENLY = [sys.executable, "-m", "evenly"]
ROWS = [("2013", "2.5", "UA"), ("2013", "", "AA"), ("2013", "-1.5", "")]


@pytest.fixture
def flights(tmp_path):
    """A CSV file with a constant, a missing value, and text."""
    path = tmp_path / "flights.csv"
    path.write_text("year,delay,carrier\n" + "".join(",".join(row) + "\n" for row in ROWS))
    return path


@pytest.fixture
def statistics(tmp_path, flights):
    """The statistics file of the flights."""
    path = tmp_path / "flights.json"
    assert main(["fit", str(flights), "-o", str(path), "--quiet"]) == 0
    return path


def run(*arguments, **options):
    """Run the command line as a process; return its output and exit status."""
    command = [*EVENLY, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def error_message(capsys, *arguments):
    """Return the message of a command that must fail with status 1."""
    assert main(list(map(str, arguments))) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("evenly: ")
    assert "Traceback" not in err
    return err


# fit


def test_fit_prints_table_with_the_columns_that_are_left_out(flights, capsys):
    assert main(["fit", str(flights)]) == 0
    out, err = capsys.readouterr()
    assert out == (
        "3 rows, 2 columns\n"
        "column   count  missing    mean  std     min     max  remarks\n"
        "year         3        0  2013      0  2013    2013    constant\n"
        "delay        2        1     0.5    2    -1.5     2.5\n"
        "carrier                                               left out: text\n"
    )
    assert err == ""


def test_fit_output_can_be_loaded(flights, statistics):
    assert evenly.load(statistics) == evenly.fit(flights)


def test_fit_several_sources(tmp_path, flights, capsys):
    other = tmp_path / "other.csv"
    other.write_text(flights.read_text())
    assert main(["fit", str(flights), str(other)]) == 0
    assert capsys.readouterr().out.startswith("6 rows, 2 columns\n")


@pytest.mark.parametrize(
    "options", [["--columns", "a,c"], ["--columns", "a", "--columns", "c"], ["--exclude", "b"]]
)
def test_columns_option_with_commas_or_repeated(tmp_path, options):
    source, output = tmp_path / "abc.csv", tmp_path / "abc.json"
    source.write_text("a,b,c\n1,2,3\n")
    assert main(["fit", str(source), "-q", "-o", str(output), *options]) == 0
    assert evenly.load(output).columns == ("a", "c")


def test_weights_column_is_not_fitted(tmp_path):
    source, output = tmp_path / "w.csv", tmp_path / "w.json"
    source.write_text("x,w\n1,3\n5,1\n")
    assert main(["fit", str(source), "-q", "-o", str(output), "--weights", "w"]) == 0
    moments = evenly.load(output)
    assert (moments.columns, moments.mean.tolist()) == (("x",), [2.0])


def test_feature_axis_option(tmp_path):
    source, output = tmp_path / "images.npy", tmp_path / "images.json"
    np.save(source, np.arange(2 * 3 * 4 * 4, dtype=np.uint8).reshape(2, 3, 4, 4))
    arguments = ["fit", str(source), "-q", "-o", str(output), "--feature-axis", "1"]
    assert main(arguments) == 0
    assert evenly.load(output).num_features == 3


def test_select_array_of_npz(tmp_path):
    source, output = tmp_path / "two.npz", tmp_path / "two.json"
    np.savez(source, x=np.ones((4, 2)), y=np.ones((4, 5)))
    assert main(["fit", str(source), "-q", "-o", str(output), "--select", "x"]) == 0
    assert evenly.load(output).num_features == 2


def test_array_columns_by_position(tmp_path):
    source, output = tmp_path / "x.npy", tmp_path / "x.json"
    np.save(source, np.array([[1.0, 2.0, 3.0]]))
    assert main(["fit", str(source), "-q", "-o", str(output), "--columns", "2,0"]) == 0
    assert evenly.load(output).mean.tolist() == [3.0, 1.0]


@pytest.mark.parametrize("threads", ["1", "2", "7"])
def test_threads_do_not_change_file(tmp_path, threads):
    source, output = tmp_path / "x.npy", tmp_path / "x.json"
    np.save(source, np.random.default_rng(7).normal(1e9, 1.0, (5_000, 3)))
    assert main(["fit", str(source), "-q", "-o", str(output), "--threads", threads]) == 0
    assert evenly.load(output) == evenly.fit(np.load(source))


def test_quiet_prints_nothing(flights, capsys):
    assert main(["fit", str(flights), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


# bad data: status 1, a message, nothing lost


def test_infinity_error_names_column_and_row(tmp_path, capsys):
    source = tmp_path / "inf.csv"
    source.write_text("x,y\n1,2\n3,inf\n")
    message = error_message(capsys, "fit", source, "-o", tmp_path / "inf.json")
    assert "'y'" in message
    assert "row 1" in message
    assert not (tmp_path / "inf.json").exists()


def test_infinite_missing(tmp_path):
    source, output = tmp_path / "inf.csv", tmp_path / "inf.json"
    source.write_text("x,y\n1,2\n3,inf\n")
    assert main(["fit", str(source), "-q", "-o", str(output), "--infinite", "missing"]) == 0
    assert evenly.load(output).missing.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("text", "option"), [("x\ninf\n", "--infinite missing"), ("x,y\n1,2\n1,z\n", "--exclude y")]
)
def test_messages_use_command_line_options(tmp_path, capsys, text, option):
    source = tmp_path / "bad.csv"
    source.write_text(text)
    assert option in error_message(capsys, "fit", source)


def test_unknown_column_error_lists_columns(flights, capsys):
    message = error_message(capsys, "fit", flights, "--columns", "dealy")
    assert "dealy" in message
    assert "delay" in message


@pytest.mark.parametrize("command", [["fit"], ["show"]])
def test_missing_file_error(tmp_path, capsys, command):
    assert "absent.csv" in error_message(capsys, *command, tmp_path / "absent.csv")


def test_show_rejects_other_files(flights, capsys):
    assert "flights.csv" in error_message(capsys, "show", flights)


def test_fit_files_with_different_columns_raises(tmp_path, flights, capsys):
    other = tmp_path / "other.csv"
    other.write_text("year,height\n2013,1.8\n")
    assert "height" in error_message(capsys, "fit", flights, other)


def test_failed_fit_keeps_old_file(tmp_path, statistics, capsys):
    before = statistics.read_bytes()
    bad = tmp_path / "bad.csv"
    bad.write_text("x\ninf\n")
    error_message(capsys, "fit", bad, "-o", statistics)
    assert statistics.read_bytes() == before


# usage: status 2


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fit"],
        ["fti", "x.csv"],
        ["fit", "x.csv", "--threads", "0"],
        ["fit", "x.csv", "--infinite", "nan"],
        ["apply", "a.json", "b.csv"],
        ["apply", "a.json", "b.csv", "-o", "c.csv", "--inverse", "--missing", "zero"],
        ["merge", "-o", "x.json"],
        ["subtract", "a.json", "-o", "x.json"],
    ],
)
def test_usage_error_status_is_2(arguments):
    assert run(*arguments).returncode == 2


@pytest.mark.parametrize("command", ["fit", "merge", "apply", "subtract"])
def test_output_must_not_be_input(flights, statistics, capsys, command):
    before = (flights.read_bytes(), statistics.read_bytes())
    inputs = {
        "fit": [flights, "-o", flights],
        "merge": [statistics, "-o", statistics],
        "apply": [statistics, flights, "-o", flights],
        "subtract": [statistics, statistics, "-o", statistics],
    }[command]
    assert main([command, *map(str, inputs)]) == 2
    assert "must be different files" in capsys.readouterr().err
    assert (flights.read_bytes(), statistics.read_bytes()) == before


def test_statistics_do_not_overwrite_data(tmp_path, flights, capsys):
    """`evenly fit -o *.csv` uses the first of the files as output."""
    other = tmp_path / "other.csv"
    other.write_text(flights.read_text())
    before = other.read_bytes()
    assert main(["fit", "-o", str(other), str(flights)]) == 2
    assert "Only a statistics file can be overwritten" in capsys.readouterr().err
    assert other.read_bytes() == before


# show


def test_show_prints_table(statistics, flights, capsys):
    main(["fit", str(flights)])
    fitted = capsys.readouterr().out.splitlines()
    assert main(["show", str(statistics)]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split() for line in shown] == [line.split() for line in fitted[:-1]]
    assert fitted[-1].split() == ["carrier", "left", "out:", "text"]


def test_show_json(statistics, capsys):
    assert main(["show", str(statistics), "--json"]) == 0
    columns = json.loads(capsys.readouterr().out)["columns"]
    assert [column["mean"] for column in columns] == evenly.load(statistics).mean.tolist()


def test_broken_pipe_is_not_an_error(tmp_path):
    statistics = tmp_path / "wide.json"
    evenly.fit(np.zeros((2, 3_000))).save(statistics)
    command = f"{sys.executable} -m evenly show --json {statistics} | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("{\n", "", 0)


# merge and subtract


def test_merge_and_subtract(tmp_path):
    parts = [np.arange(6.0).reshape(3, 2), np.array([[1e9, -1e-9]])]
    for name, part in zip("ab", parts, strict=True):
        evenly.fit(part).save(tmp_path / f"{name}.json")
    a, b, c, d = (str(tmp_path / f"{name}.json") for name in "abcd")
    assert main(["merge", a, b, "-o", c, "-q"]) == 0
    assert evenly.load(c) == evenly.fit(np.concatenate(parts))
    assert main(["subtract", c, b, "-o", d, "-q"]) == 0
    assert evenly.load(d) == evenly.load(a)


def test_subtract_rows_never_added_raises(tmp_path, statistics, capsys):
    more = tmp_path / "more.json"
    (evenly.load(statistics) + evenly.load(statistics)).save(more)
    output = tmp_path / "less.json"
    assert "subtracted" in error_message(capsys, "subtract", statistics, more, "-o", output)
    assert not output.exists()


def test_merge_with_different_columns_raises(tmp_path, statistics, capsys):
    other = tmp_path / "other.csv"
    other.write_text("height\n1.8\n")
    main(["fit", str(other), "-o", str(tmp_path / "other.json"), "-q"])
    message = error_message(
        capsys, "merge", statistics, tmp_path / "other.json", "-o", tmp_path / "x.json"
    )
    assert "height" in message
    assert not (tmp_path / "x.json").exists()


# the process


def test_python_m_evenly(flights):
    done = run("fit", flights)
    assert done.returncode == 0
    assert done.stdout.startswith("3 rows, 2 columns\n")


def test_version():
    assert run("--version").stdout == f"evenly {evenly.__version__}\n"


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["fit", "--help"]])
def test_large_modules_are_imported_lazily(arguments):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "evenly", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {
        line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()
    }
    heavy = {
        "numpy",
        "pyarrow",
        "narwhals",
        "nanoarrow",
        "rich",
        "torch",
        "pandas",
        "polars",
        "fsspec",
    }
    assert "click" in imported
    assert imported & heavy == set()


def test_help_lists_every_command():
    text = run("--help").stdout
    assert all(command in text for command in ("fit", "show", "apply", "merge", "subtract"))


def test_bad_data_prints_no_traceback(tmp_path):
    done = run("fit", tmp_path / "absent.csv")
    assert done.returncode == 1
    assert done.stderr.startswith("evenly: ")
    assert "Traceback" not in done.stderr


def test_show_on_ascii_terminal(flights):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    flights.write_text("größe\n1\n", encoding="utf-8")
    done = run("fit", flights, env=environment)
    assert done.returncode == 0, done.stderr


def test_messages_about_distributions_name_options_of_the_command_line(flights, tmp_path, capsys):
    plain, counted, state = (tmp_path / name for name in ("a.json", "b.json", "c.json"))
    assert main(["fit", str(flights), "-o", str(plain), "--quiet", "--update", str(state)]) == 0
    assert main(["fit", str(flights), "-o", str(counted), "--quiet", "--distribution"]) == 0
    capsys.readouterr()
    message = error_message(capsys, "merge", plain, counted, "-o", tmp_path / "d.json")
    assert "Fit both with --distribution, or" in message
    message = error_message(capsys, "fit", flights, "--update", state, "--distribution")
    assert "Received: --distribution --bins 1024; " in message
    assert "with no --distribution. Pass" in message


@pytest.mark.parametrize("option", ["--columns", "--exclude", "--by"])
@pytest.mark.parametrize("value", ["", " ", ","])
def test_option_for_names_without_a_name_is_an_error(flights, option, value, capsys):
    assert main(["fit", str(flights), option, value]) == 2
    message = f"Invalid value for '{option}': it names no column. Name one, or omit the option."
    assert message in capsys.readouterr().err
