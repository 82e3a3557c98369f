"""The data of the benchmarks, drawn from a fixed seed."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

SEED = 20130101
CHUNK = 1 << 22
"""The values that are drawn at a time, so that temporary copies stay small."""


@dataclass(frozen=True)
class Table:
    """Rows in memory, with columns of different means and scales."""

    rows: int
    columns: int
    dtype: str

    @property
    def label(self) -> str:
        return f"{self.rows:,}×{self.columns:,} {self.dtype}"

    @property
    def nbytes(self) -> int:
        return self.rows * self.columns * np.dtype(self.dtype).itemsize

    def make(self) -> np.ndarray:
        rng = np.random.default_rng(SEED)
        scale = (10.0 ** rng.uniform(-1, 2, self.columns)).astype(self.dtype)
        mean = (scale * rng.uniform(-3, 3, self.columns)).astype(self.dtype)
        x = np.empty((self.rows, self.columns), self.dtype)
        step = max(1, CHUNK // self.columns)
        for start in range(0, self.rows, step):
            chunk = x[start : start + step]
            rng.standard_normal(out=chunk, dtype=chunk.dtype)
            chunk *= scale
            chunk += mean
        return x


@dataclass(frozen=True)
class Images:
    """uint8 images, channels first."""

    number: int
    size: int = 224
    channels: int = 3

    @property
    def label(self) -> str:
        return f"{self.number:,}×{self.channels}×{self.size}×{self.size} uint8"

    @property
    def nbytes(self) -> int:
        return self.number * self.channels * self.size**2

    def make(self) -> np.ndarray:
        rng = np.random.default_rng(SEED)
        shape = (self.number, self.channels, self.size, self.size)
        return np.frombuffer(rng.bytes(self.nbytes), np.uint8).reshape(shape).copy()


@dataclass(frozen=True)
class ParquetFile:
    """A Parquet file of float32 and float64 columns, with row groups of pyarrow's default size.

    In much smaller row groups pyarrow would keep a dictionary of values that never repeat, which
    is larger than plain values and slower to decode.
    """

    rows: int
    columns: int = 64
    group_rows: int = 1 << 20

    @property
    def label(self) -> str:
        return f"{self.rows:,}×{self.columns} Parquet"

    @property
    def nbytes(self) -> int:
        return self.rows * self.columns * 6

    def make(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        rng = np.random.default_rng(SEED)
        types = {f"c{i}": "float32" if i % 2 else "float64" for i in range(self.columns)}
        schema = pa.schema([(name, getattr(pa, dtype)()) for name, dtype in types.items()])
        with pq.ParquetWriter(path, schema) as writer:
            for start in range(0, self.rows, self.group_rows):
                rows = min(self.group_rows, self.rows - start)
                columns = [rng.standard_normal(rows, dtype) for dtype in types.values()]
                writer.write_table(pa.table(columns, schema=schema), row_group_size=rows)


@dataclass(frozen=True)
class Groups:
    """Rows of eight columns, and the integer key of each row's group.

    The mean of every column is ``offset`` standard deviations.
    """

    rows: int
    number: int
    offset: float
    columns: int = 8

    @property
    def label(self) -> str:
        return f"{self.rows:,}×{self.columns} in {self.number:,}, offset {self.offset:g}"

    @property
    def nbytes(self) -> int:
        return self.rows * self.columns * 8

    def make(self) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(SEED)
        x = rng.normal(self.offset, 1.0, (self.rows, self.columns))
        return np.asfortranarray(x), rng.integers(0, self.number, self.rows)


SHAPES = ((1_000_000, 64), (4_000_000, 16), (100_000, 512), (10_000, 20_000), (50_000_000, 1))
QUICK_SHAPES = ((100_000, 64), (1_000, 2_000), (2_000_000, 1))
TINY_SHAPES = ((500, 3),)


def shapes(size: str) -> tuple[tuple[int, int], ...]:
    """Return the shapes of rows in memory at a size: ``full``, ``quick`` or ``tiny``."""
    return {"full": SHAPES, "quick": QUICK_SHAPES, "tiny": TINY_SHAPES}[size]


def images(size: str) -> Images:
    """Return the images at a size."""
    return {"full": Images(5_000), "quick": Images(300), "tiny": Images(3, 8)}[size]


def parquet_files(size: str) -> tuple[ParquetFile, ...]:
    """Return a file and one twice as large, to show whether memory grows."""
    rows = {"full": 5_600_000, "quick": 400_000, "tiny": 2_000}[size]
    return ParquetFile(rows // 2), ParquetFile(rows)


def groups(size: str) -> tuple[Groups, ...]:
    """Return few, some and very many groups at a size, and few groups with a large offset."""
    rows = {"full": 2_000_000, "quick": 200_000, "tiny": 500}[size]
    numbers = (10, 1000, rows // 20)
    return (*(Groups(rows, number, 10.0) for number in numbers), Groups(rows, 10, 1e9))


@dataclass(frozen=True)
class ParquetFolder:
    """float64 columns of standard deviation 1, whose means cycle through 0, 1e3, 1e6 and 1.7e9."""

    rows: int
    files: int = 8
    columns: int = 16

    @property
    def label(self) -> str:
        return f"{self.files} files of {self.rows:,}×{self.columns}"

    @property
    def nbytes(self) -> int:
        return self.files * self.rows * self.columns * 8

    def make(self, folder: Path) -> tuple[np.ndarray, np.ndarray]:
        """Write the files and return the exact means and variances, rounded once.

        Values are multiples of 2**-20 below 2**31, so they are summed exactly as integers of
        51 bits, without evenly.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        rng = np.random.default_rng(SEED)
        offsets = np.resize([0.0, 1e3, 1e6, 1.7e9], self.columns)
        sums, squares = [0] * self.columns, [0] * self.columns
        for file in range(self.files):
            x = rng.standard_normal((self.columns, self.rows)) + offsets[:, None]
            integers = np.rint(x * 2**20).astype(np.int64)
            names = [f"c{i}" for i in range(self.columns)]
            data = pa.table(list(integers * 2.0**-20), names=names)
            pq.write_table(data, folder / f"{file}.parquet")
            for i, column in enumerate(integers):
                sums[i] += _exact_sum(column, np.ones_like(column))
                upper, lower = column >> 26, column & (2**26 - 1)
                squares[i] += _exact_sum(upper, upper) << 52
                squares[i] += (_exact_sum(upper, lower) << 27) + _exact_sum(lower, lower)
        return _mean_and_variance(sums, squares, self.files * self.rows)


def _exact_sum(a: np.ndarray, b: np.ndarray) -> int:
    """Return the sum of products below 2**53, in chunks whose sums fit int64."""
    return sum(int(a[i : i + 512] @ b[i : i + 512]) for i in range(0, len(a), 512))


def _mean_and_variance(
    sums: list[int], squares: list[int], rows: int
) -> tuple[np.ndarray, np.ndarray]:
    mean = [float(Fraction(s, rows << 20)) for s in sums]
    pairs = zip(sums, squares, strict=True)
    variance = [float(Fraction(rows * q - s * s, rows * rows << 40)) for s, q in pairs]
    return np.array(mean), np.array(variance)


def parquet_folder(size: str) -> ParquetFolder:
    """Return the folder for engines at a size; its files are the partitions."""
    return ParquetFolder({"full": 500_000, "quick": 50_000, "tiny": 200}[size])
