"""Normalize and fit frames of pandas, polars and PyArrow, compared with scikit-learn."""

from importlib.util import find_spec

import numpy as np

from benchmarks import table
from benchmarks.compare import runtime
from benchmarks.timing import Candidate, repeated, time_interleaved, warm_up

TITLE = "Frames"
LIBRARIES = ("pandas", "polars", "pyarrow")
SHAPES = {
    "full": ((1, 4), (1, 20), (1, 200), (1, 2_000), (10_000, 2_000), (1_000_000, 20)),
    "quick": ((1, 20), (1, 2_000), (1_000, 2_000)),
    "tiny": ((1, 4),),
}
FITTED = {"full": (300, 2_000), "quick": (300, 2_000), "tiny": (3, 4)}
VALUES_TIMED = {"full": 20_000, "quick": 20_000, "tiny": 1}
"""Short calls are repeated until they have read about this many values."""


def cases(size):
    shapes = [("normalize", *shape) for shape in SHAPES[size]] + [("fit", *FITTED[size])]
    return [
        {
            "operation": operation,
            "library": library,
            "rows": rows,
            "columns": columns,
            "values_timed": VALUES_TIMED[size],
        }
        for library in LIBRARIES
        for operation, rows, columns in shapes
    ]


def run(operation, library, rows, columns, values_timed, threads, rounds):
    make = make_normalizers if operation == "normalize" else make_fits
    candidates = make(library, rows, columns)
    results = warm_up(candidates)
    if operation == "normalize":
        first, *others = map(to_array, results.values())
        for other in others:
            np.testing.assert_allclose(other, first, rtol=1e-9, atol=1e-12)
    calls = max(1, values_timed // (rows * columns * 10))
    seconds = time_interleaved([repeated(candidate, calls) for candidate in candidates], rounds)
    return {"timings": [{"calls": calls, "seconds": seconds}], "runtime": runtime()}


def make_frame(library, rows, columns):
    """Return a frame of float64 columns that each lie together in memory."""
    names = [f"x{index}" for index in range(columns)]
    values = np.random.default_rng(0).normal(size=(columns, rows))
    if library == "pandas":
        import pandas

        return pandas.DataFrame(values.T, columns=names)
    if library == "polars":
        import polars

        return polars.DataFrame(dict(zip(names, values, strict=True)))
    import pyarrow

    return pyarrow.table(dict(zip(names, values, strict=True)))


def make_normalizers(library, rows, columns):
    """Return what normalizes a frame, fitted on a hundred rows.

    scikit-learn returns an array unless it is told to return a frame; it has no PyArrow tables.
    """
    import evenly

    x, fitted = make_frame(library, rows, columns), make_frame(library, 100, columns)
    moments = evenly.fit(fitted)
    candidates = [Candidate("evenly", lambda: moments.normalize(x))]
    if find_spec("sklearn"):
        from sklearn.preprocessing import StandardScaler

        to_array = StandardScaler().fit(fitted)
        candidates.append(Candidate("scikit-learn, to an array", lambda: to_array.transform(x)))
        if library != "pyarrow":
            to_frame = StandardScaler().set_output(transform=library).fit(fitted)
            candidates.append(Candidate("scikit-learn, to a frame", lambda: to_frame.transform(x)))
    return candidates


def make_fits(library, rows, columns):
    """Return what fits a frame."""
    import evenly

    x = make_frame(library, rows, columns)
    candidates = [Candidate("evenly", lambda: evenly.fit(x))]
    if find_spec("sklearn"):
        from sklearn.preprocessing import StandardScaler

        candidates.append(Candidate("scikit-learn, to an array", lambda: StandardScaler().fit(x)))
    return candidates


def to_array(x):
    if hasattr(x, "to_numpy"):
        return np.asarray(x.to_numpy())
    return np.asarray(x)


def show(records):
    names = ["evenly", "scikit-learn, to an array", "scikit-learn, to a frame"]
    rows = [_row(record, names) for record in records]
    note = "Milliseconds per call, medians. scikit-learn has no PyArrow tables to return."
    return [table.plain(TITLE, ["", "", "shape", *names], rows, note)]


def _row(record, names):
    times = table.seconds_per_call(record["timings"][0])
    shape = f"{record['rows']:,}×{record['columns']:,}"
    cells = [f"{times[name] * 1e3:.3g}" if name in times else table.MISSING for name in names]
    return [record["operation"], record["library"], shape, *cells]
