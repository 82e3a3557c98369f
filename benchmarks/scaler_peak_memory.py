"""``python -m benchmarks.scaler_peak_memory MODULE ROWS COLUMNS DTYPE``: the memory of a fit.

Prints the number of bytes by which fitting a ``StandardScaler`` raises the peak memory of a new
process that holds the data and has fitted one row of it.
"""

import subprocess
import sys
from importlib import import_module

from benchmarks.peak_memory import max_rss


def peak_of(module: str, rows: int, columns: int, dtype: str) -> int:
    """Return the number, measured in a new process."""
    command = [sys.executable, "-m", "benchmarks.scaler_peak_memory", module]
    command += [str(rows), str(columns), dtype]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout)


def main() -> None:
    """Fit the scaler and print the number."""
    import numpy as np

    module, rows, columns, dtype = sys.argv[1:]
    scaler = import_module(module).StandardScaler
    x = np.ones((int(rows), int(columns)), dtype)
    scaler().fit(x[:1])
    before = max_rss()
    scaler().fit(x)
    print(max_rss() - before)


if __name__ == "__main__":
    main()
