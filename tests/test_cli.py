"""The command line, as a person uses it: in processes of its own where that matters."""

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
    """Run the command line as a process, and return what it printed and its status."""
    command = [*EVENLY, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def refusal(capsys, *arguments):
    """Return the message of a command that must fail with status 1."""
    assert main(list(map(str, arguments))) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("evenly: ")
    assert "Traceback" not in err
    return err


# fit


def test_fit_prints_the_table_to_stdout_and_remarks_to_stderr(flights, capsys):
    assert main(["fit", str(flights)]) == 0
    out, err = capsys.readouterr()
    assert out == (
        "3 rows, 2 columns\n"
        "column  count  missing    mean  std     min     max  remarks\n"
        "year        3        0  2013      0  2013    2013    constant\n"
        "delay       2        1     0.5    2    -1.5     2.5\n"
    )
    assert err == "left out: carrier (text)\n"


def test_fit_saves_what_evenly_loads(flights, statistics):
    assert evenly.load(statistics) == evenly.fit(flights)


def test_fit_takes_several_sources_as_one(tmp_path, flights, capsys):
    other = tmp_path / "other.csv"
    other.write_text(flights.read_text())
    assert main(["fit", str(flights), str(other)]) == 0
    assert capsys.readouterr().out.startswith("6 rows, 2 columns\n")


@pytest.mark.parametrize(
    "options", [["--columns", "a,c"], ["--columns", "a", "--columns", "c"], ["--exclude", "b"]]
)
def test_columns_are_chosen_by_names_with_commas_or_repeated(tmp_path, options):
    source, output = tmp_path / "abc.csv", tmp_path / "abc.json"
    source.write_text("a,b,c\n1,2,3\n")
    assert main(["fit", str(source), "-q", "-o", str(output), *options]) == 0
    assert evenly.load(output).columns == ("a", "c")


def test_a_column_of_weights_is_not_fitted_itself(tmp_path):
    source, output = tmp_path / "w.csv", tmp_path / "w.json"
    source.write_text("x,w\n1,3\n5,1\n")
    assert main(["fit", str(source), "-q", "-o", str(output), "--weights", "w"]) == 0
    moments = evenly.load(output)
    assert (moments.columns, moments.mean.tolist()) == (("x",), [2.0])


def test_images_are_fitted_along_their_feature_axis(tmp_path):
    source, output = tmp_path / "images.npy", tmp_path / "images.json"
    np.save(source, np.arange(2 * 3 * 4 * 4, dtype=np.uint8).reshape(2, 3, 4, 4))
    arguments = ["fit", str(source), "-q", "-o", str(output), "--feature-axis", "1"]
    assert main(arguments) == 0
    assert evenly.load(output).num_features == 3


def test_one_array_of_an_npz_file_is_selected(tmp_path):
    source, output = tmp_path / "two.npz", tmp_path / "two.json"
    np.savez(source, x=np.ones((4, 2)), y=np.ones((4, 5)))
    assert main(["fit", str(source), "-q", "-o", str(output), "--select", "x"]) == 0
    assert evenly.load(output).num_features == 2


def test_columns_of_an_array_are_chosen_by_position(tmp_path):
    source, output = tmp_path / "x.npy", tmp_path / "x.json"
    np.save(source, np.array([[1.0, 2.0, 3.0]]))
    assert main(["fit", str(source), "-q", "-o", str(output), "--columns", "2,0"]) == 0
    assert evenly.load(output).mean.tolist() == [3.0, 1.0]


@pytest.mark.parametrize("threads", ["1", "2", "7"])
def test_any_number_of_threads_gives_the_same_file(tmp_path, threads):
    source, output = tmp_path / "x.npy", tmp_path / "x.json"
    np.save(source, np.random.default_rng(7).normal(1e9, 1.0, (5_000, 3)))
    assert main(["fit", str(source), "-q", "-o", str(output), "--threads", threads]) == 0
    assert evenly.load(output) == evenly.fit(np.load(source))


def test_quiet_prints_nothing(flights, capsys):
    assert main(["fit", str(flights), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


# bad data: status 1, a message, nothing lost


def test_an_infinity_is_an_error_that_names_column_and_row(tmp_path, capsys):
    source = tmp_path / "inf.csv"
    source.write_text("x,y\n1,2\n3,inf\n")
    message = refusal(capsys, "fit", source, "-o", tmp_path / "inf.json")
    assert "'y'" in message
    assert "row 1" in message
    assert not (tmp_path / "inf.json").exists()


def test_an_infinity_can_be_counted_as_missing(tmp_path):
    source, output = tmp_path / "inf.csv", tmp_path / "inf.json"
    source.write_text("x,y\n1,2\n3,inf\n")
    assert main(["fit", str(source), "-q", "-o", str(output), "--infinite", "missing"]) == 0
    assert evenly.load(output).missing.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("text", "option"), [("x\ninf\n", "--infinite missing"), ("x,y\n1,2\n1,z\n", "--exclude y")]
)
def test_messages_advise_what_can_be_typed(tmp_path, capsys, text, option):
    source = tmp_path / "bad.csv"
    source.write_text(text)
    assert option in refusal(capsys, "fit", source)


def test_an_unknown_column_is_named_with_those_there_are(flights, capsys):
    message = refusal(capsys, "fit", flights, "--columns", "dealy")
    assert "dealy" in message
    assert "delay" in message


@pytest.mark.parametrize("command", [["fit"], ["show"]])
def test_a_file_that_is_not_there_is_named(tmp_path, capsys, command):
    assert "absent.csv" in refusal(capsys, *command, tmp_path / "absent.csv")


def test_a_file_that_is_no_statistics_file_is_refused(flights, capsys):
    assert "flights.csv" in refusal(capsys, "show", flights)


def test_files_of_different_columns_are_no_one_fit(tmp_path, flights, capsys):
    other = tmp_path / "other.csv"
    other.write_text("year,height\n2013,1.8\n")
    assert "height" in refusal(capsys, "fit", flights, other)


def test_a_failed_fit_leaves_the_old_file(tmp_path, statistics, capsys):
    before = statistics.read_bytes()
    bad = tmp_path / "bad.csv"
    bad.write_text("x\ninf\n")
    refusal(capsys, "fit", bad, "-o", statistics)
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
def test_wrong_usage_is_status_2(arguments):
    assert run(*arguments).returncode == 2


@pytest.mark.parametrize("command", ["fit", "merge", "apply", "subtract"])
def test_an_input_is_never_the_output(flights, statistics, capsys, command):
    before = (flights.read_bytes(), statistics.read_bytes())
    inputs = {
        "fit": [flights, "-o", flights],
        "merge": [statistics, "-o", statistics],
        "apply": [statistics, flights, "-o", flights],
        "subtract": [statistics, statistics, "-o", statistics],
    }[command]
    assert main([command, *map(str, inputs)]) == 2
    assert "another file than the input" in capsys.readouterr().err
    assert (flights.read_bytes(), statistics.read_bytes()) == before


def test_statistics_never_replace_data(tmp_path, flights, capsys):
    """`evenly fit -o *.csv` has the first of the files as its output."""
    other = tmp_path / "other.csv"
    other.write_text(flights.read_text())
    before = other.read_bytes()
    assert main(["fit", "-o", str(other), str(flights)]) == 2
    assert "Statistics replace only statistics" in capsys.readouterr().err
    assert other.read_bytes() == before


# show


def test_show_prints_the_table_again(statistics, flights, capsys):
    main(["fit", str(flights)])
    fitted = capsys.readouterr().out
    assert main(["show", str(statistics)]) == 0
    assert capsys.readouterr().out == fitted


def test_show_json_is_for_programs(statistics, capsys):
    assert main(["show", str(statistics), "--json"]) == 0
    columns = json.loads(capsys.readouterr().out)["columns"]
    assert [column["mean"] for column in columns] == evenly.load(statistics).mean.tolist()


def test_a_reader_that_has_enough_is_no_error(tmp_path):
    statistics = tmp_path / "wide.json"
    evenly.fit(np.zeros((2, 3_000))).save(statistics)
    command = f"{sys.executable} -m evenly show --json {statistics} | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("{\n", "", 0)


# merge and subtract


def test_merge_is_the_fit_of_all_and_subtract_takes_out_again(tmp_path):
    parts = [np.arange(6.0).reshape(3, 2), np.array([[1e9, -1e-9]])]
    for name, part in zip("ab", parts, strict=True):
        evenly.fit(part).save(tmp_path / f"{name}.json")
    a, b, c, d = (str(tmp_path / f"{name}.json") for name in "abcd")
    assert main(["merge", a, b, "-o", c, "-q"]) == 0
    assert evenly.load(c) == evenly.fit(np.concatenate(parts))
    assert main(["subtract", c, b, "-o", d, "-q"]) == 0
    assert evenly.load(d) == evenly.load(a)


def test_what_was_never_added_cannot_be_subtracted(tmp_path, statistics, capsys):
    more = tmp_path / "more.json"
    (evenly.load(statistics) + evenly.load(statistics)).save(more)
    output = tmp_path / "less.json"
    assert "subtracted" in refusal(capsys, "subtract", statistics, more, "-o", output)
    assert not output.exists()


def test_a_merge_of_other_columns_names_them(tmp_path, statistics, capsys):
    other = tmp_path / "other.csv"
    other.write_text("height\n1.8\n")
    main(["fit", str(other), "-o", str(tmp_path / "other.json"), "-q"])
    message = refusal(
        capsys, "merge", statistics, tmp_path / "other.json", "-o", tmp_path / "x.json"
    )
    assert "height" in message
    assert not (tmp_path / "x.json").exists()


# the process


def test_the_module_runs_as_the_command(flights):
    done = run("fit", flights)
    assert done.returncode == 0
    assert done.stdout.startswith("3 rows, 2 columns\n")


def test_version_is_that_of_the_package():
    assert run("--version").stdout == f"evenly {evenly.__version__}\n"


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["fit", "--help"]])
def test_nothing_heavy_is_imported_before_it_is_needed(arguments):
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


def test_help_names_every_command():
    text = run("--help").stdout
    assert all(command in text for command in ("fit", "show", "apply", "merge", "subtract"))


def test_bad_data_is_a_message_and_no_traceback(tmp_path):
    done = run("fit", tmp_path / "absent.csv")
    assert done.returncode == 1
    assert done.stderr.startswith("evenly: ")
    assert "Traceback" not in done.stderr


def test_a_terminal_that_knows_few_letters_still_gets_its_table(flights):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    flights.write_text("größe\n1\n", encoding="utf-8")
    done = run("fit", flights, env=environment)
    assert done.returncode == 0, done.stderr
