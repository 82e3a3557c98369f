"""Send signals at random moments until a fit is complete; check its bits and rows.

    python tests/helpers/kill_process.py --kills 200 --signals KILL,INT,TERM --kinds csv,npy
    python tests/helpers/kill_process.py --kills 200 --apply

Each fit runs in its own process, which saves after every block and sleeps briefly after it, so that
most signals arrive before the end.
"""

import argparse
import contextlib
import random
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
from PIL import Image

import evenly

KINDS = ("parquet", "csv", "arrow", "npy", "png", "tar", "pq")
"""The suffixes of the files to fit; ``pq`` are tables with a column of images."""

STATUSES = {"KILL": -9, "INT": 130, "TERM": 143}
"""The exit status of a command after each signal."""

LIFE = """
import itertools, signal, sys, time
import evenly
from evenly.cli import errors as cli_errors
from evenly.checkpoint import schedule
from evenly.sources import block_sizes
schedule.INTERVAL, schedule.MAX_SHARE = 0.0, 0
block_sizes.current = block_sizes.BlockSizes(
    csv_chunk_bytes=2**12,
    images_per_task=2,
    array_bytes=2**10,
    copied_array_bytes=2**10,
    min_array_rows=1,
)
blocks, last = itertools.count(1), int(sys.argv[1])

def slowly(_):
    time.sleep(0.002)
    if next(blocks) == last:
        print("last", flush=True)
        time.sleep(3600)

def fit():
    print("alive", flush=True)
    select = "image" if sys.argv[3].endswith(".pq") else None
    evenly.fit(sys.argv[3:], select=select, checkpoint=sys.argv[2], progress=slowly)
    print("done", flush=True)

signal.signal(signal.SIGINT, signal.default_int_handler)  # the parent may ignore it
code = cli_errors.run_command(fit)
cli_errors.exit_now(code) if code else sys.exit()
"""


def write(folder, rng, files=4, rows=2_500):
    """Write files that are read in parallel, in order, and as images."""
    for number in range(files):
        x = rng.normal(1e9, 1.0, rows)
        x[rng.random(rows) < 0.1] = np.nan
        y = rng.normal(size=rows) * 2.0 ** rng.integers(-40, 40, rows)
        table = pa.table({"x": pa.array(x, from_pandas=True), "y": y, "t": ["a"] * rows})
        pa.parquet.write_table(table, folder / f"{number}.parquet", row_group_size=100)
        pa.csv.write_csv(table, folder / f"{number}.csv")
        pa.feather.write_feather(table, folder / f"{number}.arrow", chunksize=100)
        np.save(folder / f"{number}.npy", np.stack([x, y], axis=1))
        with tarfile.open(folder / f"{number}.tar", "w") as archive:
            for image in range(rows // 25):
                path = folder / f"{number}-{image}.png"
                Image.fromarray(rng.integers(0, 256, (5, 5, 3), np.uint8)).save(path)
                archive.add(path, path.name)
        images = sorted(folder.glob(f"{number}-*.png"))
        column = pa.table({"image": [path.read_bytes() for path in images]})
        pa.parquet.write_table(column, folder / f"{number}.pq", row_group_size=7)


def fitted(paths, **options):
    """Return the moments of files of one kind."""
    select = "image" if str(paths[0]).endswith(".pq") else None
    return evenly.fit(paths, select=select, **options)


def killed_at(paths, state, block):
    """Fit and kill the process while it adds a block."""
    command = [sys.executable, "-c", LIFE, str(block), str(state), *map(str, paths)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as life:
        assert [life.stdout.readline() for _ in range(2)] == ["alive\n", "last\n"]
        life.kill()


def killed_until_done(paths, state, random_moment, names):
    """Fit in one process after another, send each a signal after a random time; count them.

    The times grow while the signals leave no time to save, as on a busy machine.
    """
    command = [sys.executable, "-c", LIFE, "0", str(state), *map(str, paths)]
    growth = 1.0
    for kills, name in enumerate(names):
        before = set(state.parent.glob(".evenly-*"))  # until a process opens the checkpoint
        saved = state.stat().st_mtime_ns if state.exists() else 0
        moment = random_moment()  # None: no signal, but the end
        if ended_by(name, command, None if moment is None else growth * moment):
            return kills
        has_saved = state.exists() and state.stat().st_mtime_ns != saved
        growth = max(1.0, growth / 1.2) if has_saved else growth * 1.2
        left = set(state.parent.glob(".evenly-*"))
        assert len(left) <= 1, left
        assert name == "KILL" or left <= before, left - before
        if state.exists():
            evenly.load(state)  # whole, at any moment


def ended_by(name, command, moment):
    """Send a signal to a command after some time; return whether it had already succeeded."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as life:
        assert life.stdout.readline() == "alive\n"
        with contextlib.suppress(subprocess.TimeoutExpired):
            life.wait(moment)
        life.send_signal(getattr(signal, f"SIG{name}"))
        rest, said = life.communicate()
    if rest == "done\n":
        return True
    assert life.returncode == STATUSES[name], (name, life.returncode, said)
    assert "Traceback" not in said, said
    return False


APPLY = """
import signal, sys
from evenly import cli
from evenly.cli import errors as cli_errors
print("alive", flush=True)
signal.signal(signal.SIGINT, signal.default_int_handler)
code = cli.main(["apply", *sys.argv[1:]])
if not code:
    print("done", flush=True)
cli_errors.exit_now(code) if code else sys.exit()
"""


def outputs_killed(kills, signals, rng, folder):
    """Write normalized files, each by processes that are sent signals until one succeeds."""
    rows = 200_000
    table = pa.table({"x": np.arange(rows) / 7, "y": np.arange(rows) % 11})
    source, statistics = folder / "apply.parquet", folder / "apply.json"
    pa.parquet.write_table(table, source, row_group_size=20_000)
    evenly.fit(source).save(statistics)
    sent = done = 0
    while sent < kills or not done:
        suffix = rng.choice(["csv", "parquet", "arrow"])
        output, before = folder / f"output.{suffix}", b"before"
        output.write_bytes(before)
        arguments = [str(statistics), str(source), "-o", str(output)]
        command = [sys.executable, "-c", APPLY, *arguments]
        while not ended_by(rng.choice(signals), command, rng.uniform(0, 0.5)):
            sent += 1
            assert output.read_bytes() == before, output
            left = [path.name for path in folder.glob(".evenly-*")]
            assert len(left) <= 1, left  # the next process removes it when it starts to write
        assert not list(folder.glob(".evenly-*"))
        assert evenly.fit(output).rows == rows
        done += 1
    return sent, done


def main():
    """Send the requested number of signals and print a summary."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    parser.add_argument("--signals", default=",".join(STATUSES))
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--apply", action="store_true", help="kill `evenly apply -o` instead")
    asked = parser.parse_args()
    rng = random.Random(asked.seed)
    signals, kinds = asked.signals.split(","), asked.kinds.split(",")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if asked.apply:
            kills, files = outputs_killed(asked.kills, signals, rng, folder)
            print(f"{kills} signals, {files} files written: each unchanged or complete")
            return
        write(folder, np.random.default_rng(asked.seed))
        kills = fits = 0
        while kills < asked.kills or fits < len(kinds):
            paths = sorted(folder.glob(f"*.{kinds[fits % len(kinds)]}"))
            state = folder / f"state-{fits}.json"
            names = iter(lambda: rng.choice(signals), None)
            kills += killed_until_done(paths, state, lambda: rng.uniform(0, 0.3), names)
            fits += 1
            moments, whole = evenly.load(state), fitted(paths)
            assert moments == whole, state
            assert moments.rows == whole.rows, state
            assert moments.min.tolist() == whole.min.tolist(), state
            assert moments.max.tolist() == whole.max.tolist(), state
    print(f"{kills} signals in {fits} fits: all bits the same, every row once (seed {asked.seed})")


if __name__ == "__main__":
    main()
