"""An interrupted command leaves no partial output file."""

import contextlib
import errno
import os
import pty
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import evenly
from evenly.cli.errors import run_command
from evenly.errors import SourceError

EVENLY = [sys.executable, "-m", "evenly"]
ROWS = 3_000_000_000


@pytest.fixture
def endless(tmp_path):
    """A sparse NPY file of 24 GB of zeros, which no command finishes reading."""
    path = tmp_path / "endless.npy"
    with path.open("wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (ROWS, 1)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + 8 * ROWS)
    return path


@pytest.fixture
def statistics(tmp_path):
    path = tmp_path / "x.json"
    evenly.fit(np.array([[1.0], [3.0]])).save(path)
    return path


def temporary(folder):
    return [path for path in folder.iterdir() if path.name.startswith(".evenly-")]


def wait_for(condition):
    """Wait until a condition holds, without a time limit."""
    while not condition():
        time.sleep(0.01)


@pytest.fixture
def applying(tmp_path, endless, statistics):
    """Start an `evenly apply` process that has begun to write."""
    folder = tmp_path / "output"
    folder.mkdir()
    command = [*EVENLY, "apply", str(statistics), str(endless), "-o", str(folder / "y.npy")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_for(lambda: temporary(folder) or process.poll() is not None)
            assert process.poll() is None, process.stderr.read()
            yield process, folder
        finally:
            process.kill()


def test_ctrl_c_while_writing_leaves_no_file(applying):
    process, folder = applying
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    assert list(folder.iterdir()) == []


def test_sigterm_while_writing_leaves_no_file(applying):
    process, folder = applying
    process.terminate()
    process.communicate()
    assert process.returncode == 143
    assert list(folder.iterdir()) == []


def test_sigkill_leaves_only_a_temporary_file(applying):
    process, folder = applying
    process.kill()
    process.communicate()
    assert not (folder / "y.npy").exists()
    assert [path.name[:8] for path in folder.iterdir()] == [".evenly-"]


def test_ctrl_c_while_reading_leaves_no_file(tmp_path, endless):
    """The progress bar shows when the command is reading."""
    ours, theirs = pty.openpty()
    output = tmp_path / "stats.json"
    command = [*EVENLY, "fit", str(endless), "-o", str(output)]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(command, stderr=theirs, stdout=subprocess.DEVNULL, env=environment)
    os.close(theirs)
    seen = b""
    try:
        while b" rows" not in seen or seen.count(b" rows") == seen.count(b"0 rows, 0 bytes"):
            seen += os.read(ours, 4096)
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):  # the other end is closed: EIO
            while more := os.read(ours, 4096):
                seen += more
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert b"interrupted" in seen
    assert b"Traceback" not in seen
    assert not output.exists()


def error_message(*arguments, **options):
    """Run a command that must fail, and return its message."""
    done = subprocess.run(
        [*EVENLY, *map(str, arguments)], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("evenly: ")
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, np.random.default_rng(1).normal(size=(50_000, 1)))
    return path


def small_files_only():
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


@pytest.mark.parametrize("suffix", [".npy", ".parquet", ".csv", ".arrow"])
def test_full_disk_keeps_old_file(tmp_path, rows, statistics, suffix):
    folder = tmp_path / "output"
    folder.mkdir()
    output = folder / f"y{suffix}"
    output.write_bytes(b"old")
    message = error_message("apply", statistics, rows, "-o", output, preexec_fn=small_files_only)
    assert os.strerror(errno.EFBIG).lower() in message.lower()
    assert output.read_bytes() == b"old"
    assert temporary(folder) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has /dev/full")
def test_save_statistics_on_full_disk(rows):
    assert "no space left" in error_message("fit", rows, "-o", "/dev/full").lower()


@pytest.mark.parametrize("command", ["fit", "apply"])
@pytest.mark.parametrize("folder", ["absent", "x.json"])
def test_output_in_missing_folder(tmp_path, rows, statistics, command, folder):
    inputs = {"fit": [rows], "apply": [statistics, rows]}[command]
    output = tmp_path / folder / "y.npy"
    assert str(output) in error_message(command, *inputs, "-o", output)
    assert not (tmp_path / "absent").exists()


@pytest.mark.skipif(not Path("/proc/sys").exists(), reason="a folder that even root cannot write")
def test_output_in_read_only_folder(rows):
    assert "/proc/sys/y.json" in error_message("fit", rows, "-o", "/proc/sys/y.json")


class Interrupting:
    """An attribute that is interrupted while its class is created, as an import may be."""

    def __init__(self, number):
        self.number = number

    def __set_name__(self, owner, name):
        signal.raise_signal(self.number)


def create_class(number):
    type("Owner", (), {"attribute": Interrupting(number)})


def create_class_in_a_reader(number):
    try:
        create_class(number)
    except Exception:
        raise SourceError("x cannot be read") from None


def fail_to_save(number):
    try:
        signal.raise_signal(number)
    finally:
        try:
            Path("missing/x").touch()
        except OSError:
            raise SourceError("x cannot be saved") from None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("function", [create_class, create_class_in_a_reader])
def test_signal_that_python_turns_into_another_error_is_an_interrupt(function, number):
    """A trial with signals found a RuntimeError with its traceback, during an import."""
    before = [signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert run_command(lambda: function(number)) == 128 + number
        assert run_command(lambda: fail_to_save(number)) == 1
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])
