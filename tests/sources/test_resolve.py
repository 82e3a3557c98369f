"""The registry of sources: each row names a reader, and matching imports no optional package."""

import inspect
import subprocess
import sys

import pytest

from evenly.sources.resolve import READERS, load

UNREAD = """
import sys
import numpy as np
from evenly.sources.resolve import READERS
for x in (np.ones(2), [1.0], {}, "x.csv", iter(()), object(), ["x.csv"], [np.ones(2)]):
    for reader in READERS:
        reader.matches(x)
packages = "pandas polars pyarrow torch PIL zarr h5py xarray duckdb datasets dask fsspec".split()
readers = "datasets files.source files.formats"
loaded = [name for name in packages if name in sys.modules]
loaded += [name for name in readers.split() if f"evenly.sources.{name}" in sys.modules]
print(loaded)
"""


@pytest.mark.parametrize("name", sorted({reader.open for reader in READERS}))
def test_each_row_names_a_function_that_opens_a_source(name: str) -> None:
    assert len(inspect.signature(load(name)).parameters) == 3


def test_matching_imports_no_reader_and_no_optional_package() -> None:
    run = subprocess.run([sys.executable, "-c", UNREAD], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
