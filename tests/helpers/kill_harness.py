"""Kill something at a random moment of a fit, for the scripts that kill an engine's workers."""

import argparse
import random
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager

import numpy as np

import evenly


def sent(made: Callable[[int], object], seed: int) -> Callable[..., np.ndarray]:
    """Return a function that calls `made` and then makes the part with a number.

    It is sent to workers by value, since they cannot import this file.
    """

    def one(number: int, rows: int = 200, width: int = 5) -> np.ndarray:
        made(number)
        rng = np.random.default_rng([seed, number])
        return rng.normal(1.7e9, 1, (rows, width)) * 2.0 ** rng.integers(-30, 30, (rows, width))

    return one


def part(number: int, seed: int, rows: int = 200, width: int = 5) -> np.ndarray:
    """Return the rows of a part, which use the whole precision and are the same in each call."""
    return sent(lambda number: None, seed)(number, rows, width)


@contextmanager
def death(kill: Callable[[bool], bool], after: float):
    """Call `kill` after some seconds, with whether the body of the context is still running.

    Yields a list, which finally contains the result of `kill`: whether a process was killed early.
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
    """Check that a fit with a killed process has the bits of one machine and every row once."""
    assert moments == whole, f"another answer after a kill: seed {seed}, {after} s"
    assert moments.rows == whole.rows


def asked(doc: str, **more: str) -> argparse.Namespace:
    """Parse the command line; `more` are further options and their defaults."""
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    for name, default in more.items():
        parser.add_argument(f"--{name}", default=default)
    return parser.parse_args()


def loop(options: argparse.Namespace, lasts: float, died: Callable[[int, float], bool]) -> None:
    """Call `died(seed, after)` as often as requested, and print a summary."""
    delays = random.Random(options.seed)
    halfway = sum(
        died(options.seed + kill, delays.uniform(0, lasts)) for kill in range(options.kills)
    )
    print(f"{options.kills} fits, {halfway} of them with a kill before the end: all bits the same")


def seconds(fit: Callable[[], object]) -> float:
    """Return the seconds of a second fit."""
    fit()
    started = time.perf_counter()
    fit()
    return time.perf_counter() - started
