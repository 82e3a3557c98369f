"""Normalize into folders at URLs and from URLs; and what an interrupted command leaves."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import evenly
from evenly import outputs
from evenly.apply_folder import apply_into_folder, find_targets
from evenly.cli import main
from evenly.sources.urls import StorageUrl
from http_server import serving

NORMALIZED = {"days/1.csv": b'"a","b"\n-1,-1\n', "2.csv": b'"a","b"\n1,1\n'}
FILES = {"days/1.csv": b"a,b\n1,2\n", "2.csv": b"a,b\n3,6\n"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with statistics and two files."""
    monkeypatch.chdir(tmp_path)
    for name, content in FILES.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    evenly.fit("in").save("s.json")
    return tmp_path


def apply(*arguments):
    return main(["apply", "s.json", *map(str, arguments), "-q"])


def written(folder):
    """Return the contents of the files in a folder by their relative paths."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def stored(memory, folder):
    paths = memory.find(folder)
    return {path.removeprefix(f"{folder}/"): memory.cat(path) for path in paths}


def test_folder_into_memory_and_back(folder, memory):
    assert apply("in", "-o", "memory://out/") == 0
    assert stored(memory, "/out") == NORMALIZED
    assert apply("memory://out", "-o", "back/", "--inverse") == 0
    assert written(folder / "back") == {
        name: content.replace(b"a,b", b'"a","b"') for name, content in FILES.items()
    }


def test_files_from_a_web_server(folder, memory):
    files = {f"/data/{name}": content for name, content in FILES.items()}
    with serving(files) as web:
        assert apply(f"http://{web.host}/data/", "-o", "out/") == 0
        source = f"http://{web.host}/data/2.csv?token=secret"
        assert apply(source, f"http://{web.host}/data/days/1.csv", "-o", "memory://out/") == 0
    assert written(folder / "out") == NORMALIZED
    assert stored(memory, "/out") == {
        "1.csv": NORMALIZED["days/1.csv"],
        "2.csv": NORMALIZED["2.csv"],
    }


def test_a_web_server_cannot_be_written(folder, capsys):
    assert apply("in", "-o", "http://127.0.0.1:1/out/") == 1
    assert "An output must be a file that can be written" in capsys.readouterr().err


def test_local_urls_are_folders_on_this_machine(folder):
    assert apply(f"file://{folder}/in", "-o", f"file://{folder}/out/") == 0
    assert written(folder / "out") == NORMALIZED


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("in", "file://{}/in/out/"),
        ("file://{}/in", "in/out/"),
        ("file://{}/in", "file://{}/in/"),
        ("memory://in", "memory://in/out/"),
        ("memory://in", "memory:///in"),
    ],
)
def test_output_folder_in_the_source_is_refused(folder, memory, source, output, capsys):
    memory.pipe("/in/1.csv", FILES["2.csv"])
    before = written(folder)
    output = output.format(folder)
    assert apply(source.format(folder), "-o", output if output.endswith("/") else f"{output}/") == 1
    assert "The output folder must not be in a folder of sources" in capsys.readouterr().err
    assert written(folder) == before
    assert list(memory.store) == ["/in/1.csv"]


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("in/2.csv", "file://{}/in/"),
        ("file://{}/in/2.csv", "in/"),
        ("memory://in/2.csv", "memory:///in/"),
        ("in/2.csv", "file://{}/in/2.csv"),
        ("memory://in/2.csv", "memory:///in/2.csv"),
    ],
)
def test_output_that_is_an_input_under_another_url_is_refused(
    folder, memory, source, output, capsys
):
    memory.pipe("/in/2.csv", FILES["2.csv"])
    assert apply(source.format(folder), "-o", output.format(folder)) == 2
    assert "must be different files" in capsys.readouterr().err.replace("\n", " ")
    assert (folder / "in/2.csv").read_bytes() == memory.cat("/in/2.csv") == FILES["2.csv"]


def test_outputs_have_the_options_of_their_folder(folder):
    output = StorageUrl("memory://out/", {"key": "secret"})
    targets = find_targets(["in"], output, None)
    assert [target.output.storage_options for target in targets] == [{"key": "secret"}] * 2


def test_a_failed_upload_leaves_finished_files_and_no_temporary_file(
    folder, memory, monkeypatch, tmp_path
):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    upload = outputs._upload

    def fail(path, filesystem, inner):
        if inner.endswith("1.csv"):
            raise OSError("no connection")
        upload(path, filesystem, inner)

    monkeypatch.setattr(outputs, "_upload", fail)
    targets = find_targets(["in"], "memory://out/", None)
    with pytest.raises(evenly.SourceError, match=r"memory://out/days/1\.csv.*no connection"):
        apply_into_folder(evenly.load("s.json"), targets)
    assert stored(memory, "/out") == {"2.csv": NORMALIZED["2.csv"]}
    assert list((tmp_path / "temporary").iterdir()) == []


APPLY = """
import signal, sys
from evenly import cli
from evenly.cli import errors as cli_errors
signal.signal(signal.SIGINT, signal.default_int_handler)  # the parent may ignore it
code = cli.main(["apply", *sys.argv[1:], "-q"])
cli_errors.exit_now(code) if code else sys.exit()
"""


def interrupted(arguments, number, begun, environment=None):
    """Run a command, send it a signal as soon as it has begun to write; return its status."""
    command = [sys.executable, "-c", APPLY, *map(str, arguments)]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
    ) as process:
        try:
            while not begun():
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.01)
            process.send_signal(number)
            _, err = process.communicate()
        finally:
            process.kill()
    assert "Traceback" not in err
    return process.returncode


def temporary(folder):
    return [path.name for path in folder.rglob(".evenly-*")]


@pytest.fixture
def arrays(tmp_path):
    """A folder with a small array, and one of 24 GB of zeros, which no command finishes."""
    (tmp_path / "arrays").mkdir()
    np.save(tmp_path / "arrays/a.npy", np.array([[1.0], [3.0]]))
    header = {"descr": "<f8", "fortran_order": False, "shape": (3_000_000_000, 1)}
    with (tmp_path / "arrays/b.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + 8 * 3_000_000_000)
    evenly.fit(np.array([[1.0], [3.0]])).save(tmp_path / "s.json")
    return tmp_path / "arrays"


SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_interrupted_command_keeps_finished_files(number, scheme, arrays, tmp_path):
    output = tmp_path / "out"
    arguments = [tmp_path / "s.json", arrays, "-o", f"{scheme}{output}/"]
    status = interrupted(
        arguments, number, lambda: (output / "a.npy").exists() and temporary(output)
    )
    assert status == SIGNALS[number]
    assert np.load(output / "a.npy").tolist() == [[-1.0], [1.0]]
    assert not (output / "b.npy").exists()
    assert len(temporary(output)) == (number == signal.SIGKILL)
    np.save(arrays / "b.npy", np.array([[3.0]]))
    assert main(["apply", *map(str, arguments), "-q"]) == 0
    assert sorted(path.name for path in output.iterdir()) == ["a.npy", "b.npy"]
    assert np.load(output / "b.npy").tolist() == [[1.0]]


@pytest.mark.parametrize("number", SIGNALS)
def test_interrupted_upload_leaves_no_temporary_file(number, arrays, tmp_path, memory, monkeypatch):
    (tmp_path / "temporary").mkdir()
    arguments = [tmp_path / "s.json", arrays / "b.npy", "-o", "memory://out/"]
    status = interrupted(
        arguments,
        number,
        lambda: temporary(tmp_path / "temporary"),
        {"TMPDIR": str(tmp_path / "temporary")},
    )
    assert status == SIGNALS[number]
    assert len(temporary(tmp_path / "temporary")) == (number == signal.SIGKILL)
    np.save(arrays / "b.npy", np.array([[3.0]]))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    assert main(["apply", *map(str, arguments), "-q"]) == 0
    assert temporary(tmp_path / "temporary") == []
    assert list(stored(memory, "/out")) == ["b.npy"]
