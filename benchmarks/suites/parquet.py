"""Fit a Parquet file, compared with decoding it; and the peak memory by file size."""

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import table
from benchmarks.compare import errors_of, kernel, peer_candidates, runtime
from benchmarks.peak_memory import peak_of
from benchmarks.peers import evenly, installed, pyarrow
from benchmarks.timing import Candidate, time_interleaved, warm_up
from benchmarks.workloads import ParquetFile, parquet_files

TITLE = "Fit a Parquet file"
DECODING = "row groups", "batches", "dataset"
PEERS = "polars", "duckdb"


def cases(size):
    return [asdict(file) for file in parquet_files(size)] if installed("pyarrow") else []


def run(rows, columns, group_rows, threads, rounds):
    workload = ParquetFile(rows, columns, group_rows)
    with TemporaryDirectory() as folder:
        path = Path(folder, "rows.parquet")
        workload.make(path)
        candidates = own(path, threads)
        candidates += peer_candidates(PEERS, "fit_parquet", (path, threads))
        errors = errors_of(warm_up(candidates))
        timing = {"seconds": time_interleaved(candidates, rounds), "errors": errors}
        timing |= {"kernel": kernel(), "runtime": runtime()}
        peak = peak_of(path)
        size = path.stat().st_size
    return {
        "label": workload.label,
        "nbytes": workload.nbytes,
        "timings": [timing],
        "peak": peak,
        "file": size,
    }


def own(path, threads):
    return [
        Candidate("row groups", pyarrow.fit_parquet(path, threads)),
        Candidate("batches", pyarrow.fit_parquet_by_batches(path, threads)),
        Candidate("dataset", pyarrow.fit_parquet_by_dataset(path, threads)),
        Candidate("evenly", evenly.fit_parquet(path, threads)),
        Candidate("unchecked", evenly.fit_parquet_unchecked(path, threads)),
    ]


def show(records):
    columns = ["", "GB", "file GB", *(f"pyarrow: {way}" for way in DECODING), "evenly"]
    columns += [
        "/ fastest",
        "/ unchecked",
        *(f"× {peer}" for peer in PEERS),
        "peak MB",
        "fit MB",
    ]
    note = (
        "GB/s of the decoded values; pyarrow only decodes; / fastest: evenly's speed relative to "
        "the fastest of pyarrow's; / unchecked: relative to evenly without validation of Arrow "
        "data; peak: peak memory of a new process; fit: its growth by the fit, after the imports."
    )
    return [table.plain(TITLE, columns, [_row(record) for record in records], note)]


def _row(record):
    times = table.seconds(record)
    nbytes = record["nbytes"]
    fastest = min(times[way] for way in DECODING)
    before, after = record["peak"]
    cells = [f"{nbytes / times[name] / 1e9:.2f}" for name in (*DECODING, "evenly")]
    row = [record["label"], f"{nbytes / 1e9:.2f}", f"{record['file'] / 1e9:.2f}", *cells]
    row += [f"{fastest / times['evenly']:.2f}", f"{times['unchecked'] / times['evenly']:.3f}"]
    row += table.ratios(times, PEERS)
    return [*row, f"{after / 1e6:.0f}", f"{(after - before) / 1e6:.0f}"]
