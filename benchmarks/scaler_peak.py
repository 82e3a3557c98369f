"""``python -m benchmarks.scaler_peak MODULE ROWS COLUMNS DTYPE``: what a fit adds to the peak.

In a fresh process, which has the data and has fitted one row of it. Prints a number of bytes.
"""

import subprocess
import sys
from importlib import import_module

from benchmarks.peak import high_water


def peak_of(module: str, rows: int, columns: int, dtype: str) -> int:
    """The number, from a process of its own."""
    command = [sys.executable, "-m", "benchmarks.scaler_peak", module]
    command += [str(rows), str(columns), dtype]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout)


def main() -> None:
    """Be that process."""
    import numpy as np

    module, rows, columns, dtype = sys.argv[1:]
    scaler = import_module(module).StandardScaler
    x = np.ones((int(rows), int(columns)), dtype)
    scaler().fit(x[:1])
    before = high_water()
    scaler().fit(x)
    print(high_water() - before)


if __name__ == "__main__":
    main()
