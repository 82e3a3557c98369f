"""``python -m benchmarks.peak_memory FILE``: the peak memory of fitting a file.

Prints two numbers of bytes, measured in a new process: the peak after the imports and a fit of
one value, and the peak after the fit of the file.
"""

import resource
import subprocess
import sys
from pathlib import Path

KIB = 1024


def peak_of(path: Path) -> tuple[int, int]:
    """Return the two numbers, measured in a new process."""
    command = [sys.executable, "-m", "benchmarks.peak_memory", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    return before, after


def max_rss() -> int:
    """Return the peak memory of this process in bytes.

    On Linux, getrusage starts from the peak of the *parent* (the record survives exec), so
    ``/proc/self/status`` is read where it exists.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) * KIB for line in lines if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB


def main() -> None:
    """Fit the file and print the two numbers."""
    import numpy as np
    import pyarrow.parquet  # noqa: F401  # its memory belongs to the first number

    import evenly

    evenly.fit(np.zeros((1, 1)))
    before = max_rss()
    evenly.fit(Path(sys.argv[1]))
    print(before, max_rss())


if __name__ == "__main__":
    main()
