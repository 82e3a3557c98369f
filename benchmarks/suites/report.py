"""Write and open the report of many columns, and compare two halves of much data."""

import shutil
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks import table

TITLE = "The report, and two halves of one data set"
PAGES = {"full": (2_000, 1_000_000), "quick": (2_000, 20_000), "tiny": (20, 1_000)}
HALVES = {"full": (1_000, 100_000, 1_000_000), "quick": (1_000, 100_000), "tiny": (1_000,)}
SEEDS = {"full": 100, "quick": 20, "tiny": 2}
BLOCK, DRAWN = 10_000, 5
"""Rows of a block; blocks that are drawn, and then repeated: drawing takes longer than fitting."""
LAWS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "lognormal": lambda rng, n: np.exp(2 * rng.normal(size=n)),
    "Pareto": lambda rng, n: rng.pareto(1.2, size=n),
}
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def cases(size):
    columns, rows = PAGES[size]
    return [
        {"question": "page", "columns": columns, "rows": rows},
        *(
            {"question": "halves", "law": law, "rows": rows, "seeds": SEEDS[size]}
            for law in LAWS
            for rows in HALVES[size]
        ),
    ]


def run(question, threads, rounds, **case):
    return {"page": page, "halves": halves}[question](rounds=rounds, **case)


def page(columns, rows, rounds):
    """Return the size of a report, the time to write it, and that to open it in Chromium."""
    moments = fit_columns(columns, rows)
    start = time.perf_counter()
    text = moments.to_html("wide.json")
    written = time.perf_counter() - start
    opened = open_page(text, rounds) if CHROMIUM and find_spec("playwright") else []
    return {"bytes": len(text.encode()), "written": written, "opened": opened}


def fit_columns(columns, rows):
    """Fit columns of several shapes and scales, block by block."""
    from evenly import Moments

    rng = np.random.default_rng(0)
    scale = 10.0 ** rng.uniform(-3, 3, columns)
    moments = Moments.empty([f"sensor_{i:04}" for i in range(columns)], distribution=True)
    block = min(BLOCK, rows)
    blocks = [rng.standard_normal((block, columns)) * scale for _ in range(DRAWN)]
    for x in blocks:
        x[:, ::7] = np.exp(x[:, ::7] / scale[::7])
    for start in range(0, rows, block):
        moments.update(blocks[start // block % DRAWN])
    return moments


def open_page(text, rounds):
    """Return the seconds until the page can be used, with a new tab for each round."""
    from playwright.sync_api import sync_playwright

    seconds = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "report.html"
        path.write_text(text, encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for _ in range(rounds):
            tab = browser.new_page()
            start = time.perf_counter()
            tab.goto(path.as_uri())
            tab.wait_for_selector("input[type=search]")
            tab.evaluate("new Promise(done => requestAnimationFrame(() => done()))")
            seconds.append(time.perf_counter() - start)
            tab.close()
        browser.close()
    return seconds


def halves(law, rows, seeds, rounds):
    """Return how many of the comparisons of two halves are over the limit, and their times."""
    import evenly

    over, seconds = 0, []
    for seed in range(seeds):
        x = LAWS[law](np.random.default_rng(seed), rows)[:, None]
        parts = [evenly.fit(half, distribution=True) for half in np.array_split(x, 2)]
        start = time.perf_counter()
        over += bool(evenly.compare(*parts).over)
        seconds.append(time.perf_counter() - start)
    return {"over": over, "seconds": seconds}


def show(records):
    pages = [record for record in records if record["question"] == "page"]
    compared = [record for record in records if record["question"] == "halves"]
    rows = [
        [
            f"{record['columns']:,}",
            f"{record['rows']:,}",
            f"{record['bytes'] / 1e6:.2f}",
            f"{record['written']:.2f}",
            f"{median(record['opened']):.2f}" if record["opened"] else "-",
        ]
        for record in pages
    ]
    headings = ["columns", "rows", "MB", "s to write", "s to open"]
    note = "Opened in headless Chromium, until it can be searched: the median of the rounds."
    tables = [table.plain(TITLE, headings, rows, note)] if pages else []
    if compared:
        rows = [
            [
                record["law"],
                f"{record['rows']:,}",
                f"{record['over']} of {record['seeds']}",
                f"{median(record['seconds']) * 1e3:.1f}",
            ]
            for record in compared
        ]
        headings = ["law", "rows", "over the limit of 0.1", "ms to compare"]
        tables.append(table.plain("Two halves of one data set", headings, rows, "With histograms."))
    return tables
