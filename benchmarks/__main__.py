"""Run suites of benchmarks, print tables and save a record of all times."""

import json
import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from benchmarks import environment
from benchmarks.subprocess_runner import run_in_subprocess
from benchmarks.suites import NAMES, load_suite

RESULTS = Path(__file__).with_name("results")
DEFAULT_ROUNDS = 7
WIDTH = 220
"""The width of the widest table. A terminal wraps lines that would otherwise be truncated."""


@click.command(help=__doc__)
@click.argument("suites", nargs=-1, type=click.Choice(NAMES), metavar="[SUITE]...")
@click.option("--quick", "size", flag_value="quick", help="Small sizes.")
@click.option("--tiny", "size", flag_value="tiny", help="Minimal sizes, to check that it runs.")
@click.option("--threads", default=os.cpu_count(), show_default=True, type=click.IntRange(1))
@click.option("--rounds", default=DEFAULT_ROUNDS, show_default=True, type=click.IntRange(1))
@click.option("--device", default="cpu", show_default=True, help="cuda, for the suite batch_norm.")
@click.option("--json", "as_json", is_flag=True, help="Print the record instead of tables.")
@click.option("--results", default=RESULTS, type=Path, help="The folder for records.")
def main(suites, size, threads, rounds, device, as_json, results):
    names = [name for name in NAMES if not suites or name in suites]
    _check_device(device, names)
    facts = environment.describe() | {"size": size or "full", "threads": threads, "rounds": rounds}
    facts |= {"device": device}
    console = Console(stderr=as_json, width=max(WIDTH, Console().width))
    console.print(_headline(facts))
    record = {"machine": facts, "suites": {}}
    path = results / f"{datetime.now(UTC):%Y-%m-%dT%H%M%S}.json"
    for name in names:
        record["suites"][name] = _run(name, facts, console)
        show(name, record["suites"][name], console)
        facts["load_after"] = os.getloadavg()
        _save(record, path)  # after each suite, so that an interrupted run keeps its results
    console.print(f"record: {path.name} in the folder {results.name}/")
    if as_json:
        click.echo(json.dumps(record))
    if any("failed" in case for cases in record["suites"].values() for case in cases):
        raise SystemExit(1)


def _check_device(device, names):
    others = [name for name in names if not getattr(load_suite(name), "HAS_DEVICES", False)]
    if device != "cpu" and others:
        raise click.UsageError(
            "--device is for suites of layers that run on accelerators. Received: "
            f"{', '.join(others)}. Run python -m benchmarks batch_norm --device {device}."
        )


def _run(name, facts, console):
    """Run every case of a suite, each in its own process."""
    cases = load_suite(name).cases(facts["size"])
    records = []
    for i, case in enumerate(cases, 1):
        console.print(f"{name} {i}/{len(cases)} …", style="dim", highlight=False)
        variables = case.pop("environment", {})
        case |= {"threads": facts["threads"], "rounds": facts["rounds"]}
        if facts["device"] != "cpu":
            case["device"] = facts["device"]
        record = run_in_subprocess(name, case, variables)
        records.append(record | {"environment": variables, "load": os.getloadavg()[0]})
    return records


def show(name, records, console):
    """Print the tables of a suite, and the errors of the cases that failed."""
    succeeded = [record for record in records if "failed" not in record]
    for table in load_suite(name).show(succeeded) if succeeded else ():
        console.print(table, highlight=False)
    failures = Counter(record["failed"] for record in records if "failed" in record)
    for message, times in failures.items():
        console.print(f"{name} failed: {message} ({times}×)", style="bold red", markup=False)
    loads = [record["load"] for record in records]
    console.print(f"load average during the suite: {min(loads):.1f} to {max(loads):.1f}\n")


def _headline(facts):
    versions = ", ".join(f"{name} {at}" for name, at in facts["versions"].items() if at)
    return (
        f"{facts['processor']}, {facts['cores']} cores, {facts['memory']}; {facts['threads']} "
        f"threads, {facts['rounds']} rounds, {facts['size']} size; {versions}"
    )


def _save(record, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
