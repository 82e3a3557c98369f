"""
evenly's core: exact sums and the kernels that make them, without Python.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy
from numpy.typing import NDArray


class State:
    """
    Count, missing, sum, sum of squares and extremes of each column, exactly; with groups, of the columns of each group. What adds rows does so as a whole, with the metadata, or not at all.
    """

    def __init__(self, columns: int, groups: int = 1) -> None: ...

    @property
    def columns(self) -> int:
        """The number of columns, of all groups together."""

    @property
    def groups(self) -> int:
        """The number of groups: 1, unless it is of groups."""

    @property
    def nbytes(self) -> int:
        """Bytes that the state takes."""

    @property
    def version(self) -> int:
        """A number that goes up with each change of the sums."""

    @property
    def rows(self) -> int:
        """
        Rows that were added, whatever they weighed. To be set where there is one group.
        """

    @rows.setter
    def rows(self, arg: int, /) -> None: ...

    @property
    def group_rows(self) -> list[int]:
        """The same of each group."""

    @group_rows.setter
    def group_rows(self, arg: Sequence[int], /) -> None: ...

    @property
    def metadata(self) -> Any:
        """An immutable object that belongs to the sums: names, for example."""

    @metadata.setter
    def metadata(self, value: object, /) -> None: ...

    def replace_metadata(self, metadata: object, expected: object) -> bool:
        """
        Puts another object there; False, and nothing done, when `expected` is not there.
        """

    @property
    def extremes_are_bounds(self) -> bool:
        """Whether a subtraction has made the extremes bounds."""

    @extremes_are_bounds.setter
    def extremes_are_bounds(self, arg: bool, /) -> None: ...

    def update(self, x: Annotated[NDArray, dict(device='cpu', writable=False)], feature_axis: int = -1, weights: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None = None, infinite_as_missing: bool = False, threads: int = 0, dtype: str | None = None) -> tuple[int, int] | None:
        """
        Adds the rows of an array. Returns None, or (row, column) of the first infinity, and then nothing was added.
        """

    def update_columns(self, values: Sequence[Annotated[NDArray, dict(device='cpu', writable=False)]], validity: Sequence[Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)] | None], bit_offsets: Sequence[int], weights: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None = None, infinite_as_missing: bool = False, threads: int = 0, first_column: int = 0) -> tuple[int, int] | None:
        """
        The same for columns of equal length, each with an Arrow validity bitmap or None: the state's from first_column on. The first column counts the rows.
        """

    def update_groups(self, values: Sequence[Annotated[NDArray, dict(device='cpu', writable=False)]], validity: Sequence[Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)] | None], bit_offsets: Sequence[int], codes: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], places: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], weights: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None = None, infinite_as_missing: bool = False, threads: int = 0, metadata: object | None = None) -> tuple[int, int] | None:
        """
        The same for rows of groups, each of which has len(values) columns of the state: a row of code c adds to group places[c]. New groups get columns at the end. With the rows comes new metadata, unless it is None.
        """

    def update_slices(self, values: Annotated[NDArray, dict(device='cpu', writable=False)], starts: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], weights: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None = None, infinite_as_missing: bool = False, threads: int = 0) -> tuple[int, int] | None:
        """
        The same for columns whose values follow each other: column i has those from starts[i] to starts[i + 1]. The row of an infinity is its place among all values. It adds to no number of rows.
        """

    def fill_with_zeros(self, rows: State) -> None:
        """
        Adds to each column as many zeros as `rows`, a state of one column, has rows more.
        """

    def merge_groups(self, other: State, width: int, places: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], metadata: object | None = None, consume: bool = False) -> None:
        """
        Adds other in place, its i-th group of `width` columns to ours at places[i], and new metadata with it, unless it is None. With `consume`, other is of no use afterwards.
        """

    def merge(self, other: State, metadata: object | None = None, expected: object | None = None, consume: bool = False, all_or_nothing: bool = True) -> bool:
        """
        Adds other in place, and new metadata with it, unless it is None. A state without rows becomes other, whatever columns it had. Returns False, and nothing is done, when the metadata are not `expected`. With `consume`, other is of no use afterwards; without `all_or_nothing`, this state is not after a MemoryError.
        """

    def total(self, width: int) -> State:
        """A new state: all groups of `width` columns as one."""

    def remove(self, other: State) -> int:
        """
        Subtracts other, in place. Returns -1, or the first column that does not contain it, and then nothing was subtracted.
        """

    def copy(self) -> State:
        """A new state, with the same metadata."""

    def take_columns(self, indices: Sequence[int], width: int) -> State:
        """A new state of these columns of each group of `width`."""

    def take_groups(self, places: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], width: int) -> State:
        """
        A new state of these groups of `width` columns, in this order; of a place below 0, a group without rows.
        """

    def take(self, indices: Sequence[int]) -> State:
        """A new state of these columns, as one group."""

    def __eq__(self, arg: State, /) -> bool:
        """Equal count, missing, sum and sum of squares."""

    def counts(self) -> list[tuple[int, int]]:
        """Total weight of the values, as (mantissa, exponent)."""

    def missings(self) -> list[tuple[int, int]]:
        """Total weight of the rows without a value, as (mantissa, exponent)."""

    def sums(self) -> list[tuple[int, int]]:
        """Sum of the values, as (mantissa, exponent)."""

    def squares(self) -> list[tuple[int, int]]:
        """Sum of the values' squares, as (mantissa, exponent)."""

    def read_scaling(self, correction: int, inverse: bool, hi: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu')], lo: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu')], factor: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu')]) -> str:
        """
        Writes the mean as hi + lo and 1 / std (or std), correctly rounded. Returns "certain"; "undefined" when a column has not more values than correction (factor 0); or "unsure", and then nothing that was written counts.
        """

    def first_impossible(self) -> int:
        """The first column whose numbers no data can have, or -1."""

    def extremes(self) -> list:
        """(min, max) of each column, (None, None) without values."""

    def pack(self) -> bytes:
        """The state as bytes, for this version only."""

    @staticmethod
    def unpack(packed: bytes, groups: int = 1) -> State:
        """
        The state in bytes of `pack`; ValueError for any that it cannot have made.
        """

    def set_column(self, index: int, count: tuple[int, int], missing: tuple[int, int], sum: tuple[int, int], squares: tuple[int, int], min: object | None, max: object | None) -> None:
        """Replaces a column's state."""

class ExactMode:
    """
    Round to nearest and keep subnormal numbers, in this thread, within a `with` statement: somebody may have called torch.set_flush_denormal(True).
    """

    def __init__(self) -> None: ...

    def __enter__(self) -> None: ...

    def __exit__(self, *args: object) -> None: ...

def scale(x: Annotated[NDArray, dict(device='cpu', writable=False)], out: Annotated[NDArray, dict(device='cpu')], feature_axis: int, hi: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], lo: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], factor: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], inverse: bool = False, nan_to_zero: bool = False, threads: int = 0, x_dtype: str | None = None, out_dtype: str | None = None) -> None:
    """out = ((x - hi) - lo) * factor, or with inverse x * factor + lo + hi."""

def takes(x: object, *parts: object) -> bool:
    """
    Whether the kernels can take a batch with these per-channel parts (None for none).
    """

def dense(x: object) -> object:
    """
    A batch of the same values that lie without a gap: contiguous, or channels last.
    """

def batch_norm(x: object, weight: object | None, bias: object | None, eps: float, saved: bytearray, wanted: bool) -> object:
    """
    Takes a dense batch's statistics into saved, four float64 a channel, and returns it normalised if that is wanted.
    """

def batch_norm_fixed(x: object, mean: object, variance: object, weight: object | None, bias: object | None, eps: float, saved: bytearray | None) -> object:
    """
    Normalises with a given mean and variance, which saved then has, if given.
    """

def batch_norm_apply(x: object, weight: object | None, bias: object | None, saved: bytearray) -> object:
    """Normalises with saved statistics."""

def batch_norm_backward(x: object, gradient: object, weight: object | None, bias: object | None, saved: bytearray, for_x: bool, for_weight: bool, for_bias: bool, fixed: bool) -> tuple:
    """
    The gradients of x, weight and bias; None for those that are not wanted.
    """

def batch_norm_gradient_sums(x: object, gradient: object, saved: bytearray, sums: object) -> None:
    """Per channel the sums of gradient, then of gradient * (x - mean)."""

def batch_norm_gradient(x: object, gradient: object, weight: object | None, saved: bytearray, sums: object, count: float) -> object:
    """The gradient of x, from sums over count values a channel."""

def batch_norm_move(saved: bytearray, count: float, momentum: float, skip_non_finite: bool, mean: object, variance: object, tracked: object | None) -> bool:
    """
    Moves running statistics (momentum NaN: 1 / batches tracked); whether it did.
    """

def empty(shape: Sequence[int], strides: Sequence[int], dtype: int) -> object:
    """
    A dense tensor, as a DLPack capsule, in memory that is kept, when it is freed, for the next of its size. Dtypes: 0 float16, 1 bfloat16, 2 float32, 3 float64.
    """

def empty_cache() -> int:
    """
    Gives what is kept back to the system; returns how many bytes those were.
    """

def least_cached() -> int:
    """How many values a tensor has at least whose memory is worth keeping."""

def most_cached() -> int:
    """How many bytes are kept at most."""

def number_words(words: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None,))], Annotated[NDArray[numpy.int64], dict(shape=(None,))]]:
    """
    Numbers equal words alike: 0, 1, 2, … as they appear. Returns the number of each row, and the first row of each number.
    """

def number_texts(buffers: Sequence[Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)]], buffer: Annotated[NDArray[numpy.int32], dict(shape=(None,), order='C', device='cpu', writable=False)], offset: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], length: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None,))], Annotated[NDArray[numpy.int64], dict(shape=(None,))]]:
    """
    The same for texts: of each row which buffer it lies in, where, and its bytes.
    """

def guard_mapping(pages: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> int:
    """
    Guards a file that is mapped: where it becomes shorter, zeros are read, and no signal ends the process. Returns a number for the calls below, or -1 where it cannot be guarded.
    """

def unguard_mapping(number: int) -> None:
    """Before the file is unmapped."""

def mapping_failed(number: int) -> bool:
    """Whether a page was not there when it was read."""

def largest_parquet_page(file: int, start: int, stop: int, limit: int) -> int:
    """
    Returns the largest uncompressed size of the Parquet pages in a range of an open file, or of the first one beyond the limit; -1 for headers that cannot be decoded.
    """

def parquet_chunks(file: int, size: int) -> list[tuple[int, int]] | None:
    """
    Returns the start and the stop of each column chunk of an open Parquet file, by row group; None if its footer cannot be decoded.
    """

def num_threads() -> int:
    """Threads used when none are named."""

def runtime() -> str:
    """Whose threads are used."""

def kernel() -> str:
    """The kernels in use."""

def kernels() -> list[str]:
    """The kernels that EVENLY_KERNEL may name here."""
