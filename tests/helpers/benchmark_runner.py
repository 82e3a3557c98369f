"""Run suites of benchmarks in this process, in their smallest sizes."""

import gc
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any
from unittest.mock import patch

from benchmarks.__main__ import show
from benchmarks.suites import load_suite
from rich.console import Console


def run_suite(name: str, *, rounds: int = 1, **only: Any) -> list[dict[str, Any]]:
    """Return the records of the smallest cases that have the values in ``only``."""
    suite = load_suite(name)
    cases = suite.cases("tiny")
    records = []
    for case in cases:
        if not only.items() <= case.items():
            continue
        case.pop("environment", None)
        case |= {"threads": 2, "rounds": rounds}
        with _restored_settings(), _collected_once():
            records.append(json.loads(json.dumps(case | suite.run(**case))) | {"load": 0.0})
    assert records, f"no case of {cases} has {only}"
    for record in records:
        for timing in record.get("timings", ()):
            assert {len(seconds) for seconds in timing["seconds"].values()} == {rounds}
    return records


@contextmanager
def _collected_once() -> Iterator[None]:
    """Let the collections before each timing look only at what the case has allocated."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@contextmanager
def _restored_settings() -> Iterator[None]:
    """Restore the environment and the threads of torch and pyarrow, which a case sets."""
    import pyarrow

    cpu_count = pyarrow.cpu_count()
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else None
    with patch.dict(os.environ):
        yield
    pyarrow.set_cpu_count(cpu_count)
    if torch:
        torch.set_num_threads(threads)


def print_tables(name: str, records: list[dict[str, Any]]) -> str:
    """Return the tables of a suite as text."""
    console = Console(record=True, width=250, file=StringIO())
    show(name, records, console)
    return console.export_text()


def check_engine(name: str) -> None:
    """Check that the benchmark of an engine compares it with evenly, whose answers are exact."""
    (record,) = run_suite("engines", engine=name)
    (timing,) = record["timings"]
    ours = {"evenly alone", f"evenly on {name}"}
    assert ours | {name} <= timing["seconds"].keys()
    assert all(timing["errors"][system] == [0.0, 0.0] for system in ours)
    assert f"evenly on {name}" in print_tables("engines", [record])
