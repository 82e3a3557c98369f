"""Measure imports, and the first call after each, in new processes.

Bytecode is cached, as it is for an installed package, even if PYTHONDONTWRITEBYTECODE is set.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks import table

TITLE = "Imports"
MODULES = {
    "evenly": ("sys", "evenly.fit([[1.0], [3.0]])"),
    "evenly.sklearn": ("sklearn.preprocessing", "evenly.sklearn.StandardScaler().fit([[1.0]])"),
    "evenly.torch": ("torch", "evenly.torch.Normalize(1)(torch.ones(2, 1))"),
}
"""What a user of each module has imported anyway, and the call that is measured."""
PROGRAM = """import time
import {before}
start = time.perf_counter()
import {module}
imported = time.perf_counter()
{call}
print(imported - start, time.perf_counter() - imported)"""


def cases(size):
    installed = [name for name, (before, _) in MODULES.items() if find_spec(before.split(".")[0])]
    return [{"module": name} for name in (installed[:1] if size == "tiny" else installed)]


def run(module, threads, rounds):
    before, call = MODULES[module]
    program = PROGRAM.format(before=before, module=module, call=call)
    with TemporaryDirectory() as folder:
        environment = os.environ | {"PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        _seconds(program, environment)  # writes the bytecode
        times = [_seconds(program, environment) for _ in range(rounds)]
    imports, calls = zip(*times, strict=True)
    return {"before": before, "imports": imports, "calls": calls}


def _seconds(program, environment):
    """Return the seconds of the import, and those of the first call."""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return tuple(map(float, done.stdout.split()))


def show(records):
    columns = ["", "after", "import: ms", "min", "first call: ms", "min"]
    rows = [
        [f"import {record['module']}", f"import {record['before']}", *_cells(record)]
        for record in records
    ]
    note = "Median and minimum of all rounds, each in a new process."
    return [table.plain(TITLE, columns, rows, note)]


def _cells(record):
    for seconds in (record["imports"], record["calls"]):
        yield from (f"{value * 1e3:.0f}" for value in (median(seconds), min(seconds)))
