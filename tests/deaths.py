"""Fits on a Dask cluster whose workers die: always the bits of one machine?

    python tests/deaths.py --kills 20

starts two processes, and kills one of them (SIGKILL) at a random moment of each fit.
"""

import argparse
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import dask
import numpy as np
from distributed import Client, LocalCluster

import evenly

PARTS = 48


@contextmanager
def cluster(**options: Any):
    """Two processes of one thread each."""
    settings = {
        "distributed.scheduler.allowed-failures": 100,
        "distributed.admin.log-format": "%(message)s",
        "distributed.comm.retry.count": 3,
    }
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=60,
            **options,
        ) as two,
        Client(two) as client,
    ):
        yield client


def part(number: int, seed: int) -> np.ndarray:
    """Rows that need all the bits there are, the same ones whenever they are asked for."""
    rng = np.random.default_rng([seed, number])
    return rng.normal(1.7e9, 1, (200, 5)) * 2.0 ** rng.integers(-30, 30, (200, 5))


def whole(seed: int) -> evenly.Moments:
    """What one machine says of all parts."""
    return evenly.fit(part(number, seed) for number in range(PARTS))


def parts(seed: int, made: Callable[[int], Any]) -> list[Any]:
    """The parts as Delayed; ``made(number)`` is called by the worker when it makes one."""

    def one(number: int) -> np.ndarray:  # sent by value: a worker cannot import this file
        made(number)
        rng = np.random.default_rng([seed, number])
        return rng.normal(1.7e9, 1, (200, 5)) * 2.0 ** rng.integers(-30, 30, (200, 5))

    return [dask.delayed(one, pure=False)(number) for number in range(PARTS)]


def killed_from_outside(seed: int, after: float) -> bool:
    """Fit, and kill a worker some seconds after the start; whether that was before the end.

    On a cluster of its own: after some ten deaths Dask's nanny now and then starts no worker
    again, and who waits for two would wait for ever.
    """
    ended = threading.Event()
    in_time = []

    def kill(victim: int) -> None:
        time.sleep(after)
        in_time.append(not ended.is_set())
        os.kill(victim, signal.SIGKILL)

    with cluster() as client:
        victim = random.Random(seed).choice(list(client.run(os.getpid).values()))
        killer = threading.Thread(target=kill, args=(victim,))
        killer.start()
        moments = evenly.fit(parts(seed, lambda number: time.sleep(0.03)))
        ended.set()
        killer.join()
    assert moments == whole(seed), f"another answer after a death: seed {seed}, {after} s"
    assert moments.rows == whole(seed).rows
    return in_time[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    delays = random.Random(asked.seed)
    halfway = sum(
        killed_from_outside(asked.seed + kill, delays.uniform(0, 1.0))
        for kill in range(asked.kills)
    )
    print(f"{asked.kills} deaths, {halfway} of them before the fit had ended: never another bit")


if __name__ == "__main__":
    main()
