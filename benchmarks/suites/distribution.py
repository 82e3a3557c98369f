"""Count the values of columns for quantiles, compared with sketches, sorting and a plain fit."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks import table
from benchmarks.compare import kernel, peer_candidates, runtime
from benchmarks.peers import evenly
from benchmarks.timing import Candidate, time_interleaved, warm_up
from benchmarks.workloads import SEED, ParquetFile

TITLE = "Distributions"
PEERS = "numpy", "polars", "datasketches", "fastdigest"
QUANTILES = (0.01, 0.25, 0.5, 0.75, 0.99)
_ROWS = {"tiny": 5_000, "quick": 500_000, "full": 5_000_000}
_COLUMNS = {
    "normal": lambda rng, rows: rng.normal(size=rows),
    "timestamps": lambda rng, rows: rng.uniform(1.7e9, 1.73e9, rows),
    "lognormal": lambda rng, rows: rng.lognormal(0, 2, rows),
    "codes": lambda rng, rows: rng.integers(0, 256, rows).astype(float),
    "cents": lambda rng, rows: rng.integers(0, 900, rows) / 100,
    "half zero": lambda rng, rows: rng.uniform(1.7e9, 1.73e9, rows) * (rng.random(rows) < 0.5),
    "float32": lambda rng, rows: rng.normal(size=rows).astype(np.float32),
    "uint8": lambda rng, rows: rng.integers(0, 256, rows).astype(np.uint8),
    "8 columns": lambda rng, rows: rng.normal(size=(rows // 8, 8)),
    "Parquet": None,
}


def cases(size):
    return [{"column": column, "rows": _ROWS[size]} for column in _COLUMNS]


def run(column, rows, threads, rounds):
    if column == "Parquet":
        return _run_parquet(rows, threads, rounds)
    x = _COLUMNS[column](np.random.default_rng(SEED), rows).reshape(-1, 8 if "8" in column else 1)
    if x.dtype == np.uint8:
        x = x.reshape(-1, 1)
    ours = [
        Candidate("fit 1", evenly.fit(x, 1)),
        Candidate("distribution 1", evenly.fit_distribution(x, 1)),
        Candidate("distribution", evenly.fit_distribution(x, threads)),
    ]
    peers = list(peer_candidates(PEERS, "fit_quantiles", (x, QUANTILES, threads)))
    answers = warm_up([*ours, *peers])
    record = _record(column, x.size, time_interleaved([*ours, *peers], rounds))
    record["bytes"] = answers["distribution"]._state.nbytes // x.shape[1]
    low, high = answers["distribution"].quantile_bounds(QUANTILES)
    width = (high - low) / answers["distribution"].std()
    record["width"] = float(np.nanmax(width))
    return record


def _run_parquet(rows, threads, rounds):
    workload = ParquetFile(max(1000, rows // 16), 16, 100_000)
    with TemporaryDirectory() as folder:
        path = Path(folder, "rows.parquet")
        workload.make(path)
        ours = [
            Candidate("fit 1", evenly.fit_parquet(path, 1)),
            Candidate("distribution 1", evenly.fit_distribution(path, 1)),
            Candidate("distribution", evenly.fit_distribution(path, threads)),
        ]
        warm_up(ours)
        return _record("Parquet, 16 columns", workload.rows * 16, time_interleaved(ours, rounds))


def _record(label, values, seconds):
    timing = {"seconds": seconds, "kernel": kernel(), "runtime": runtime()}
    return {"label": label, "values": values, "timings": [timing]}


def show(records):
    columns = ["", "fit 1", "distribution 1", "distribution", *(f"× {peer}" for peer in PEERS)]
    columns += ["bytes", "width"]
    note = (
        "ns per value, of a fit without and with a distribution; 1: one thread; × peer: speed of a "
        "fit with all threads relative to the peer's five quantiles of the same values; bytes: "
        "state per column; width: of the widest bounds of these quantiles, in standard deviations."
    )
    return [table.plain(TITLE, columns, [_row(record) for record in records], note)]


def _row(record):
    if "failed" in record:
        return [record.get("column", "failed"), record["failed"]]
    times = table.seconds(record)
    names = "fit 1", "distribution 1", "distribution"
    cells = [f"{times[name] / record['values'] * 1e9:.2f}" for name in names]
    ratios = table.ratios(times, PEERS, "distribution")
    size = f"{record['bytes']:,}" if "bytes" in record else table.MISSING
    width = f"{record['width']:.3f}" if "width" in record else table.MISSING
    return [record["label"], *cells, *ratios, size, width]
