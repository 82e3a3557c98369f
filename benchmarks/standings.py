"""Records of races against torch's layers -> a table a pass, and what was wanted of all."""

from statistics import geometric_mean, median

from benchmarks import table
from benchmarks.passes import AGAIN, COPIES, PASSES, TENSORS

WANTED = {"training forward": 2.5, "forward+backward": 3.0}
"""Times as fast as torch's layer, as the geometric mean of all cases; never slower at any."""
WANTED_OF_COPIES = 1.3
TOLERANCE = {"float32": 1e-4, "bfloat16": 2**-6}
"""Of an answer's largest value: torch sums in float32; a bfloat16 rounds up or down."""

STEADY = 1.5
"""Of a system's least time, its median at most: else something else had the cores."""


def tables(title, records):
    """Every pass's table, and the summary."""
    return [_pass(title, which, records) for which in PASSES] + [_summary(title, records)]


def _pass(title, which, records):
    columns = ["", "layout", "dtype", "torch µs", "evenly µs", "× torch", "/ copies"]
    columns += ["× compiled", "differs"]
    runtimes = ", ".join(sorted({record["runtime"] for record in records}))
    note = (
        "× torch, × compiled: times as fast. / copies: evenly's time over that of copying "
        f"the batch {COPIES[which]}×, by torch, into memory that is there. differs: the largest "
        "difference from torch's output, gradients and running statistics, of each tensor's "
        f"largest value. evenly's threads: {runtimes}."
    )
    rows = [_row(which, record) for record in records]
    return table.plain(f"{title}: {which}", columns, rows, note)


def _row(which, record):
    took = _seconds(which, record)
    row = [record["label"], record["layout"], record["dtype"]]
    row += [f"{took[name] * 1e6:,.0f}" for name in ("torch", "evenly")]
    row += [f"{value:.2f}" for value in (times_torch(which, record), of_copies(which, record))]
    compiled = times_compiled(which, record)
    row += [f"{compiled:.2f}" if compiled else table.MISSING]
    return [*row, f"{_differs(which, record):.0e}"]


def _summary(title, records):
    columns = ["geometric means", "× torch", "wanted", "least", "at most"]
    columns += ["/ copies", "wanted", "× compiled"]
    rows = [_means(which, records) for which in PASSES]
    sizes = ", ".join(f"{which} {number}" for which, number in TENSORS.items())
    note = (
        "least: × torch where it is least. at most: of a layer that computes nothing, and takes "
        "the time of one that gives its input back, and of the copies (more of them where the "
        "second cache cannot keep what is read twice). / copies: of the cases whose tensors of the "
        f"batch's size ({sizes}) fill the largest cache, "
        f"{max(r['cache'] for r in records) >> 20} MiB.\n"
        f"Slower than torch:{_named(records, _slower)}\n"
        f"Answers that differ from torch's:{_named(records, _off)}\n"
        f"Unsteady, some median more than {STEADY} times the least:{_named(records, _unsteady)}"
    )
    return table.plain(f"{title}: all cases", columns, rows, note)


def _means(which, records):
    ratios = [times_torch(which, record) for record in records]
    large = [r for r in records if 0 < r["cache"] <= r["nbytes"] * TENSORS[which]]
    compiled = filter(None, (times_compiled(which, record) for record in records))
    wanted = f"{WANTED[which]:.1f}" if which in WANTED else table.MISSING
    row = [which, _mean(ratios), wanted, f"{min(ratios):.2f}"]
    return [
        *row,
        _mean([at_most(which, record) for record in records]),
        _mean([of_copies(which, record) for record in large]),
        f"{WANTED_OF_COPIES:.1f}",
        _mean(list(compiled)),
    ]


def times_torch(which, record):
    """How many times as fast as torch's layer."""
    took = _seconds(which, record)
    return took["torch"] / took["evenly"]


def at_most(which, record):
    """How many times as fast as torch's layer one would be that computes nothing."""
    took = _seconds(which, record)
    reads = 2 if which == "forward+backward" else 1
    kept = record["strip"] * reads <= (record["core_cache"] or float("inf"))
    copies = 1 if kept else 1 + AGAIN[which] / COPIES[which]
    return took["torch"] / (took["bare"] + copies * took["copies"])


def times_compiled(which, record):
    """The same for torch's layer compiled; None where it was not."""
    races = record["passes"][which]
    if len(races) == 1:
        return None
    took = _seconds(which, record, 1)
    return took["compiled"] / took["evenly"]


def of_copies(which, record):
    """evenly's time over that of the copies."""
    took = _seconds(which, record)
    return took["evenly"] / took["copies"]


def _seconds(which, record, race=0):
    """Each system's median seconds for one call."""
    return table.of_one_call(record["passes"][which][race])


def _differs(which, record):
    return max(record["passes"][which][0]["differences"].values())


def _named(records, what):
    """The cases of which something can be said, in words."""
    said = (
        f"{which} of {record['label']} {record['layout']} {record['dtype']} ({found})"
        for which in PASSES
        for record in records
        if (found := what(which, record))
    )
    return "".join(f"\n- {words}" for words in said) or " none"


def _slower(which, record):
    ratio = times_torch(which, record)
    return f"{ratio:.2f}×" if ratio < 1 else ""


def _off(which, record):
    differs = _differs(which, record)
    return f"{differs:.0e}" if differs > TOLERANCE[record["dtype"]] else ""


def _unsteady(which, record):
    seconds = record["passes"][which][0]["seconds"].values()
    worst = max(median(some) / min(some) for some in seconds)
    return f"{worst:.1f}×" if worst > STEADY else ""


def _mean(values):
    return f"{geometric_mean(values):.2f}" if values else table.MISSING
