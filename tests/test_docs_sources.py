"""Run every line of code in the table of sources in the docs."""

import os
import sqlite3
from pathlib import Path

import datasets
import duckdb
import h5py
import numpy as np
import pandas as pd
import PIL.Image
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.feather
import pyarrow.parquet
import pytest
import scipy.sparse
import torch
import xarray
import zarr
from torch.utils.data import DataLoader, TensorDataset

import evenly

PAGE = Path(__file__).parents[1] / "docs" / "sources.md"


def lines():
    """Return the second cell of each row of the first table."""
    table = PAGE.read_text(encoding="utf-8").partition("|---|---|---|\n")[2].partition("\n\n")[0]
    return [row.split(" | ")[1].strip("`") for row in table.splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Create a folder with a file of each format that the page mentions."""
    folder = tmp_path_factory.mktemp("sources")
    table = pa.table({"a": [1.0, 2.0], "b": [3, 4]})
    pa.parquet.write_table(table, folder / "x.parquet")
    vectors = pa.table({"state": pa.array([[1.0, 2.0], [3.0, 4.0]])})
    pa.parquet.write_table(vectors, folder / "v.parquet")
    pa.feather.write_feather(table, str(folder / "x.arrow"))
    for name in ("x.csv", "part-1.csv", "x.csv.gz"):
        with pa.output_stream(str(folder / name)) as stream:  # compressed, if its name says so
            pa.csv.write_csv(table, stream)
    x = np.ones((4, 3))
    np.save(folder / "x.npy", x)
    np.savez(folder / "x.npz", x=x, y=x)
    group = zarr.open_group(folder / "x.zarr", mode="w")
    with h5py.File(folder / "x.h5", "w") as file:
        for name in ("group/x", "t", "u"):
            group.create_array(name, data=x)
            file[name] = x
    for year in (2020, 2021):
        (folder / f"hive/year={year}").mkdir(parents=True)
        pa.parquet.write_table(table, folder / f"hive/year={year}/x.parquet")
    with duckdb.connect(str(folder / "x.db")) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1.5::DOUBLE AS a")
    with sqlite3.connect(folder / "x.sqlite") as connection:
        connection.execute("CREATE TABLE t AS SELECT 1.5 AS a")
    connection.close()
    return folder


@pytest.mark.parametrize("line", lines())
def test_line_of_table_runs(line, folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert line.startswith("evenly.fit(")
    partners = (datasets, duckdb, h5py, os, pd, pl, pyarrow, torch, xarray, zarr)
    names = {module.__name__: module for module in partners}
    names |= {"scipy": scipy, "np": np, "pa": pa, "pd": pd, "pl": pl, "evenly": evenly}
    names |= {"image": PIL.Image.new("RGB", (4, 3))}
    names |= {"DataLoader": DataLoader, "TensorDataset": TensorDataset}
    moments = eval(line, names)
    assert moments.rows > 0
    assert np.isfinite(moments.mean).all()
