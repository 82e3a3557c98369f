"""Check that fits on Ray whose worker processes are killed give the bits of one machine.

    python tests/helpers/kill_ray.py --kills 20

kills a process that has generated a part of the data (SIGKILL) at a random moment of each fit.
"""

import logging
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray.data
from ray.data.context import ShuffleStrategy

import evenly
from kill_harness import asked, check, death, loop, part, seconds, sent

PARTS = 24


@contextmanager
def cluster() -> Iterator[None]:
    """Start Ray on this machine: two concurrent tasks, little memory, no dashboard."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(
        num_cpus=2,
        object_store_memory=100 * 2**20,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.CRITICAL,
        _node_ip_address="127.0.0.1",
    )
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    # Without processes that are started for each read and each aggregation, which takes seconds.
    context.use_datasource_v2 = False
    context.shuffle_strategy = ShuffleStrategy.SORT_SHUFFLE_PULL_BASED
    context.execution_options.preserve_order = True  # results are compared row by row
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        ray.shutdown()


def whole(seed: int) -> evenly.Moments:
    """Return the moments of all parts, computed on one machine."""
    return evenly.fit(part(number, seed) for number in range(PARTS))


def parts(seed: int, made: Callable[[int], Any]) -> ray.data.Dataset:
    """Return the parts as blocks. The worker that makes one calls ``made(number)``."""
    one = sent(made, seed)

    def make(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:  # by value, as a closure
        return {"data": one(int(batch["id"][0]))}

    return ray.data.range(PARTS, override_num_blocks=PARTS).map_batches(make, batch_size=1)


def killed_from_outside(folder: Path, seed: int, after: float) -> bool:
    """Fit and kill a worker after some seconds; return whether the fit was still running."""
    pids = folder / f"pids-{seed}"

    def made(number: int) -> None:
        with open(pids, "a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(0.05)

    def kill(running: bool) -> bool:
        known = pids.read_text().split()[-2:] if pids.exists() else []
        if halfway := bool(known) and running:
            os.kill(int(random.Random(seed).choice(known)), signal.SIGKILL)
        return halfway

    with death(kill, after) as halfway:
        moments = evenly.fit(parts(seed, made))
    check(moments, whole(seed), seed, after)
    return halfway[0]


def main() -> None:
    options = asked(__doc__)
    with cluster(), tempfile.TemporaryDirectory() as folder:
        lasts = seconds(lambda: evenly.fit(parts(0, lambda number: time.sleep(0.05))))
        loop(options, lasts, partial(killed_from_outside, Path(folder)))


if __name__ == "__main__":
    main()
