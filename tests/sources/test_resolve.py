"""The registry of sources: each row names a reader, and matching imports no optional package."""

import inspect
import subprocess
import sys

import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest
import torch
import xarray

import evenly
from evenly import UnsupportedTypeError
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


def groups_and_windows() -> list[object]:
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [1, 1]}, index=pd.date_range("2026", periods=2))
    columns = polars.from_pandas(frame)
    labeled = xarray.DataArray([1.0, 2.0], dims="t", coords={"t": [0, 0]}, name="a")
    return [
        frame.groupby("b"),
        frame.groupby("b")["a"],
        frame.rolling(2),
        frame.expanding(),
        frame.ewm(com=1),
        frame.resample("2D"),
        columns.group_by("b"),
        columns.lazy().group_by("b"),
        columns.rolling("b", period="2i"),
        pyarrow.table(columns).group_by("b"),
        labeled.groupby("t"),
        labeled.rolling(t=2),
        labeled.coarsen(t=2),
    ]


@pytest.mark.parametrize("x", groups_and_windows(), ids=lambda x: type(x).__name__)
def test_groups_and_windows_of_rows_are_refused(x: object) -> None:
    with pytest.raises(UnsupportedTypeError, match=r"without groups or windows.*by=\['column'\]"):
        evenly.fit(x)


@pytest.mark.parametrize("x", [dict, pd.DataFrame, torch.Tensor, np.ndarray])
def test_classes_are_refused(x: type) -> None:
    with pytest.raises(UnsupportedTypeError, match=f"Received: the class .*{x.__name__}. Pass an"):
        evenly.fit(x)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
@pytest.mark.parametrize("layout", [torch.strided, torch.jagged], ids=str)
def test_nested_tensors_in_a_list_are_refused_with_the_way_out(layout: torch.layout) -> None:
    parts = [torch.ones(2, 3), torch.zeros(4, 3)]
    nested = torch.nested.nested_tensor(parts, layout=layout)
    for source in ([nested], [nested, nested], iter([nested]), [(nested, nested)]):
        with pytest.raises(UnsupportedTypeError, match=r"nested. Pass its tensors.*x.unbind\(\)"):
            evenly.fit(source)
    assert evenly.fit(nested.unbind()).rows == 6


@pytest.mark.parametrize("x", [None, dict, iter([1.0]), object()])
def test_normalize_names_the_type_of_what_holds_no_numbers(x: object) -> None:
    moments = evenly.fit([[1.0], [2.0]])
    message = f"Numbers must be in an array.*Received: x of type {type(x).__name__}.$"
    for scale in (moments.normalize, moments.denormalize):
        with pytest.raises(UnsupportedTypeError, match=message):
            scale(x)
