"""``python -m benchmarks.peak FILE``: the most memory that fitting a file held.

In a fresh process. Prints two numbers of bytes: after the imports and a fit of nothing, and
after the fit.
"""

import resource
import subprocess
import sys
from pathlib import Path

KIB = 1024


def peak_of(path: Path) -> tuple[int, int]:
    """The two numbers, from a process of its own."""
    command = [sys.executable, "-m", "benchmarks.peak", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    return before, after


def high_water() -> int:
    """The most bytes that this process held.

    Linux lets getrusage begin with what the *parent* held (the record survives exec), so the
    process's own table is asked where there is one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) * KIB for line in lines if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB


def main() -> None:
    """Be that process."""
    import numpy as np
    import pyarrow.parquet  # noqa: F401  # part of what is there before

    import evenly

    evenly.fit(np.zeros((1, 1)))
    before = high_water()
    evenly.fit(Path(sys.argv[1]))
    print(before, high_water())


if __name__ == "__main__":
    main()
