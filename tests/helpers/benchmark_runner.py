"""Run suites of benchmarks in this process, in their smallest sizes."""

import json
from io import StringIO
from typing import Any

from benchmarks.__main__ import show
from benchmarks.suites import load_suite
from rich.console import Console

ROUNDS = 2


def run_suite(name: str, *, rounds: int = ROUNDS, **only: Any) -> list[dict[str, Any]]:
    """Return the records of the smallest cases that have the values in ``only``."""
    suite = load_suite(name)
    cases = suite.cases("tiny")
    records = []
    for case in cases:
        if not only.items() <= case.items():
            continue
        case.pop("environment", None)
        case |= {"threads": 2, "rounds": rounds}
        records.append(json.loads(json.dumps(case | suite.run(**case))) | {"load": 0.0})
    assert records, f"no case of {cases} has {only}"
    for record in records:
        for timing in record.get("timings", ()):
            assert {len(seconds) for seconds in timing["seconds"].values()} == {rounds}
    return records


def print_tables(name: str, records: list[dict[str, Any]]) -> str:
    """Return the tables of a suite as text."""
    console = Console(record=True, width=250, file=StringIO())
    show(name, records, console)
    return console.export_text()
