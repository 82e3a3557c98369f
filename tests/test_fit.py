"""`evenly.fit`: from sources to moments, progress, and failures."""

import os
import subprocess
import sys
import threading

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch

import evenly
from evenly.errors import SourceError
from evenly.progress import Progress


def test_fit_records_sources(tmp_path):
    (tmp_path / "x.csv").write_text("x\n1\n")
    assert evenly.fit(tmp_path / "x.csv").sources == (f"{tmp_path}/x.csv",)
    assert evenly.fit(pa.table({"x": [1.0]})).sources == ("a Table",)
    assert evenly.fit(np.ones((2, 3))).sources == ("the array of shape (2, 3)",)
    assert evenly.fit(iter([np.ones((2, 1))])).sources == ("a list_iterator",)


def test_progress_is_reported_after_each_block():
    seen = []
    evenly.fit([np.ones((4, 1)), np.ones((6, 1))], progress=seen.append)
    assert seen == [
        Progress(4, None, 32, None, "batch 0"),
        Progress(10, None, 80, None, "batch 1"),
    ]


def test_exception_in_progress_propagates():
    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evenly.fit(np.ones((3, 1)), progress=stop)


@pytest.mark.parametrize("threads", [1, 2, 3, 16])
def test_threads_do_not_change_bits(threads):
    x = np.random.default_rng(1).normal(1e9, 1.0, (10_000, 7))
    assert evenly.fit(x, threads=threads) == evenly.fit(x)


@pytest.mark.parametrize("threads", [0, -1])
def test_threads_must_be_positive(threads):
    with pytest.raises(evenly.DataError, match=f"threads must be 1 or more. Received: {threads}"):
        evenly.fit(np.ones(3), threads=threads)


def test_invalid_infinite_option_raises():
    with pytest.raises(evenly.DataError, match="infinite must be 'error' or 'missing'"):
        evenly.fit(np.ones(3), infinite="ignore")


def test_infinity_error_advises_option():
    with pytest.raises(evenly.DataError) as caught:
        evenly.fit(pa.table({"dep_delay": [0.0, np.inf]}))
    assert str(caught.value) == (
        "Every value must be finite. Received: infinity in column 'dep_delay', row 1 of the table. "
        'Correct it, or pass infinite="missing" to count infinities as missing.'
    )


def test_no_rows_raise():
    with pytest.raises(evenly.DataError) as caught:
        evenly.fit(pa.table({"x": pa.array([], pa.float64())}))
    assert str(caught.value) == "At least one row is needed. Received: a Table, with none."


def test_no_numeric_column_raises():
    with pytest.raises(evenly.DataError) as caught:
        evenly.fit(pa.table({"t": ["a"]}))
    assert str(caught.value) == (
        "At least one numeric column must be left to fit. Received: the table with 't' (text). "
        "Times are fitted when named: columns=[...]."
    )


def test_columns_without_values_raise():
    with pytest.raises(evenly.DataError, match="whose columns hold no numbers"):
        evenly.fit(pa.table({"n": pa.nulls(3)}))


def test_failed_fit_stops_reading(tmp_path):
    """Also while the exception is referenced, and with it the frames of the fit."""
    table = pa.table({"x": np.full(1_000_000, np.inf)})
    pa.parquet.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(evenly.DataError) as caught:
        evenly.fit(tmp_path / "x.parquet")
    assert caught.value.__traceback__ is not None
    assert "evenly" not in [thread.name for thread in threading.enumerate()]


def test_fit_in_forked_process(tmp_path):
    """PyTorch's data loaders fork; prefetching must not hang in the child."""
    table = pa.table({"x": np.arange(1000.0)})
    pa.parquet.write_table(table, tmp_path / "x.parquet")
    code = (
        "import os, sys, evenly; path = sys.argv[1]; expected = evenly.fit(path); pid = os.fork()\n"
        "if pid == 0: os._exit(0 if evenly.fit(path) == expected else 1)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    arguments = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "x.parquet")]
    assert subprocess.run(arguments, check=False).returncode == 0


def test_fit_imports_only_needed_modules():
    code = (
        "import sys, numpy, evenly; evenly.fit(numpy.ones((3, 2)))\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'pyarrow', 'pandas', "
        "'torch', 'polars', 'fsspec', 'duckdb', 'sklearn', 'rich', 'click'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_fit_tensor_that_requires_grad():
    model = torch.nn.Linear(3, 2)
    assert evenly.fit(model(torch.ones(4, 3))).rows == 4


def test_file_truncated_while_reading_raises(tmp_path):
    """Regression: it was fitted without the missing rows."""
    path = tmp_path / "x.csv"
    path.write_text("x\n" + "1\n" * 10_000_000)

    def cut(_):
        with path.open("r+b") as file:
            file.truncate(100)

    with pytest.raises(SourceError, match=r"must not change while it is read.*x\.csv"):
        evenly.fit(path, progress=cut)
