"""Check that fits on Spark whose workers or executors are killed give the bits of one machine.

    python tests/helpers/kill_spark.py --kills 20
    python tests/helpers/kill_spark.py --kills 20 --master "local-cluster[2,1,1024]"

kills one of them (SIGKILL) at a random moment of each fit.
"""

import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

import evenly
from kill_harness import asked, check, death, loop, part, seconds, sent

PARTS = 6
WIDTH = 4


@contextmanager
def session(master: str = "local[2,4]") -> Iterator[SparkSession]:
    """Start Spark on this machine: two concurrent tasks, each tried up to four times."""
    os.environ.update(PYSPARK_PYTHON=sys.executable, SPARK_LOCAL_IP="127.0.0.1")
    builder = SparkSession.builder.master(master)
    for key, value in {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "1g",
        # Optimizing compilers and parallel garbage collection pay only in long runs.
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.sql.shuffle.partitions": "2",
        "spark.log.level": "OFF",
        "spark.sql.session.timeZone": "Europe/Berlin",  # it has gaps; no result may depend on it
        "spark.sql.timestampType": "TIMESTAMP_NTZ",  # timestamps without a zone stay so
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }.items():
        builder = builder.config(key, value)
    started = builder.getOrCreate()
    try:
        yield started
    finally:
        started.stop()


def columns(x: np.ndarray) -> dict[str, np.ndarray]:
    return {f"c{place}": x[:, place] for place in range(x.shape[1])}


def whole(seed: int, width: int = WIDTH) -> evenly.Moments:
    """Return the moments of all parts, computed on one machine."""
    return evenly.fit(pa.table(columns(part(number, seed, width=width))) for number in range(PARTS))


def parts(
    spark: SparkSession, seed: int, made: Callable[[int], Any], width: int = WIDTH
) -> DataFrame:
    """Return the parts as partitions. The worker that makes one calls ``made(number)``."""
    one = sent(made, seed)

    def make(
        batches: Iterator[Any],
    ) -> Iterator[Any]:  # sent by value, since workers cannot import tests
        for batch in batches:
            for number in batch["id"].to_pylist():
                x = one(number, width=width)
                yield pa.RecordBatch.from_pydict({f"c{i}": x[:, i] for i in range(width)})

    schema = ", ".join(f"c{place} double" for place in range(width))
    return spark.range(0, PARTS, 1, PARTS).mapInArrow(make, schema)


def processes() -> dict[int, tuple[int, str]]:
    """Return the parent and the command of every process."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            found[int(folder.name)] = parent, (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue  # the process has ended
    return found


def victims(spark: SparkSession) -> list[int]:
    """Return the executors if they are separate processes, or else the Python workers."""
    everyone = processes()
    ours = {spark.sparkContext._gateway.proc.pid}
    while more := {pid for pid, (parent, _) in everyone.items() if parent in ours} - ours:
        ours |= more
    executors = [pid for pid in ours if "CoarseGrainedExecutorBackend" in everyone[pid][1]]
    daemons = {pid for pid in ours if "pyspark.daemon" in everyone[pid][1]}
    return sorted(executors) or sorted(p for p in daemons if everyone[p][0] in daemons)


def killed_from_outside(spark: SparkSession, seed: int, after: float) -> bool:
    """Fit and kill a process after some seconds; return whether the fit was still running."""
    chosen = random.Random(seed)

    def kill(running: bool) -> bool:
        if alive := victims(spark):
            os.kill(chosen.choice(alive), signal.SIGKILL)
        return bool(alive) and running

    with death(kill, after) as halfway:
        moments = evenly.fit(parts(spark, seed, lambda number: time.sleep(0.1)))
    check(moments, whole(seed), seed, after)
    return halfway[0]


def main() -> None:
    options = asked(__doc__, master="local[2,4]")
    with session(options.master) as spark:
        lasts = seconds(lambda: evenly.fit(parts(spark, 0, lambda number: time.sleep(0.1))))
        loop(options, lasts, partial(killed_from_outside, spark))


if __name__ == "__main__":
    main()
