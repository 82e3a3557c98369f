"""Fits on Ray whose worker processes die: always the bits of one machine?

    python tests/ray_deaths.py --kills 20

kills a process that has made a part of the data (SIGKILL) at a random moment of each fit.
"""

import argparse
import logging
import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray.data

import evenly

PARTS = 24
ROWS = 200


@contextmanager
def cluster() -> Iterator[None]:
    """Ray on this machine alone: two tasks at a time, little memory, no dashboard."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(
        num_cpus=2,
        object_store_memory=100 * 2**20,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.CRITICAL,
        _node_ip_address="127.0.0.1",
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        ray.shutdown()


def part(number: int, seed: int) -> np.ndarray:
    """Rows that need all the bits there are, the same ones whenever they are asked for."""
    rng = np.random.default_rng([seed, number])
    return rng.normal(1.7e9, 1, (ROWS, 5)) * 2.0 ** rng.integers(-30, 30, (ROWS, 5))


def whole(seed: int) -> evenly.Moments:
    """What one machine says of all parts."""
    return evenly.fit(part(number, seed) for number in range(PARTS))


def parts(seed: int, made: Callable[[int], Any]) -> ray.data.Dataset:
    """The parts as blocks; ``made(number)`` is called by the worker when it makes one."""
    rows = ROWS

    def make(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:  # by value, as a closure
        made(int(batch["id"][0]))
        rng = np.random.default_rng([seed, int(batch["id"][0])])
        x = rng.normal(1.7e9, 1, (rows, 5)) * 2.0 ** rng.integers(-30, 30, (rows, 5))
        return {"data": x}

    return ray.data.range(PARTS, override_num_blocks=PARTS).map_batches(make, batch_size=1)


def killed_from_outside(folder: Path, seed: int, after: float) -> bool:
    """Fit, and kill a worker some seconds after the start; whether that was before the end."""
    pids = folder / f"pids-{seed}"
    ended = threading.Event()
    in_time = []

    def made(number: int) -> None:
        with open(pids, "a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(0.05)

    def kill() -> None:
        time.sleep(after)
        known = pids.read_text().split()[-2:] if pids.exists() else []
        in_time.append(bool(known) and not ended.is_set())
        if in_time[0]:
            os.kill(int(random.Random(seed).choice(known)), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    moments = evenly.fit(parts(seed, made))
    ended.set()
    killer.join()
    assert moments == whole(seed), f"another answer after a death: seed {seed}, {after} s"
    assert moments.rows == PARTS * ROWS
    return in_time[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    moments = random.Random(asked.seed)
    halfway = 0
    with cluster(), tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            started = time.perf_counter()
            evenly.fit(parts(0, lambda number: time.sleep(0.05)))
            lasts = time.perf_counter() - started
        for kill in range(asked.kills):
            after = moments.uniform(0, lasts)
            halfway += killed_from_outside(Path(folder), asked.seed + kill, after)
    print(f"{asked.kills} fits, {halfway} of them with a death halfway: never another bit")


if __name__ == "__main__":
    main()
