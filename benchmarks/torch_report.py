"""Tables of layers against torch's: one for each pass, and a summary with the targets."""

from statistics import geometric_mean, median

from benchmarks import table
from benchmarks.layer_passes import COPIES, EXTRA_COPIES, PASSES, TENSORS

TARGETS = {"training forward": 2.5, "forward+backward": 3.0}
"""The speed relative to torch's layer, as the geometric mean of all cases. No case may be slower
than torch's layer."""
TARGET_VS_COPY = 1.3
TOLERANCE = {"float32": 1e-4, "bfloat16": 2**-6}
"""The largest allowed difference from torch's answer, relative to the largest value. torch sums
in float32, and bfloat16 values may be rounded in either direction."""

STEADY = 1.5
"""The largest ratio of a system's median to its minimum. A larger one shows that another process
was using the cores."""


def tables(title, records):
    """Return the table of every pass, and the summary."""
    return [_pass(title, name, records) for name in PASSES] + [_summary(title, records)]


def _pass(title, pass_name, records):
    columns = ["", "layout", "dtype", "torch µs", "evenly µs", "× torch", "/ copies"]
    columns += ["× compiled", "× torch, exact", "difference"]
    runtimes = ", ".join(sorted({record["runtime"] for record in records}))
    note = (
        "× torch, × compiled: speed relative to it; exact: with exact=True, on accelerators. "
        "/ copies: evenly's time relative to copying "
        f"the batch {COPIES[pass_name]}×, by torch, into allocated memory. difference: the largest "
        "difference from torch's output, gradients and running statistics, relative to each "
        f"tensor's largest value. evenly's threads: {runtimes}."
    )
    rows = [_row(pass_name, record) for record in records]
    return table.plain(f"{title}: {pass_name}", columns, rows, note)


def _row(pass_name, record):
    seconds = _seconds(pass_name, record)
    row = [record["label"], record["layout"], record["dtype"]]
    row += [f"{seconds[name] * 1e6:,.0f}" for name in ("torch", "evenly")]
    row += [f"{ratio:.2f}" for ratio in (vs_torch(pass_name, record), vs_copy(pass_name, record))]
    compiled = vs_compiled(pass_name, record)
    row += [f"{compiled:.2f}" if compiled else table.MISSING]
    exact = seconds.get("evenly, exact")
    row += [f"{seconds['torch'] / exact:.2f}" if exact else table.MISSING]
    return [*row, f"{_difference(pass_name, record):.0e}"]


def _summary(title, records):
    columns = ["geometric means", "× torch", "target", "minimum", "upper bound"]
    columns += ["/ copies", "target", "× compiled"]
    rows = [_means(name, records) for name in PASSES]
    sizes = ", ".join(f"{name} {number}" for name, number in TENSORS.items())
    note = (
        "minimum: × torch of the slowest case. upper bound: × torch of a layer that takes the time "
        "of an identity layer and of the copies (more copies where the second-level cache cannot "
        "hold what is read twice). / copies: of the cases whose tensors of the batch's size "
        f"({sizes}) fill the largest cache, {max(r['cache'] for r in records) >> 20} MiB.\n"
        f"Slower than torch:{_list_cases(records, _slower)}\n"
        f"Answers that differ from torch's:{_list_cases(records, _inaccurate)}\n"
        f"Unsteady, with a median over {STEADY} times the minimum:"
        f"{_list_cases(records, _unsteady)}"
    )
    return table.plain(f"{title}: all cases", columns, rows, note)


def _means(pass_name, records):
    ratios = [vs_torch(pass_name, record) for record in records]
    large = [r for r in records if 0 < r["cache"] <= r["nbytes"] * TENSORS[pass_name]]
    compiled = filter(None, (vs_compiled(pass_name, record) for record in records))
    target = f"{TARGETS[pass_name]:.1f}" if pass_name in TARGETS else table.MISSING
    row = [pass_name, _mean(ratios), target, f"{min(ratios):.2f}"]
    return [
        *row,
        _mean([upper_bound(pass_name, record) for record in records]),
        _mean([vs_copy(pass_name, record) for record in large]),
        f"{TARGET_VS_COPY:.1f}",
        _mean(list(compiled)),
    ]


def vs_torch(pass_name, record):
    """Return evenly's speed relative to torch's layer."""
    seconds = _seconds(pass_name, record)
    return seconds["torch"] / seconds["evenly"]


def upper_bound(pass_name, record):
    """Return the speed, relative to torch's layer, of a layer that only moves the bytes."""
    seconds = _seconds(pass_name, record)
    reads = 2 if pass_name == "forward+backward" else 1
    is_cached = record["channel_bytes"] * reads <= (record["core_cache"] or float("inf"))
    copies = 1 if is_cached else 1 + EXTRA_COPIES[pass_name] / COPIES[pass_name]
    return seconds["torch"] / (seconds["identity"] + copies * seconds["copies"])


def vs_compiled(pass_name, record):
    """Return evenly's speed relative to torch's compiled layer, or None if it was not compiled."""
    if len(record["passes"][pass_name]) == 1:
        return None
    seconds = _seconds(pass_name, record, 1)
    return seconds["compiled"] / seconds["evenly"]


def vs_copy(pass_name, record):
    """Return evenly's time relative to that of the copies."""
    seconds = _seconds(pass_name, record)
    return seconds["evenly"] / seconds["copies"]


def _seconds(pass_name, record, index=0):
    """Return each system's median seconds for one call."""
    return table.seconds_per_call(record["passes"][pass_name][index])


def _difference(pass_name, record):
    return max(record["passes"][pass_name][0]["differences"].values())


def _list_cases(records, describe):
    """List the cases for which ``describe`` returns a text."""
    cases = (
        f"{name} of {record['label']} {record['layout']} {record['dtype']} ({text})"
        for name in PASSES
        for record in records
        if (text := describe(name, record))
    )
    return "".join(f"\n- {case}" for case in cases) or " none"


def _slower(pass_name, record):
    ratio = vs_torch(pass_name, record)
    return f"{ratio:.2f}×" if ratio < 1 else ""


def _inaccurate(pass_name, record):
    difference = _difference(pass_name, record)
    return f"{difference:.0e}" if difference > TOLERANCE[record["dtype"]] else ""


def _unsteady(pass_name, record):
    seconds = record["passes"][pass_name][0]["seconds"].values()
    ratio = max(median(times) / min(times) for times in seconds)
    return f"{ratio:.1f}×" if ratio > STEADY else ""


def _mean(values):
    return f"{geometric_mean(values):.2f}" if values else table.MISSING
