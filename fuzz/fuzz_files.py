"""Fuzz the readers of data files: they must read a file, or raise an error that names it.

    python fuzz/fuzz_files.py arrow parquet -max_total_time=600     (needs: pip install atheris)

Without atheris, ``--seconds 600`` mutates the seeds at random; the tests do so for a few seconds.
The arguments choose formats of `SEEDS`; the default is all formats.
"""

import contextlib
import io
import os
import random
import sys
import tempfile
import time
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import evenly
from evenly.apply import apply
from evenly.errors import EvenlyError

ROWS = 40

ARROW_OPTIONS: list[dict[str, Any]] = [
    {},
    {"columns": ["x", "decimal"]},
    {"columns": ["time", "day", "flag", "code"]},
    {"weights": "w"},
    {"by": "text", "weights": "w"},
    {"by": "view"},
    {"by": "category", "weights": "w"},
    {"by": ["i", "long"]},
    {"by": ["time", "flag"]},
    {"by": ["day", "code"]},
    {"by": "decimal"},
    {"columns": ["wide"], "by": "code", "weights": "w"},
    {"by": "wide"},
    {"select": "vector"},
    {"select": "vector", "by": "text", "weights": "w"},
    {"select": "vector", "by": ["category", "wide"]},
    {"select": "image"},
    {"select": "image", "by": "long", "mode": "L"},
    {"by": "list"},
]
"""Options for Arrow and Parquet files, chosen by a hash of the content."""

OTHER_OPTIONS: list[dict[str, Any]] = [
    {},
    {},
    {"columns": ["x"], "weights": "w"},
    {"columns": ["x"], "by": "text"},
    {"columns": ["x"], "by": ["i", "text"], "weights": "w"},
    {"select": "a"},
]

MAGIC = {
    b"PAR1": ".parquet",
    b"ARROW1": ".arrow",
    b"\xff\xff\xff\xff": ".arrows",
    b"\x93NUMPY": ".npy",
    b"PK": ".zip",
    b"\x89HDF": ".h5",
    b"\x1f\x8b": ".csv.gz",
    b"BZh": ".csv.bz2",
    b"\xfd7zXZ": ".csv.xz",
    b"\x28\xb5\x2f\xfd": ".csv.zst",
}


def png(row: int) -> bytes:
    """Return a gray image of two pixels."""
    from PIL import Image

    sink = io.BytesIO()
    Image.new("L", (2, 1), row).save(sink, "PNG")
    return sink.getvalue()


def table() -> pa.Table:
    """Return a table with a column of each type, in two chunks, with and without nulls."""
    words = [f"word {row % 7}" * (row % 3) for row in range(ROWS)]
    numbers = [None if row % 5 == 0 else row * 0.25 for row in range(ROWS)]
    days = [date(2013, 1, 1 + row % 28) for row in range(ROWS)]
    rows = pa.table(
        {
            "x": pa.array(numbers, pa.float64()),
            "i": pa.array([row % 4 for row in range(ROWS)], pa.int16()),
            "w": pa.array([1.0 + row % 3 for row in range(ROWS)], pa.float32()),
            "text": pa.array([None if row % 9 == 0 else words[row] for row in range(ROWS)]),
            "long": pa.array(words, pa.large_string()),
            "view": pa.array([word * 2 for word in words], pa.string_view()),
            "category": pa.array(words).dictionary_encode(),
            "code": pa.array([2.5 * (row % 3) for row in range(ROWS)]).dictionary_encode(),
            "decimal": pa.array([Decimal(row) / 4 for row in range(ROWS)], pa.decimal128(20, 2)),
            "time": pa.array([datetime(2013, 1, 1, row % 24) for row in range(ROWS)]),
            "day": pa.array(days, pa.date32()),
            "flag": pa.array([row % 2 == 0 for row in range(ROWS)]),
            "list": pa.array([[1.0] * (row % 4) for row in range(ROWS)]),
            "none": pa.nulls(ROWS),
            "wide": pa.array(
                [Decimal(2**60 + row) / (1 + row % 2) for row in range(ROWS)],
                pa.decimal128(38, 1),
            ),
            "vector": pa.array([[1.0, row] if row % 6 else None for row in range(ROWS)]),
            "image": pa.array([png(row) for row in range(ROWS)]),
        }
    )
    return pa.concat_tables([rows.slice(0, 25), rows.slice(25)])


def arrow(new: Any, **options: Any) -> bytes:
    """Return the table as an Arrow file or stream."""
    sink = io.BytesIO()
    with new(sink, table().schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table())
    return sink.getvalue()


def parquet(**options: Any) -> bytes:
    """Return the table as Parquet."""
    sink = io.BytesIO()
    pq.write_table(table().drop_columns(["view"]), sink, **options)
    return sink.getvalue()


def npy(array: Any) -> bytes:
    """Return an array as an NPY file."""
    sink = io.BytesIO()
    np.save(sink, array)
    return sink.getvalue()


def npz() -> bytes:
    """Return an array as a compressed NPZ file."""
    sink = io.BytesIO()
    np.savez_compressed(sink, a=np.arange(12.0).reshape(4, 3))
    return sink.getvalue()


def csv() -> bytes:
    """Return a table as CSV, with quotes, missing values and non-ASCII letters."""
    lines = [f'{row},{row / 4},"{"ä" * (row % 3)}",{row % 3 or ""}' for row in range(ROWS)]
    return "\n".join(["x,w,text,i", *lines]).encode()


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return members as a zip archive."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return sink.getvalue()


def compressed() -> list[bytes]:
    """Return the CSV file in each compression."""
    import bz2
    import gzip
    import lzma

    zstd = pa.compress(csv(), codec="zstd", asbytes=True)
    return [gzip.compress(csv()), bz2.compress(csv()), lzma.compress(csv()), zstd]


def hdf5() -> bytes:
    """Return an HDF5 file with a chunked dataset, a contiguous one, and text.

    The text has a fixed length, since the HDF5 library (2.0.0) searches a damaged heap of
    variable-length text forever.
    """
    import h5py

    sink = io.BytesIO()
    with h5py.File(sink, "w") as file:
        file.create_dataset("x", data=np.arange(24.0), chunks=(8,), compression="gzip")
        file.create_dataset("w", data=np.arange(24, dtype=np.int32) + 1)
        file.create_dataset(
            "text", data=["EWR", "JFK", "LGA"] * 8, dtype=h5py.string_dtype(length=3)
        )
    return sink.getvalue()


def zarr() -> bytes:
    """Return a zipped Zarr store with two arrays."""
    import zarr

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.zip")
        store = zarr.storage.ZipStore(path, mode="w")
        group = zarr.create_group(store)
        group.create_array("x", data=np.arange(24.0), chunks=(8,))
        group.create_array("w", data=np.arange(24.0) + 1, chunks=(8,))
        store.close()
        with open(path, "rb") as file:
            return file.read()


RECORDS = np.zeros(9, [("x", "<f8"), ("w", ">i4"), ("text", "U3")])
SEEDS = {
    "arrow": lambda: [arrow(pa.ipc.new_file), arrow(pa.ipc.new_file, compression="lz4")],
    "arrows": lambda: [arrow(pa.ipc.new_stream)],
    "parquet": lambda: [parquet(compression="none"), parquet(use_dictionary=False)],
    "npy": lambda: [
        npy(np.arange(12.0).reshape(4, 3)),
        npy(RECORDS),
        npy(np.asfortranarray(np.eye(3))),
    ],
    "csv": lambda: [csv(), b"\xef\xbb\xbfa;b\r\n1;2,5\r\n", b"a\tb\n1\tNA\n", *compressed()],
    "zip": lambda: [
        npz(),
        zipped({"a.csv": csv(), "b.csv": csv()}),
        zipped({"a.npy": npy(np.eye(3))}, zipfile.ZIP_STORED),
        zipped({"a.arrows": arrow(pa.ipc.new_stream)}, zipfile.ZIP_BZIP2),
    ],
    "hdf5": lambda: [hdf5()],
    "zarr": lambda: [zarr()],
}
"""Functions that create the files of each format."""

NUMBERS = [0, 1, 2, ROWS, ROWS + 1, 255, 1000, 2**15, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1]
WORDS = [
    *(b"\xff" * 8, b"\0" * 8, b"\xff\xff", b"PAR1", b"ARROW1", b"\x93NUMPY", b"\xc3(", b'"'),
    *(b",", b"\n", b"nan", b"1e999", b"-", b"(", b"[" * 50, b"9" * 30, b"PK\x01\x02", b"..", b"/"),
]


def read(content: bytes) -> bool:
    """Fit a file of these bytes and normalize it; return whether it was fitted."""
    suffix = next((end for magic, end in MAGIC.items() if content.startswith(magic)), ".csv")
    choices = ARROW_OPTIONS if suffix.startswith((".arrow", ".parquet")) else OTHER_OPTIONS
    options = choices[zlib.crc32(content) % len(choices)]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = os.path.join(folder, f"mutant{suffix}")
        with open(path, "wb") as file:
            file.write(content)
        source = path
        if suffix == ".parquet" and zlib.adler32(content) % 2:  # as a remote file
            source = "memory://mutant.parquet"
            fsspec.filesystem("memory").pipe("/mutant.parquet", content)
        try:
            moments = evenly.fit(source, **options)
        except EvenlyError as error:
            if "mutant" not in str(error):
                raise AssertionError(f"the error does not name the file: {error}") from error
            return False
        except MemoryError:
            return False
        repr(moments)
        with contextlib.suppress(EvenlyError, MemoryError):  # not every column can be scaled
            apply(moments, path, os.path.join(folder, "normalized.parquet"))
    return True


def mutate_seeds(rng: random.Random, seeds: Sequence[bytes]) -> Iterator[bytes]:
    """Yield randomly modified seeds, without end."""
    while True:
        content = bytearray(rng.choice(seeds))
        text = b"\0" not in content and b"\n" in content
        for _ in range(rng.choice((1, 1, 1, 2, 4, 8))):
            start = rng.randrange(len(content) + 1)
            size = rng.choice((1, 2, 4, 8))
            number = rng.choice(NUMBERS) * rng.choice((1, -1)) + rng.choice((0, 0, -1, 1))
            integer = (number % 2 ** (8 * size)).to_bytes(size, rng.choice(("little", "big")))
            integer = str(number).encode() if text else integer
            other = content if text else rng.choice(seeds)
            offset = rng.randrange(len(other))
            piece = rng.choice(
                (integer, integer, rng.randbytes(1), rng.choice(WORDS), other[offset : offset + 40])
            )
            replaced = rng.choice((len(piece), len(piece), len(piece), 0, 20))
            content[start : start + replaced] = piece
        if rng.random() < 0.05:
            del content[rng.randrange(len(content) + 1) :]
        yield bytes(content)


def seeds_of(formats: Sequence[str]) -> list[bytes]:
    """Return the seeds of the given formats, or of all formats if none are given."""
    return [seed for name in formats or SEEDS for seed in SEEDS[name]()]


def run(formats: Sequence[str], seconds: float, seed: int) -> None:
    """Mutate for some seconds without atheris; print the number of files and of fitted files."""
    print(f"seed {seed}", flush=True)  # printed first, since an invalid access ends the process
    end, total, fitted = time.monotonic() + seconds, 0, 0
    for content in mutate_seeds(random.Random(seed), seeds_of(formats)):
        total, fitted = total + 1, fitted + read(content)
        if time.monotonic() > end:
            break
    print(f"{total} files read, {fitted} of them fitted, no uncaught exception")


def main() -> None:
    """Run atheris, or plain mutations with ``--seconds``."""
    formats = [argument for argument in sys.argv[1:] if argument in SEEDS]
    if "--seconds" in sys.argv:
        run(formats, float(sys.argv[sys.argv.index("--seconds") + 1]), time.time_ns())
        return
    import atheris

    atheris.instrument_all()
    rng, seeds = random.Random(0), seeds_of(formats)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        if seed % 2 and data:
            return atheris.Mutate(data, max_size)
        rng.seed(seed)
        return next(mutate_seeds(rng, seeds))[:max_size]

    arguments = [argument for argument in sys.argv if argument not in SEEDS]
    max_length = 2 * max(map(len, seeds))
    atheris.Setup([*arguments, f"-max_len={max_length}"], read, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
