"""The same columns in every kind of container that `evenly.fit` takes."""

import gzip
import shutil
import sqlite3
import zipfile

import datasets
import duckdb
import h5py
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.feather
import pyarrow.parquet
import torch
import xarray
import zarr


def make_columns(rows):
    """Return columns of integers, of floats with an offset and a NaN, and of floats of any size."""
    rng = np.random.default_rng(8)
    b = rng.normal(1e9, 1.0, rows)
    b[3] = np.nan
    return {"a": np.arange(rows) * 3, "b": b, "c": rng.normal(size=rows) * 2.0 ** np.arange(rows)}


def arrow(columns):
    """A PyArrow table; NaN becomes null, as readers of files make it."""
    return pa.table({name: pa.array(x, from_pandas=True) for name, x in columns.items()})


def _written(write, suffix):
    def make(columns, folder):
        path = folder / f"x{suffix}"
        write(arrow(columns), path)
        return path

    return make


def _csv(table, path):
    pa.csv.write_csv(table, path)


def _csv_gz(table, path):
    _csv(table, path.with_name("plain.csv"))
    path.write_bytes(gzip.compress(path.with_name("plain.csv").read_bytes()))


def _csv_zip(table, path):
    _csv(table, path.with_name("plain.csv"))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path.with_name("plain.csv"), "plain.csv")


def _ipc_stream(table, path):
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table)


def _folder(columns, folder):
    """Two Parquet files that have their columns in different orders."""
    table = arrow(columns)
    half = table.num_rows // 2
    (folder / "year=2013").mkdir()
    pa.parquet.write_table(table[:half], folder / "a.parquet")
    reverse = table.select(table.column_names[::-1])
    pa.parquet.write_table(reverse[half:], folder / "year=2013" / "b.parquet")
    (folder / "_SUCCESS").touch()
    return folder


def _structured(columns, folder):
    array = np.empty(
        len(next(iter(columns.values()))), [(name, x.dtype) for name, x in columns.items()]
    )
    for name, x in columns.items():
        array[name] = x
    return array


def _structured_npy(columns, folder):
    np.save(folder / "s.npy", _structured(columns, folder))
    return folder / "s.npy"


def _zarr_group(columns, folder):
    """A group of arrays whose chunks are not of one size."""
    group = zarr.open_group(folder / "x.zarr", mode="w")
    for number, (name, x) in enumerate(columns.items()):
        dtype = str if x.dtype == object else x.dtype
        array = group.create_array(name, shape=x.shape, dtype=dtype, chunks=(2 + number,))
        array[:] = x
    return group


def _zarr_zip(columns, folder):
    _zarr_group(columns, folder)
    return shutil.make_archive(str(folder / "x.zarr"), "zip", folder / "x.zarr")


def _hdf5(columns, folder):
    with h5py.File(folder / "x.h5", "w") as file:
        for name, x in columns.items():
            file.create_dataset(name, data=x, chunks=(3,), maxshape=(None,), compression="gzip")
    return folder / "x.h5"


def _hdf5_records(columns, folder):
    with h5py.File(folder / "r.hdf5", "w") as file:
        file.create_dataset("r", data=_structured(columns, folder), chunks=(3,), maxshape=(None,))
    return folder / "r.hdf5"


def _dataset(columns, folder):
    return datasets.Dataset(arrow(columns))


def _dataset_view(columns, folder):
    """Rows that were picked: the order of the numbers beside the data, not that of the data."""
    number = len(next(iter(columns.values())))
    backwards = {name: x[::-1] for name, x in columns.items()}
    return _dataset(backwards, folder).select(range(number - 1, -1, -1))


def _duckdb_url(columns, folder):
    with duckdb.connect(str(folder / "x.db")) as connection:
        connection.register("given", arrow(columns))
        connection.execute("CREATE TABLE t AS SELECT * FROM given")
    return f"duckdb:///{folder}/x.db?table=t"


def _sqlite_url(columns, folder):
    with sqlite3.connect(folder / "x.sqlite") as connection:
        types = {"f": "REAL", "O": "TEXT"}
        fields = [f"{name} {types.get(x.dtype.kind, 'INTEGER')}" for name, x in columns.items()]
        connection.execute(f"CREATE TABLE t ({', '.join(fields)})")
        values = (arrow(columns).column(name).to_pylist() for name in columns)
        places = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO t VALUES ({places})", zip(*values, strict=True))
    connection.close()
    return f"sqlite:///{folder}/x.sqlite?table=t"


NAMED = {
    "pandas": lambda columns, folder: pd.DataFrame(columns),
    "pandas Arrow": lambda columns, folder: arrow(columns).to_pandas(types_mapper=pd.ArrowDtype),
    "pandas masked": lambda columns, folder: pd.DataFrame(columns).convert_dtypes(),
    "polars": lambda columns, folder: pl.DataFrame(columns),
    "polars chunks": lambda columns, folder: pl.concat(
        [pl.DataFrame(columns)[:2], pl.DataFrame(columns)[2:]], rechunk=False
    ),
    "polars lazy": lambda columns, folder: pl.LazyFrame(columns),
    "pyarrow table": lambda columns, folder: arrow(columns),
    "pyarrow slice": lambda columns, folder: pa.concat_tables([arrow(columns)] * 2).slice(
        len(next(iter(columns.values())))
    ),
    "pyarrow reader": lambda columns, folder: arrow(columns).to_reader(max_chunksize=3),
    "pyarrow dataset": lambda columns, folder: pa.dataset.dataset(arrow(columns)),
    "duckdb": lambda columns, folder: duckdb.from_arrow(arrow(columns)),
    "structured array": _structured,
    "structured NPY": _structured_npy,
    "Parquet": _written(pa.parquet.write_table, ".parquet"),
    "Parquet row groups": _written(
        lambda table, path: pa.parquet.write_table(table, path, row_group_size=3), ".pq"
    ),
    "Feather": _written(pa.feather.write_feather, ".feather"),
    "Arrow file": _written(
        lambda table, path: pa.feather.write_feather(table, path, compression="uncompressed"),
        ".arrow",
    ),
    "Arrow stream": _written(_ipc_stream, ".arrows"),
    "CSV": _written(_csv, ".csv"),
    "CSV gzip": _written(_csv_gz, ".csv.gz"),
    "CSV zip": _written(_csv_zip, ".csv.zip"),
    "folder": _folder,
    "Zarr group": _zarr_group,
    "Zarr folder": lambda columns, folder: folder if _zarr_group(columns, folder) else None,
    "Zarr zip": _zarr_zip,
    "HDF5": _hdf5,
    "HDF5 records": _hdf5_records,
    "HDF5 group": lambda columns, folder: h5py.File(_hdf5(columns, folder)),
    "xarray Dataset": lambda columns, folder: xarray.Dataset(
        {name: ("row", x) for name, x in columns.items()}
    ),
    "Hugging Face": _dataset,
    "Hugging Face view": _dataset_view,
    "Hugging Face iterable": lambda columns, folder: _dataset(
        columns, folder
    ).to_iterable_dataset(),
    "DuckDB URL": _duckdb_url,
    "SQLite URL": _sqlite_url,
    "generator of batches": lambda columns, folder: iter(arrow(columns).to_batches(3)),
    "list of frames": lambda columns, folder: [
        pd.DataFrame(columns)[:2],
        pl.DataFrame(columns)[2:],
    ],
}
"""Kinds that keep the names of columns."""


def rows(columns):
    """The columns side by side, as float64."""
    return np.stack([x.astype(np.float64) for x in columns.values()], axis=1)


def _npy(columns, folder):
    np.save(folder / "x.npy", rows(columns))
    return folder / "x.npy"


def _npy_fortran(columns, folder):
    np.save(folder / "f.npy", np.asfortranarray(rows(columns)))
    return str(folder / "f.npy")


def _npy_gz(columns, folder):
    path = folder / "x.npy.gz"
    path.write_bytes(gzip.compress(_npy(columns, folder).read_bytes()))
    return path


def _npz(columns, folder):
    np.savez_compressed(folder / "x.npz", x=rows(columns))
    return folder / "x.npz"


def _memmap(columns, folder):
    return np.load(_npy(columns, folder), mmap_mode="r")


class OnlyDlpack:
    """What has nothing but ``__dlpack__``."""

    def __init__(self, array):
        self._array = array

    def __dlpack__(self, **options):
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


class OnlyArray:
    """What has nothing but ``__array__``."""

    def __init__(self, array):
        self._array = array

    def __array__(self, dtype=None, copy=None):
        return np.array(self._array, dtype)


def _loader(columns, folder):
    data = torch.utils.data.TensorDataset(torch.from_numpy(rows(columns)))
    return torch.utils.data.DataLoader(data, batch_size=4)


def _zarr_array(columns, folder, **options):
    x = rows(columns)
    array = zarr.create_array(folder / "a.zarr", shape=x.shape, dtype=x.dtype, **options)
    array[:] = x
    return array


def _hdf5_dataset(columns, folder, **options):
    """The values, stored as their user says; the file is left open, as users leave it."""
    return h5py.File(folder / "d.h5", "w").create_dataset("d", data=rows(columns), **options)


def _hdf5_array(columns, folder):
    _hdf5_dataset(columns, folder).file.close()
    return folder / "d.h5"


UNNAMED = {
    "NumPy": lambda columns, folder: rows(columns),
    "NumPy Fortran": lambda columns, folder: np.asfortranarray(rows(columns)),
    "NumPy byte-swapped": lambda columns, folder: rows(columns).astype(">f8"),
    "NumPy strided": lambda columns, folder: np.repeat(rows(columns), 2, axis=1)[:, ::2],
    "NumPy memmap": _memmap,
    "list": lambda columns, folder: rows(columns).tolist(),
    "torch": lambda columns, folder: torch.from_numpy(rows(columns)),
    "torch with grad": lambda columns, folder: torch.from_numpy(rows(columns)).requires_grad_(),
    "only __dlpack__": lambda columns, folder: OnlyDlpack(rows(columns)),
    "only __array__": lambda columns, folder: OnlyArray(rows(columns)),
    "NPY": _npy,
    "NPY Fortran": _npy_fortran,
    "NPY gzip": _npy_gz,
    "NPZ": _npz,
    "DataLoader": _loader,
    "Dataset": lambda columns, folder: torch.utils.data.TensorDataset(
        torch.from_numpy(rows(columns))
    ),
    "Zarr array": lambda columns, folder: _zarr_array(columns, folder, chunks=(3, 2)),
    "Zarr shards": lambda columns, folder: _zarr_array(
        columns, folder, chunks=(2, 3), shards=(4, 3)
    ),
    "Zarr array's folder": lambda columns, folder: (
        folder / "a.zarr" if _zarr_array(columns, folder, chunks=(4, 1)) else None
    ),
    "HDF5 array": _hdf5_array,
    "HDF5 dataset": lambda columns, folder: _hdf5_dataset(
        columns, folder, chunks=(3, 2), maxshape=(None, None)
    ),
    "xarray": lambda columns, folder: xarray.DataArray(rows(columns)),
    "generator": lambda columns, folder: (row[None] for row in rows(columns)),
}
"""Kinds without names."""
