"""A Parquet file's statistics: how near to decoding it? Does memory grow with it?"""

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import table
from benchmarks.compare import entries, errors_of, kernel, runtime
from benchmarks.peak import peak_of
from benchmarks.peers import evenly, installed, pyarrow
from benchmarks.race import Entry, race, warm_up
from benchmarks.workloads import ParquetFile, parquet_files

TITLE = "Fit a Parquet file"
DECODING = "row groups", "batches", "dataset"
PEERS = "polars", "duckdb"


def cases(size):
    return [asdict(work) for work in parquet_files(size)] if installed("pyarrow") else []


def run(rows, columns, group_rows, threads, rounds):
    work = ParquetFile(rows, columns, group_rows)
    with TemporaryDirectory() as folder:
        path = Path(folder, "rows.parquet")
        work.make(path)
        racers = ours(path, threads) + list(entries(PEERS, "fit_parquet", (path, threads)))
        errors = errors_of(warm_up(racers))
        record = {"seconds": race(racers, rounds), "errors": errors}
        record |= {"kernel": kernel(), "runtime": runtime()}
        peak = peak_of(path)
        size = path.stat().st_size
    return {
        "label": work.label,
        "nbytes": work.nbytes,
        "races": [record],
        "peak": peak,
        "file": size,
    }


def ours(path, threads):
    return [
        Entry("row groups", pyarrow.fit_parquet(path, threads)),
        Entry("batches", pyarrow.fit_parquet_by_batches(path, threads)),
        Entry("dataset", pyarrow.fit_parquet_by_dataset(path, threads)),
        Entry("evenly", evenly.fit_parquet(path, threads)),
        Entry("unchecked", evenly.fit_parquet_unchecked(path, threads)),
    ]


def show(records):
    columns = ["", "GB", "file GB", *(f"pyarrow: {way}" for way in DECODING), "evenly"]
    columns += [
        "/ quickest",
        "/ unchecked",
        *(f"× {peer}" for peer in PEERS),
        "peak MB",
        "fit's MB",
    ]
    note = (
        "GB/s in memory terms; pyarrow only decodes; / quickest: evenly's speed in its quickest's; "
        "/ unchecked: the same in that of evenly without validation of Arrow data; "
        "peak: the most that a fresh process held; fit's: what the fit added to the imports' peak."
    )
    return [table.plain(TITLE, columns, [_row(record) for record in records], note)]


def _row(record):
    times = table.seconds(record)
    nbytes = record["nbytes"]
    quickest = min(times[way] for way in DECODING)
    before, after = record["peak"]
    cells = [f"{nbytes / times[name] / 1e9:.2f}" for name in (*DECODING, "evenly")]
    ratios = [f"{times[p] / times['evenly']:.1f}" if p in times else table.MISSING for p in PEERS]
    row = [record["label"], f"{nbytes / 1e9:.2f}", f"{record['file'] / 1e9:.2f}", *cells]
    row += [f"{quickest / times['evenly']:.2f}", f"{times['unchecked'] / times['evenly']:.3f}"]
    row += ratios
    return [*row, f"{after / 1e6:.0f}", f"{(after - before) / 1e6:.0f}"]
