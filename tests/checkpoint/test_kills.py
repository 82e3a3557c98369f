"""A few real kills; ``tests/helpers/kill_process.py`` does as many as one likes."""

import itertools
import json
import os
import random
import signal
import subprocess
import sys

import numpy as np
import pytest

import evenly
from kill_process import KINDS, fitted, killed_at, killed_until_done, write

EVENLY = [sys.executable, "-m", "evenly"]


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, np.random.default_rng(4), files=2, rows=1_200)
    return tmp_path


@pytest.mark.parametrize("suffix", KINDS)
def test_kills_at_random_moments_leave_the_same_bits(suffix, folder):
    paths = sorted(folder.glob(f"*.{suffix}"))
    state = folder / "state.json"
    rows = []
    first = (
        10 if suffix in ("png", "tar", "pq") else 2
    )  # images are saved after some of each thread's
    for block in sorted(random.Random(6).sample(range(11), 3)):
        killed_at(paths, state, first + block)
        rows.append(evenly.load(state).rows)
    assert 0 < rows[0] <= rows[1] <= rows[2] < 2_400
    moments = fitted(paths, checkpoint=state)
    assert moments == fitted(paths)
    assert moments.rows == 2_400


@pytest.mark.parametrize("suffix", KINDS)
def test_signals_at_random_moments_end_as_they_should(suffix, folder):
    paths = sorted(folder.glob(f"*.{suffix}"))
    state = folder / "state.json"
    names = itertools.chain(["INT", "TERM"], itertools.repeat("KILL"))
    moments = iter(random.Random(7).uniform(0.05, 0.15) for _ in range(2))
    killed_until_done(paths, state, lambda: next(moments, None), names)
    assert evenly.load(state) == fitted(paths)


def run(*arguments, **options):
    command = [*EVENLY, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_the_command_goes_on_and_says_so(folder):
    state, output = folder / "state.json", folder / "out.json"
    for number in (0, 1):
        os.utime(folder / f"{number}.csv", ns=(0, 0))
    files = folder / "0.csv", folder / "1.csv"
    first = run("fit", *files, "--checkpoint", state, "-o", output)
    assert first.returncode == 0
    again = run("fit", *files, "--checkpoint", state)
    assert again.stdout == first.stdout
    assert again.stderr == f"resumed from {state}: 2 files already included\n"
    assert evenly.load(state) == evenly.load(output)
    assert "files" not in json.loads(output.read_text())
    fitted, left_out = first.stdout[:-1].rsplit("\n", 1)
    assert left_out.split() == ["t", "left", "out:", "text"]
    assert run("show", state).stdout == f"{fitted}\n"


def test_the_daily_job_adds_what_is_new(folder):
    state = folder / "state.json"
    assert run("fit", folder / "0.csv", "--update", state, "-q").returncode == 0
    done = run("fit", folder / "*.csv", "--update", state)
    assert done.stderr == f"resumed from {state}: 1 file already included\n"
    assert evenly.load(state) == evenly.fit([folder / "0.csv", folder / "1.csv"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--checkpoint", "s.json", "--update", "s.json"], "Pass --checkpoint when the sources"),
        (["--checkpoint", "s.json", "-o", "s.json"], None),
        (["--checkpoint", "0.csv"], "Received: '0.csv' as both"),
        (["--update", "1.parquet"], "Only a statistics file can be overwritten"),
    ],
)
def test_mistakes_of_the_command_are_said(arguments, said, folder):
    (folder / "s.json").write_bytes(b"")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = run("fit", "0.csv", *arguments, cwd=folder)
    assert done.returncode in (1, 2)
    assert (said or "must be different files") in done.stderr
    assert "Traceback" not in done.stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "TERM"]
)
def test_a_signal_saves_before_the_end(number, status, tmp_path):
    """Of 24 GB of zeros that take no room, what was read until then."""
    path, state = tmp_path / "endless.npy", tmp_path / "state.json"
    with path.open("wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (3_000_000_000, 1)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + 8 * 3_000_000_000)
    code = (
        "import sys; from evenly.checkpoint import schedule; from evenly.cli import main\n"
        "schedule.INTERVAL = schedule.MAX_SHARE = 0; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "fit", str(path), "--checkpoint", str(state)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while not state.exists():
            assert process.poll() is None, process.stderr.read()
        process.send_signal(number)
        _, err = process.communicate()
    assert process.returncode == status
    if number == signal.SIGINT:
        assert err == (
            f"evenly: interrupted. Run the same command again to resume from '{state}'.\n"
        )
    assert 0 < evenly.load(state).rows < 3_000_000_000
    assert os.listdir(tmp_path).count(".state.json.lock") == 0
