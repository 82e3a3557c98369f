"""Turn records into tables. Nothing is measured here."""

from statistics import median

from rich.box import MARKDOWN
from rich.console import Group
from rich.table import Table

MISSING = "–"


def plain(title: str, columns: list[str], rows: list[list[str]], note: str = "") -> Group:
    """Return a table with text in the first column and numbers in the others."""
    table = Table(title=title, title_justify="left", box=MARKDOWN)
    for i, name in enumerate(columns):
        table.add_column(name, justify="right" if i else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return Group(table, note, "") if note else Group(table, "")


def speeds(title, records, limit, peers, more=()):
    """Return a table with one workload per row: evenly, the limit, and the ratio to each peer."""
    columns = ["", "GB", f"{limit} 1", limit, "evenly 1", "evenly", "threads ×"]
    columns += [f"/ {limit}", f"/ {limit} 1", *more, *(f"× {peer}" for peer in peers)]
    rows = [_speed_row(record, limit, peers, more) for record in records]
    runtimes = {timing["runtime"] for record in records for timing in record.get("timings", ())}
    note = (
        "GB/s of the input; 1: one thread; threads ×: all threads relative to one; × peer: speed "
        f"relative to it, timed together. evenly's threads: {', '.join(sorted(runtimes))}."
    )
    return plain(title, columns, rows, note)


def _speed_row(record, limit, peers, more):
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
    row += [speed(name) if name in times else MISSING for name in more]
    return row + [_ratio(record, peer) for peer in peers]


def seconds(record, index=0):
    """Return the median seconds of every system in one of a record's timings."""
    return medians(record["timings"][index])


def medians(timing):
    """Return the median seconds of every system."""
    return {name: median(times) for name, times in timing["seconds"].items()}


def seconds_per_call(timing):
    """Return the median seconds of every system for one call, where several were timed as one."""
    return {name: time / timing["calls"] for name, time in medians(timing).items()}


def ratios(times, peers, ours="evenly"):
    """Return the speed relative to each peer."""
    return [f"{times[peer] / times[ours]:.1f}" if peer in times else MISSING for peer in peers]


def _ratio(record, peer):
    """Return the speed relative to a peer, from the timing that contains it."""
    for timing in record["timings"]:
        times = medians(timing)
        if peer in times:
            return f"{times[peer] / times['evenly']:.1f}"
    return MISSING


def errors(records, peers):
    """Return a table with one workload per row: the error of each peer's means."""
    rows = []
    for record in records:
        found = {}
        for timing in record.get("timings", ()):
            found |= timing["errors"]
        cells = [f"{found[peer][0]:.0e}" if peer in found else MISSING for peer in peers]
        rows.append([record.get("label", "failed"), *cells])
    note = "Largest error of the mean, in standard deviations of its column."
    return plain("", ["", *peers], rows, note)
