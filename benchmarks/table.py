"""Records -> tables. No measuring here."""

from statistics import median

from rich.box import MARKDOWN
from rich.console import Group
from rich.table import Table

MISSING = "–"


def plain(title: str, columns: list[str], rows: list[list[str]], note: str = "") -> Group:
    """A table whose first column is words and whose others are figures."""
    table = Table(title=title, title_justify="left", box=MARKDOWN)
    for i, name in enumerate(columns):
        table.add_column(name, justify="right" if i else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return Group(table, note, "") if note else Group(table, "")


def speeds(title, records, limit, peers, also=()):
    """One workload a row: evenly and the limit in GB/s, and how many times each peer."""
    head = ["GB", f"{limit} 1", limit, "evenly 1", "evenly", "threads ×"]
    head += [f"/ {limit}", f"/ {limit} 1"]
    columns = ["", *head, *also, *(f"× {peer}" for peer in peers)]
    rows = [_speed_row(record, limit, peers, also) for record in records]
    runtimes = {race["runtime"] for record in records for race in record.get("races", ())}
    note = (
        "GB/s of the input; 1: one thread; threads ×: all against one; × peer: times as fast, "
        f"each in one race. evenly's threads: {', '.join(sorted(runtimes))}."
    )
    return plain(title, columns, rows, note)


def _speed_row(record, limit, peers, also):
    if "failed" in record:
        return [record.get("label", "failed"), record["failed"]]
    times = seconds(record)

    def speed(name):
        return f"{record['nbytes'] / times[name] / 1e9:.2f}"

    row = [record["label"], f"{record['nbytes'] / 1e9:.2f}"]
    row += [speed(name) for name in (f"{limit} 1", limit, "evenly 1", "evenly")]
    row += [f"{times['evenly 1'] / times['evenly']:.2f}"]
    row += [f"{times[limit] / times['evenly']:.2f}"]
    row += [f"{times[f'{limit} 1'] / times['evenly 1']:.2f}"]
    row += [speed(name) if name in times else MISSING for name in also]
    return row + [_ratio(record, peer) for peer in peers]


def seconds(record, race=0):
    """The median of every system in a race."""
    return {name: median(times) for name, times in record["races"][race]["seconds"].items()}


def of_one_call(contest):
    """The median seconds of every system, where a measurement was of many calls."""
    return {name: median(some) / contest["calls"] for name, some in contest["seconds"].items()}


def _ratio(record, peer):
    """Times as fast as a peer, by the race in which both ran."""
    for race in range(len(record["races"])):
        times = seconds(record, race)
        if peer in times:
            return f"{times[peer] / times['evenly']:.1f}"
    return MISSING


def errors(records, peers):
    """One workload a row: how far each peer's means are from the exact ones."""
    rows = []
    for record in records:
        found = {}
        for race in record.get("races", ()):
            found |= race["errors"]
        cells = [f"{found[peer][0]:.0e}" if peer in found else MISSING for peer in peers]
        rows.append([record.get("label", "failed"), *cells])
    note = "Largest error of the mean, in standard deviations of its column."
    return plain("", ["", *peers], rows, note)
