"""Check that fits on a Dask cluster whose workers are killed give the bits of one machine.

    python tests/helpers/kill_dask.py --kills 20

starts two processes and kills one of them (SIGKILL) at a random moment of each fit.
"""

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import dask
from distributed import Client, LocalCluster

import evenly
from kill_harness import asked, check, death, loop, part, sent

PARTS = 48


@contextmanager
def cluster(**options: Any):
    """Start two processes of one thread each."""
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


def whole(seed: int) -> evenly.Moments:
    """Return the moments of all parts, computed on one machine."""
    return evenly.fit(part(number, seed) for number in range(PARTS))


def parts(seed: int, made: Callable[[int], Any]) -> list[Any]:
    """Return the parts as Delayed. The worker that makes one calls ``made(number)``."""
    one = sent(made, seed)
    return [dask.delayed(one, pure=False)(number) for number in range(PARTS)]


def killed_from_outside(seed: int, after: float) -> bool:
    """Fit and kill a worker after some seconds; return whether the fit was still running.

    Each trial has its own cluster: after about ten kills, Dask's nanny sometimes does not start a
    worker again, and waiting for two workers would never end.
    """
    with cluster() as client:
        victim = random.Random(seed).choice(list(client.run(os.getpid).values()))

        def kill(running: bool) -> bool:
            os.kill(victim, signal.SIGKILL)
            return running

        with death(kill, after) as halfway:
            moments = evenly.fit(parts(seed, lambda number: time.sleep(0.03)))
    check(moments, whole(seed), seed, after)
    return halfway[0]


def main() -> None:
    loop(asked(__doc__), 1.0, killed_from_outside)


if __name__ == "__main__":
    main()
