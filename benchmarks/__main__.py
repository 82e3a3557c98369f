"""The command line: choose groups and sizes, see tables, keep the record."""

import json
import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from benchmarks import machine
from benchmarks.child import run_apart
from benchmarks.groups import NAMES, group

RESULTS = Path(__file__).with_name("results")
LEAST_ROUNDS = 7
WIDTH = 220
"""Of the widest table: a terminal wraps what would otherwise be cut."""


@click.command(help=__doc__)
@click.argument("groups", nargs=-1, type=click.Choice(NAMES), metavar="[GROUP]...")
@click.option("--quick", "size", flag_value="quick", help="Small sizes.")
@click.option("--tiny", "size", flag_value="tiny", help="Hardly any data: does it run at all?")
@click.option("--threads", default=os.cpu_count(), show_default=True, type=click.IntRange(1))
@click.option("--rounds", default=LEAST_ROUNDS, show_default=True, type=click.IntRange(1))
@click.option("--json", "as_json", is_flag=True, help="Print the record instead of tables.")
@click.option("--results", default=RESULTS, type=Path, help="The folder of the records.")
def main(groups, size, threads, rounds, as_json, results):
    chosen = [name for name in NAMES if not groups or name in groups]
    facts = machine.facts() | {"size": size or "full", "threads": threads, "rounds": rounds}
    console = Console(stderr=as_json, width=max(WIDTH, Console().width))
    console.print(_headline(facts))
    record = {"machine": facts, "groups": {}}
    path = results / f"{datetime.now(UTC):%Y-%m-%dT%H%M%S}.json"
    for name in chosen:
        record["groups"][name] = _run(name, facts, console)
        _show(name, record["groups"][name], console)
        facts["load_after"] = os.getloadavg()
        _keep(record, path)  # again after each group: what is interrupted has what it has
    console.print(f"record: {path.name} in the folder {results.name}/")
    if as_json:
        click.echo(json.dumps(record))
    if any("failed" in case for cases in record["groups"].values() for case in cases):
        raise SystemExit(1)


def _run(name, facts, console):
    """Every case of a group, each in its own process."""
    cases = group(name).cases(facts["size"])
    records = []
    for i, case in enumerate(cases, 1):
        console.print(f"{name} {i}/{len(cases)} …", style="dim", highlight=False)
        environment = case.pop("environment", {})
        case |= {"threads": facts["threads"], "rounds": facts["rounds"]}
        record = run_apart(name, case, environment)
        records.append(record | {"environment": environment, "load": os.getloadavg()[0]})
    return records


def _show(name, records, console):
    good = [record for record in records if "failed" not in record]
    for table in group(name).show(good) if good else ():
        console.print(table, highlight=False)
    failures = Counter(record["failed"] for record in records if "failed" in record)
    for message, times in failures.items():
        console.print(f"{name} failed: {message} ({times}×)", style="bold red", markup=False)
    loads = [record["load"] for record in records]
    console.print(f"load average meanwhile: {min(loads):.1f} to {max(loads):.1f}\n")


def _headline(facts):
    versions = ", ".join(f"{name} {at}" for name, at in facts["versions"].items() if at)
    return (
        f"{facts['processor']}, {facts['cores']} cores, {facts['memory']}; {facts['threads']} "
        f"threads, {facts['rounds']} rounds, {facts['size']} size; {versions}"
    )


def _keep(record, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
