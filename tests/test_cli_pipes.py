"""The command line with standard input and standard output."""

import contextlib
import io
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

import evenly
from evenly.cli import main

TABLE = pa.table({"a": [1.0, 2.0, 6.0], "b": [3, 5, 10], "name": ["x", "y", "z"]})


def content(kind):
    """Return the table in a format, as bytes."""
    sink = io.BytesIO()
    if kind == "parquet":
        pq.write_table(TABLE, sink)
    elif kind == "arrow file":
        pyarrow.feather.write_feather(TABLE, sink)
    elif kind == "arrow stream":
        with pa.ipc.new_stream(sink, TABLE.schema) as writer:
            writer.write_table(TABLE)
    else:
        pyarrow.csv.write_csv(TABLE, sink)
    data = sink.getvalue()
    return data.replace(b",", b"\t") if kind == "tsv" else data


KINDS = ["csv", "tsv", "arrow stream", "arrow file", "parquet"]


def run(*arguments, data=b""):
    """Run the command line with data on a pipe; return its standard output."""
    command = [sys.executable, "-m", "evenly", *map(str, arguments)]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def stdin(monkeypatch):
    """Return a function that sets the bytes of standard input, on a pipe."""

    with contextlib.ExitStack() as stack:

        def set_bytes(data):
            reading, writing = os.pipe()
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(data)
            monkeypatch.setattr(sys, "stdin", stack.enter_context(os.fdopen(reading, "r")))

        yield set_bytes


@pytest.mark.parametrize("kind", KINDS)
def test_fit_of_standard_input(kind, stdin, tmp_path, capsys):
    output = tmp_path / "out.json"
    stdin(content(kind))
    options = ["--input-format", "tsv"] if kind == "tsv" else []
    assert main(["fit", "-", "-o", str(output), *options]) == 0
    assert "left out: text" in capsys.readouterr().out
    moments = evenly.load(output)
    assert moments.columns == ("a", "b")
    assert moments.mean.tolist() == [3.0, 6.0]
    assert moments.sources == ("standard input",)


def test_fit_of_an_array_on_standard_input(stdin, tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, np.arange(6.0).reshape(3, 2))
    stdin(buffer.getvalue())
    assert main(["fit", "-", "--columns", "1", "-q", "-o", str(tmp_path / "out.json")]) == 0
    assert evenly.load(tmp_path / "out.json").mean.tolist() == [3.0]


@pytest.mark.parametrize("kind", ["csv", "arrow stream", "parquet"])
def test_apply_from_and_to_pipes(kind, tmp_path):
    statistics = tmp_path / "s.json"
    moments = evenly.fit(TABLE)
    moments.save(statistics)
    data = run("apply", statistics, "-", "-o", "-", data=content(kind))
    readers = {
        "csv": pyarrow.csv.read_csv,
        "arrow stream": lambda file: pa.ipc.open_stream(file).read_all(),
        "parquet": pq.read_table,
    }
    found = readers[kind](io.BytesIO(data))
    assert found["name"].to_pylist() == ["x", "y", "z"]
    expected = moments.normalize(TABLE)["a"].to_pylist()
    assert found["a"].to_pylist() == pytest.approx(expected, rel=1e-15)


def test_output_format(tmp_path):
    evenly.fit(TABLE).save(tmp_path / "s.json")
    (tmp_path / "x.csv").write_bytes(content("csv"))
    command = ["apply", tmp_path / "s.json", tmp_path / "x.csv", "-o", "-"]
    data = run(*command, "--output-format", "arrow")
    assert pa.ipc.open_stream(io.BytesIO(data)).read_all().num_rows == 3
    assert run(*command).startswith(b'"a","b","name"')


def test_statistics_through_pipes(tmp_path):
    (tmp_path / "x.csv").write_bytes(content("csv"))
    data = run("fit", tmp_path / "x.csv", "-o", "-")
    assert evenly.Moments.from_bytes(data) == evenly.fit(tmp_path / "x.csv")
    assert run("show", "-", data=data).startswith(b"3 rows, 2 columns\n")
    merged = run("merge", "-", "-o", "-", data=data)
    assert evenly.Moments.from_bytes(merged).rows == 3


def test_nothing_is_written_after_an_error(tmp_path, stdin, capfdbinary):
    evenly.fit(TABLE).save(tmp_path / "s.json")
    stdin(b"a,b,name\n1,2,x\n" + b"oops,3,y\n")
    assert main(["apply", str(tmp_path / "s.json"), "-", "-o", "-"]) == 1
    out, err = capfdbinary.readouterr()
    assert out == b""
    assert b"standard input" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "-", "x.csv"], "must be the only source"),
        (["fit", "-", "--update", "s.json"], "cannot be fitted with --checkpoint or --update"),
        (["fit", "x.csv", "--json", "-o", "-"], "both print to standard output"),
        (["fit", "x.csv", "--input-format", "csv"], "is for standard input"),
        (["apply", "-", "-", "-o", "x.csv"], "cannot be both the statistics and the source"),
    ],
)
def test_incorrect_usage(arguments, message, stdin, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.csv").write_bytes(content("csv"))
    stdin(content("csv"))
    assert main(arguments) == 2
    assert message in capsys.readouterr().err.replace("\n", " ")


def test_output_format_of_a_file_is_refused(tmp_path, capsys):
    evenly.fit(TABLE).save(tmp_path / "s.json")
    (tmp_path / "x.csv").write_bytes(content("csv"))
    files = [str(tmp_path / name) for name in ("s.json", "x.csv", "y.csv")]
    assert main(["apply", *files[:2], "-o", files[2], "--output-format", "csv"]) == 2
    assert "--output-format is for standard output, -o -, and" in capsys.readouterr().err


@pytest.mark.parametrize(("data", "found"), [(b"", "empty"), (b"PK\x03\x04" + b"x" * 20, "zip")])
def test_other_standard_input_is_refused(data, found, stdin, capsys):
    stdin(data)
    assert main(["fit", "-"]) == 1
    message = capsys.readouterr().err
    assert "standard input" in message
    assert found in message


def in_shell(arguments, redirection, folder):
    """Run the command line with streams redirected by a shell; return its status and stderr."""
    evenly.fit(TABLE.drop(["name"])).save(folder / "m.json")
    (folder / "t.csv").write_bytes(content("csv"))
    command = f"{sys.executable} -m evenly {arguments} {redirection}"
    done = subprocess.run(
        command, shell=True, cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


WRITING = ["show m.json", "fit t.csv", "fit t.csv -o - -q", "report m.json -o -", "--version"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a full device")
@pytest.mark.parametrize("arguments", [*WRITING, "apply m.json t.csv -o -"])
def test_full_standard_output_is_named(arguments, tmp_path):
    status, errors = in_shell(arguments, "> /dev/full", tmp_path)
    assert status == 1
    assert errors.startswith("evenly: Cannot write standard output: no space left on device.")


@pytest.mark.parametrize("arguments", WRITING)
def test_closed_standard_output_is_named(arguments, tmp_path):
    status, errors = in_shell(arguments, ">&-", tmp_path)
    assert status == 1
    assert errors.startswith("evenly: Cannot write standard output: bad file descriptor.")


@pytest.mark.parametrize("arguments", ["fit -", "show -", "apply m.json - -o y.csv"])
def test_closed_standard_input_is_named(arguments, tmp_path):
    status, errors = in_shell(arguments, "<&-", tmp_path)
    assert (status, errors) == (1, "evenly: Cannot read standard input: bad file descriptor.\n")


def test_commands_work_without_standard_input_and_standard_error(tmp_path):
    assert in_shell("fit t.csv -o x.json", "> out.txt <&- 2>&-", tmp_path) == (0, "")
    assert evenly.load(tmp_path / "x.json") == evenly.fit(tmp_path / "t.csv")
    assert "3 rows, 2 columns" in (tmp_path / "out.txt").read_text()


@pytest.mark.parametrize("kind", ["parquet", "arrow file", "arrow stream"])
@pytest.mark.parametrize("command", ["fit", "apply"])
def test_csv_options_for_another_format_are_refused(command, kind, stdin, tmp_path, capsys):
    evenly.fit(TABLE).save(tmp_path / "s.json")
    arguments = [str(tmp_path / "s.json")] if command == "apply" else []
    stdin(content(kind))
    output = str(tmp_path / "y.csv")
    assert main([command, *arguments, "-", "-o", output, "--delimiter", ";"]) == 1
    message = "--delimiter ';' is for CSV files. Received: standard input. Omit it, or pass CSV "
    assert message + "files and other sources in separate calls." in capsys.readouterr().err
    assert not os.path.exists(output)
