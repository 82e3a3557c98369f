"""
Exact sums, normalization kernels and factorization, implemented in C++.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy
import numpy.typing
from numpy.typing import NDArray


class Columns:
    """Columns of equal length, as views of memory of other libraries."""

    def __init__(self, count: int, rows: int) -> None: ...

    @property
    def rows(self) -> int:
        """The number of rows."""

    @property
    def nbytes(self) -> int:
        """The number of bytes of all values."""

    def dtypes(self) -> list[str]:
        """Returns the names of the dtypes."""

    def set(self, index: int, values: Annotated[NDArray, dict(device='cpu', writable=False)], validity: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)] | None = None, bit_offset: int = 0) -> None:
        """Sets a column to an array with a validity bitmap or None."""

    def set_matrix(self, indices: Sequence[int], values: Annotated[NDArray, dict(device='cpu', writable=False)]) -> None:
        """Sets the columns at `indices` to those of an array of two dimensions."""

    def rows_from(self, start: int, stop: int) -> Columns:
        """Returns a range of rows without copying."""

    def __len__(self) -> int: ...

    def set_arrow(self, schema: int, array: int, positions: Sequence[int], owner: object) -> list[int]:
        """
        Sets all columns to children of a struct array, given by the addresses of its Arrow C data, which the owner keeps alive. Returns the indices of columns that are not numbers or times in a buffer; these are not set.
        """

    def arrays(self) -> list[tuple[numpy.typing.NDArray[Any], numpy.typing.NDArray[numpy.uint8] | None, int] | None]:
        """
        Returns the values, the validity bitmap or None, and the bit offset of each column; None for a column that is not set.
        """

    def present(self, index: int) -> numpy.typing.NDArray[numpy.bool_]:
        """Returns whether each row of a column has a value."""

def read_fields(schema: int) -> tuple[list[str], list[str]]:
    """
    Returns the names and the formats of the children of an Arrow schema, given by its address. A format is empty if the child is not a column of numbers or times in a buffer.
    """

class State:
    """
    Exact count, number of missing values, sum, sum of squares and extremes of each column, or of each column of each group. A method that adds rows adds all of them, with the metadata, or none.
    """

    def __init__(self, columns: int, groups: int = 1, bins: int = 0) -> None:
        """
        A state without rows. `bins`: the most bins of each distribution; 0 for none.
        """

    @property
    def bins(self) -> int:
        """
        The most bins of the distribution of a column; 0 without distributions.
        """

    @property
    def columns(self) -> int:
        """The number of columns of all groups together."""

    @property
    def groups(self) -> int:
        """The number of groups; 1 for a state without groups."""

    @property
    def nbytes(self) -> int:
        """The size of the state in bytes."""

    @property
    def version(self) -> int:
        """A number that increases with each change of the sums."""

    @property
    def rows(self) -> int:
        """
        The number of rows that were added, regardless of weights. Can be set if there is one group.
        """

    @rows.setter
    def rows(self, arg: int, /) -> None: ...

    @property
    def group_rows(self) -> list[int]:
        """The number of rows of each group."""

    @group_rows.setter
    def group_rows(self, arg: Sequence[int], /) -> None: ...

    @property
    def metadata(self) -> Any:
        """
        An immutable object that is changed together with the sums, such as column names.
        """

    @metadata.setter
    def metadata(self, value: object, /) -> None: ...

    def replace_metadata(self, metadata: object, expected: object) -> bool:
        """
        Replaces the metadata. Returns False, without a change, if the current object is not `expected`.
        """

    @property
    def extremes_are_bounds(self) -> bool:
        """Whether the extremes are only bounds because rows were subtracted."""

    @extremes_are_bounds.setter
    def extremes_are_bounds(self, arg: bool, /) -> None: ...

    def update(self, x: Annotated[NDArray, dict(device='cpu', writable=False)], feature_axis: int = -1, weights: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None = None, infinite_as_missing: bool = False, threads: int = 0, dtype: str | None = None) -> tuple[int, int] | None:
        """
        Adds the rows of an array. Returns None, or the (row, column) of the first infinity; then nothing was added.
        """

    def update_columns(self, values: Sequence[Annotated[NDArray, dict(device='cpu', writable=False)]], validity: Sequence[Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)] | None], bit_offsets: Sequence[int], weights: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None = None, infinite_as_missing: bool = False, threads: int = 0, first_column: int = 0) -> tuple[int, int] | None:
        """
        Adds columns of equal length, each with an Arrow validity bitmap or None, to the columns from first_column on. Rows are counted if first_column is 0.
        """

    def update_views(self, columns: Columns, infinite_as_missing: bool = False, threads: int = 0, first_column: int = 0) -> tuple[int, int] | None:
        """Adds columns; see update_columns."""

    def update_groups(self, values: Sequence[Annotated[NDArray, dict(device='cpu', writable=False)]], validity: Sequence[Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)] | None], bit_offsets: Sequence[int], codes: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], indices: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], weights: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None = None, infinite_as_missing: bool = False, threads: int = 0, metadata: object | None = None) -> tuple[int, int] | None:
        """
        Adds rows to groups of len(values) columns: a row with code c is added to group indices[c]. New groups are created at the end. The metadata is replaced unless it is None.
        """

    def update_slices(self, values: Annotated[NDArray, dict(device='cpu', writable=False)], starts: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], weights: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None = None, infinite_as_missing: bool = False, threads: int = 0) -> tuple[int, int] | None:
        """
        Adds columns whose values are stored one after the other: column i from starts[i] to starts[i + 1]. The row of an infinity is its index among all values. The number of rows is not changed.
        """

    def fill_with_zeros(self, rows: State) -> None:
        """
        Adds zeros to each column until it has as many rows as `rows`, a state of one column.
        """

    def merge_groups(self, other: State, width: int, indices: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], metadata: object | None = None, consume: bool = False) -> None:
        """
        Adds group i of `other`, of `width` columns, to group indices[i] in place. The metadata is replaced unless it is None. With `consume`, other must not be used afterwards.
        """

    def merge(self, other: State, metadata: object | None = None, expected: object | None = None, consume: bool = False, all_or_nothing: bool = True) -> bool:
        """
        Adds `other` in place. The metadata is replaced unless it is None. A state without rows becomes a copy of `other`. Returns False, without a change, if the current metadata is not `expected`. With `consume`, other must not be used afterwards. Without `all_or_nothing`, this state must not be used after a MemoryError.
        """

    def total(self, width: int) -> State:
        """
        Returns a new state with all groups of `width` columns merged into one.
        """

    def remove(self, other: State) -> int:
        """
        Subtracts `other` in place. Returns -1, or the first column that does not contain it; then nothing was subtracted.
        """

    def copy(self) -> State:
        """Returns a copy with the same metadata."""

    def take_columns(self, indices: Sequence[int], width: int) -> State:
        """
        Returns a new state with these columns of each group of `width` columns.
        """

    def take_groups(self, indices: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], width: int) -> State:
        """
        Returns a new state with these groups of `width` columns, in this order. A negative index yields a group without rows.
        """

    def take(self, indices: Sequence[int]) -> State:
        """Returns a new state with these columns, as one group."""

    def __eq__(self, arg: State, /) -> bool:
        """
        Returns whether count, missing, sum and sum of squares of all columns are equal.
        """

    def counts(self) -> list[tuple[int, int]]:
        """
        The total weight of the values of each column, as (mantissa, exponent).
        """

    def missings(self) -> list[tuple[int, int]]:
        """
        The total weight of the missing values of each column, as (mantissa, exponent).
        """

    def sums(self) -> list[tuple[int, int]]:
        """The sum of each column, as (mantissa, exponent)."""

    def squares(self) -> list[tuple[int, int]]:
        """The sum of squares of each column, as (mantissa, exponent)."""

    def read_scaling(self, correction: int, inverse: bool, hi: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu')], lo: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu')], factor: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu')]) -> str:
        """
        Writes the mean as hi + lo, and 1 / std (or std if inverse), correctly rounded. Returns "certain", "undefined" if a column has no more values than the correction (factor 0), or "unsure" if the output must not be used.
        """

    def first_impossible(self) -> int:
        """Returns the first column whose sums no data can have, or -1."""

    def extremes(self) -> list:
        """
        The (min, max) of each column; (None, None) for columns without values.
        """

    def pack(self) -> bytes:
        """Returns the state as bytes, for this version only."""

    @staticmethod
    def unpack(packed: bytes, groups: int = 1) -> State:
        """
        Returns the state from the bytes of `pack`. Raises ValueError for other bytes.
        """

    def histogram(self, index: int) -> tuple[int, numpy.typing.NDArray[numpy.uint64], numpy.typing.NDArray[numpy.int64]] | None:
        """
        Returns the shift, the keys and the counts of the bins of a column; None without.
        """

    def histograms(self, first: int, end: int) -> tuple[numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.uint64], numpy.typing.NDArray[numpy.int64]]:
        """
        Returns the shift and the number of bins of each of these columns, and the keys and counts of all their bins, one column after the other.
        """

    def set_histogram(self, index: int, shift: int, keys: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)], counts: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> None:
        """Replaces the distribution of a column whose sums are set already."""

    def without_histograms(self) -> State:
        """Returns a copy without distributions, with the same metadata."""

    def limit_bins(self, bins: int) -> State:
        """
        Returns a copy with at most this many bins per column, with the same metadata.
        """

    def set_column(self, index: int, count: tuple[int, int], missing: tuple[int, int], sum: tuple[int, int], squares: tuple[int, int], min: object | None, max: object | None) -> None:
        """Replaces the sums of a column."""

class ExactMode:
    """
    A context manager that sets rounding to nearest and keeps subnormal numbers in this thread, in case of torch.set_flush_denormal(True).
    """

    def __init__(self) -> None: ...

    def __enter__(self) -> None: ...

    def __exit__(self, *args: object) -> None: ...

def scale(x: Annotated[NDArray, dict(device='cpu', writable=False)], out: Annotated[NDArray, dict(device='cpu')], feature_axis: int, hi: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], lo: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], factor: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], inverse: bool = False, nan_to_zero: bool = False, threads: int = 0, x_dtype: str | None = None, out_dtype: str | None = None) -> None:
    """
    Writes ((x - hi) - lo) * factor to out, or x * factor + lo + hi if inverse.
    """

class FloatColumns:
    """Columns of float32 and float64, as results."""

    def to_arrow(self, names: Sequence[str]) -> tuple[object, object]:
        """
        Returns a struct array as Arrow capsules, a schema and an array, without a copy.
        """

    def values(self, index: int) -> numpy.typing.NDArray[Any]:
        """
        Returns a column as a NumPy array, without a copy; NaN or 0 in missing rows.
        """

    def missing(self, index: int) -> numpy.typing.NDArray[numpy.bool_] | None:
        """
        Returns a mask of the missing rows of a column; None without a validity bitmap.
        """

def scale_columns(columns: Columns, wide: Sequence[bool], hi: Annotated[NDArray[numpy.float64], dict(order='C', device='cpu', writable=False)], lo: Annotated[NDArray[numpy.float64], dict(order='C', device='cpu', writable=False)], factor: Annotated[NDArray[numpy.float64], dict(order='C', device='cpu', writable=False)], power: Annotated[NDArray[numpy.int64], dict(order='C', device='cpu', writable=False)] | None = None, groups: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None = None, inverse: bool = False, nan_to_zero: bool = False, threads: int = 0) -> FloatColumns:
    """
    Returns the columns normalized, as float64 where `wide`, else as float32. The tables have an entry per column or, with the row of each row of data in `groups`, a row per group. `power` has the exponents of the powers of two to multiply by before.
    """

def takes(x: object, *parts: object) -> bool:
    """
    Returns whether the kernels support a batch with these per-channel tensors (None if absent).
    """

def dense(x: object) -> object:
    """Returns the batch, or a copy that is contiguous or channels last."""

def batch_norm(x: object, weight: object | None, bias: object | None, eps: float, saved: bytearray, wanted: bool) -> object:
    """
    Writes the statistics of a dense batch to saved, four float64 per channel. Returns the normalized batch, or None unless wanted.
    """

def batch_norm_fixed(x: object, mean: object, variance: object, weight: object | None, bias: object | None, eps: float, saved: bytearray | None) -> object:
    """
    Returns the batch normalized with this mean and variance, which are written to saved unless it is None.
    """

def batch_norm_apply(x: object, weight: object | None, bias: object | None, saved: bytearray) -> object:
    """Returns the batch normalized with saved statistics."""

def batch_norm_backward(x: object, gradient: object, weight: object | None, bias: object | None, saved: bytearray, for_x: bool, for_weight: bool, for_bias: bool, fixed: bool) -> tuple:
    """
    Returns the gradients of x, weight and bias; None for those that are not requested.
    """

def batch_norm_gradient_sums(x: object, gradient: object, saved: bytearray, sums: object) -> None:
    """
    Writes the sums of gradient, then those of gradient * (x - mean), per channel.
    """

def batch_norm_gradient(x: object, gradient: object, weight: object | None, saved: bytearray, sums: object, count: float) -> object:
    """Returns the gradient of x from sums over count values per channel."""

def batch_norm_move(saved: bytearray, count: float, momentum: float, skip_non_finite: bool, mean: object, variance: object, tracked: object | None) -> bool:
    """
    Updates running statistics (momentum NaN: 1 / number of batches). Returns whether it did.
    """

def empty(shape: Sequence[int], strides: Sequence[int], dtype: int) -> object:
    """
    Returns an uninitialized dense tensor as a DLPack capsule. Its memory is cached when it is freed. Dtypes: 0 float16, 1 bfloat16, 2 float32, 3 float64.
    """

def empty_cache() -> int:
    """Frees the cached memory. Returns its size in bytes."""

def least_cached() -> int:
    """The minimum number of elements of a tensor whose memory is cached."""

def most_cached() -> int:
    """The maximum size of the cache in bytes."""

def number_words(words: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None,))], Annotated[NDArray[numpy.int64], dict(shape=(None,))]]:
    """
    Factorizes 64-bit words: equal words get equal codes 0, 1, 2, … in order of appearance. Returns the code of each row and the first row of each code.
    """

def number_texts(buffers: Sequence[Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)]], buffer: Annotated[NDArray[numpy.int32], dict(shape=(None,), order='C', device='cpu', writable=False)], offset: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], length: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None,))], Annotated[NDArray[numpy.int64], dict(shape=(None,))]]:
    """
    Factorizes texts. Each row has the index of its buffer, its offset in it and its length in bytes.
    """

def guard_mapping(pages: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> int:
    """
    Guards a memory-mapped file: where the file has become shorter, zeros are read instead of a SIGBUS. Returns a number for the functions below, or -1 if guards are not supported.
    """

def unguard_mapping(number: int) -> None:
    """Removes the guard; called before the file is unmapped."""

def mapping_failed(number: int) -> bool:
    """Returns whether a page that was read did not exist."""

def largest_parquet_page(file: int, start: int, stop: int, limit: int) -> int:
    """
    Returns the largest uncompressed size of the Parquet pages in a range of an open file, or of the first one beyond the limit; -1 for headers that cannot be decoded.
    """

def largest_parquet_page_in(data: bytes, offset: int, start: int, stop: int, limit: int) -> int:
    """
    Like largest_parquet_page, for the part of a file from the byte `offset` on.
    """

def parquet_chunks(file: int, size: int) -> list[tuple[int, int, int, int]] | None:
    """
    Returns the column chunks of an open Parquet file, by row group: their start, their stop, the size of their pages when decompressed, and the number of their values. None if the footer cannot be decoded.
    """

def parquet_chunks_in(data: bytes, offset: int, size: int) -> list[tuple[int, int, int, int]] | None:
    """Like parquet_chunks, for the end of a file from the byte `offset` on."""

def num_threads() -> int:
    """Returns the default number of threads."""

def runtime() -> str:
    """Returns the name of the thread runtime."""

def kernel() -> str:
    """Returns the name of the kernels in use."""

def kernels() -> list[str]:
    """Returns the values of EVENLY_KERNEL that this CPU supports."""
