"""Fuzz the reader of statistics files: it must return moments or raise StatisticsFileError.

    python fuzz/fuzz_statistics_file.py -max_total_time=600     (needs: pip install atheris)

Without atheris, ``--seconds 600`` mutates the seeds at random; the tests do so for a few seconds.
"""

import random
import sys
import time
from collections.abc import Iterator

from evenly.errors import StatisticsFileError
from evenly.moments import GroupedMoments, Moments, MomentsByKey
from evenly.moments.load import from_bytes

SEEDS = [
    b'{\n"columns": [\n{"count": 3, "dtype": "float64", "max": 6.0, "mean": 3.0, "min": 1.0, '
    b'"missing": 1, "name": "height", "std": 2.160246899469287, "sum": "0x9p0", '
    b'"sum_of_squares": "0x29p0"}\n],\n"evenly_version": "0.1.0",\n"extremes": "exact",\n'
    b'"format": "evenly statistics",\n"format_version": 1,\n"rows": 4,\n"sources": ["p.csv"]\n}\n',
    b'{"columns": [{"count": "0x5p-1", "dtype": "", "max": 9223372036854775807, "min": -4e-320, '
    b'"missing": 0, "sum": "0x1p0", "sum_of_squares": "0x1p1", "weight": 2.5}, {"count": 0, '
    b'"dtype": "int8", "max": null, "mean": null, "min": null, "missing": 7, "std": null, "sum": '
    b'"0x0p0", "sum_of_squares": "0x0p0"}], "evenly_version": "", "extremes": "bounds", "format": '
    b'"evenly statistics", "format_version": 1, "rows": 0, "sources": []}',
    b'{"columns": [], "evenly_version": "x", "extremes": "exact", "format": "evenly statistics", '
    b'"format_version": 1, "rows": 0, "sources": []}',
    b'{\n"by": ["origin", "day"],\n"evenly_version": "0.1.0",\n"extremes": "exact",\n"format": '
    b'"evenly statistics",\n"format_version": 2,\n"groups": [\n{"columns": [\n{"count": 3, '
    b'"dtype": "float64", "max": 6.0, "mean": 3.0, "min": 1.0, "missing": 1, "name": "height", '
    b'"std": 2.160246899469287, "sum": "0x9p0", "sum_of_squares": "0x29p0"}\n], "key": ["EWR", '
    b'{"date": "2013-01-31"}], "rows": 4}\n],\n"rows": 4,\n"sources": ["p.csv"]\n}\n',
    b'{"by": null, "evenly_version": "", "extremes": "bounds", "format": "evenly statistics", '
    b'"format_version": 2, "groups": [{"columns": [{"count": 0, "dtype": "int8", "max": null, '
    b'"min": null, "missing": 7, "sum": "0x0p0", "sum_of_squares": "0x0p0"}], "key": {"timestamp": '
    b'"2013-01-31T05:00:00"}, "rows": 7}, {"columns": [{"count": 0, "dtype": "int8", "max": null, '
    b'"min": null, "missing": 7, "sum": "0x0p0", "sum_of_squares": "0x0p0"}], "key": null, '
    b'"rows": 7}], "rows": 14, "sources": []}',
    b'{"columns": [], "evenly_version": "x", "extremes": "exact", "fields": [["a", "number"]], '
    b'"files": [{"bytes": 9, "complete": true, "modified": 1, "path": "a.csv", "rows": 3}, '
    b'{"bytes": null, "complete": false, "members": 2, "modified": "9b", "path": "s3://b/c.tar", '
    b'"rows": 1}], "format": "evenly statistics", "format_version": 1, "options": '
    b'{"broken": "skip", "by": null, "columns": ["a", 0], "exclude": [], "feature_axis": -1, '
    b'"infinite": "error", "mode": "RGB", "select": null, "weights": "w"}, '
    b'"rows": 4, "sources": []}',
    b'{\n"bins": 16,\n"columns": [\n{"count": 3, "distribution": {"counts": "1 1 1", "keys": '
    b'"bff0000000000000 10000000000000 18000000000000", "shift": 0}, "dtype": "float64", '
    b'"max": 6.0, "mean": 3.0, "min": 1.0, "missing": 1, "name": "height", '
    b'"std": 2.160246899469287, "sum": "0x9p0", "sum_of_squares": "0x29p0"}\n],\n'
    b'"evenly_version": "0.1.0",\n"extremes": "exact",\n"format": "evenly statistics",\n'
    b'"format_version": 3,\n"rows": 4,\n"sources": ["p.csv"]\n}\n',
    b'{"bins": 2, "by": null, "evenly_version": "", "extremes": "bounds", "format": "evenly '
    b'statistics", "format_version": 3, "groups": [{"columns": [{"count": 3, "distribution": '
    b'{"counts": "1 2", "keys": "5ff 1", "shift": 53}, "dtype": "int8", "max": 6, "min": 1, '
    b'"missing": 7, "sum": "0x9p0", "sum_of_squares": "0x29p0"}], "key": null, "rows": 10}], '
    b'"rows": 10, "sources": []}',
    b'{"evenly_version": "x", "format": "evenly statistics", "format_version": 4, "parts": [{'
    b'"columns": [{"count": 3, "dtype": "float64", "max": 6.0, "min": 1.0, "missing": 1, '
    b'"sum": "0x9p0", "sum_of_squares": "0x29p0"}], "extremes": "exact", '
    b'"feature_axis": null, "key": "action", "path": ["action"], "rows": 4, "sources": []}, '
    b'{"bins": 2, "columns": [{"count": 3, '
    b'"distribution": {"counts": "1 2", "keys": "5ff 1", "shift": 53}, "dtype": "int8", "max": 6, '
    b'"min": 1, "missing": 7, "sum": "0x9p0", "sum_of_squares": "0x29p0"}], "extremes": "bounds", '
    b'"feature_axis": 1, "key": "image", "path": ["observation", 0], "rows": 10, "sources": []}]}',
]
WORDS = [
    *b'{ } [ ] : , " \\ - + . 0 1 9 e p 0x1p0 -0x3p4096 0x0p0 NaN Infinity -Infinity null'.split(),
    *b'true 1e999 -1e-999 99999999999999999999 9223372036854775808 "\\ud800" \xff \xed\xa0'.split(),
    *b'"files" "fields" "options" "path" "bytes" "complete" "members" "modified" true'.split(),
    *b'"count" "sum" "name" "min" "max" "mean" "std" "weight" "columns" "rows" "format"'.split(),
    *b'"groups" "key" "by" "date" "timestamp" {"date":"2013-02-29"} ["EWR",1] true 0.5'.split(),
    *b'"bins" "distribution" "counts" "keys" "shift" 63 64 1024 "1 1" "f 0" "1 ffffffff"'.split(),
    *b'"parts" "path" "feature_axis" ["a",0] "image" "action"'.split(),
    b"[" * 100_000,
    b'{"a":' * 5_000,
    b'"0x' + b"f" * 3_000 + b'p0"',
    b"1" * 5_000,
]


def read(content: bytes) -> bool:
    """Read one file as `evenly.load` does; return whether it was valid."""
    try:
        moments = from_bytes(content)  # a valid file must also be accepted by the core
    except StatisticsFileError:
        return False
    repr(moments)
    for whole in parts_of(moments):
        if whole.distribution:
            whole.quantile_bounds([0, 0.3, 1])
            whole.cdf_bounds(1.0)
    return True


def parts_of(moments: Moments | GroupedMoments | MomentsByKey) -> list[Moments]:
    """Return the moments of each key, or of all groups together."""
    if isinstance(moments, MomentsByKey):
        return list(moments.values())
    return [moments.total() if isinstance(moments, GroupedMoments) else moments]


def mutate_seeds(rng: random.Random) -> Iterator[bytes]:
    """Yield randomly modified seeds, without end."""
    while True:
        content = bytearray(rng.choice(SEEDS))
        for _ in range(rng.randint(1, 6)):
            start = rng.randrange(len(content) + 1)
            stop = min(len(content), start + rng.choice((0, 0, 1, 1, 2, 8, 40)))
            other = rng.choice(SEEDS)
            offset = rng.randrange(len(other))
            piece = other[offset : offset + rng.randint(1, 60)]
            content[start:stop] = rng.choice((b"", rng.choice(WORDS), rng.randbytes(1), piece))
        yield bytes(content)


def run(seconds: float, seed: int) -> None:
    """Mutate for some seconds without atheris; print the number of files and of valid files."""
    end, total, valid = time.monotonic() + seconds, 0, 0
    for content in mutate_seeds(random.Random(seed)):
        total, valid = total + 1, valid + read(content)
        if time.monotonic() > end:
            break
    print(f"{total} files read, {valid} of them valid, no uncaught exception (seed {seed})")


def main() -> None:
    """Run atheris, or plain mutations with ``--seconds``."""
    if "--seconds" in sys.argv:
        run(float(sys.argv[sys.argv.index("--seconds") + 1]), time.time_ns())
        return
    import atheris

    atheris.instrument_all()
    seeds = random.Random(0)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        if seed % 2:
            return atheris.Mutate(data, max_size)
        seeds.seed(seed)
        return next(mutate_seeds(seeds))[:max_size]

    atheris.Setup(sys.argv, read, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
