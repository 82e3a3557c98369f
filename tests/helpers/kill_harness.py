"""Deaths at random moments of a fit, for the scripts that kill an engine's workers."""

import argparse
import random
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager

import numpy as np

import evenly


def sent(made: Callable[[int], object], seed: int) -> Callable[..., np.ndarray]:
    """What makes a part by its number, and calls `made` before.

    It goes to workers by value, since they cannot import this file.
    """

    def one(number: int, rows: int = 200, width: int = 5) -> np.ndarray:
        made(number)
        rng = np.random.default_rng([seed, number])
        return rng.normal(1.7e9, 1, (rows, width)) * 2.0 ** rng.integers(-30, 30, (rows, width))

    return one


def part(number: int, seed: int, rows: int = 200, width: int = 5) -> np.ndarray:
    """Rows that need all the bits there are, the same ones whenever they are asked for."""
    return sent(lambda number: None, seed)(number, rows, width)


@contextmanager
def death(kill: Callable[[bool], bool], after: float):
    """Call `kill`, some seconds after the start, with whether what is inside still runs.

    Yields a list, which says in the end what `kill` returned: whether something died halfway.
    """
    ended = threading.Event()
    halfway: list[bool] = []

    def wait() -> None:
        time.sleep(after)
        halfway.append(kill(not ended.is_set()))

    killer = threading.Thread(target=wait)
    killer.start()
    try:
        yield halfway
    finally:
        ended.set()
        killer.join()


def check(moments: evenly.Moments, whole: evenly.Moments, seed: int, after: float) -> None:
    """Check that a fit with a death in it has the bits of one machine, and every row once."""
    assert moments == whole, f"another answer after a death: seed {seed}, {after} s"
    assert moments.rows == whole.rows


def asked(doc: str, **more: str) -> argparse.Namespace:
    """What was asked for on the command line; of `more` options, their defaults."""
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    for name, default in more.items():
        parser.add_argument(f"--{name}", default=default)
    return parser.parse_args()


def loop(options: argparse.Namespace, lasts: float, died: Callable[[int, float], bool]) -> None:
    """Let `died(seed, after)` fit with a death, as often as asked, and say what came of it."""
    delays = random.Random(options.seed)
    halfway = sum(
        died(options.seed + kill, delays.uniform(0, lasts)) for kill in range(options.kills)
    )
    print(f"{options.kills} fits, {halfway} of them with a death halfway: never another bit")


def seconds(fit: Callable[[], object]) -> float:
    """How long a fit takes, the second time."""
    fit()
    started = time.perf_counter()
    fit()
    return time.perf_counter() - started
