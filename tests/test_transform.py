"""normalize and denormalize: correct to 2 ulp at any offset, for any type of x."""

import copy
import math
from fractions import Fraction

import duckdb
import ml_dtypes
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import evenly
import strategies
from evenly import ColumnError, DataError, Moments, UnsupportedTypeError, _core
from oracle import column, fraction, rounded

ROWS = np.array([[1.0, 7.0, -3.0], [2.0, 7.0, np.nan], [6.0, 7.0, 5.0]])


def fitted(array, columns=None):
    return Moments.empty(columns).update(array)


@pytest.fixture
def moments():
    return fitted(ROWS, ["a", "b", "c"])


def ulps(result, exact, dtype):
    """Return the error of a result in units in the last place of a dtype."""
    info = ml_dtypes.finfo(strategies.dtype(dtype))
    size = max(abs(exact), Fraction(float(info.tiny)))
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    exponent -= Fraction(2) ** exponent > size
    return abs(fraction(result) - exact) / (Fraction(2) ** exponent * Fraction(float(info.eps)))


def exact_normalized(value, exact, correction=0):
    """Return (x - mean) / std as a Fraction, with the root to more than 100 bits."""
    variance = exact.variance(correction) * 4**1300
    return (fraction(value) - exact.mean()) / Fraction(math.isqrt(int(variance)), 2**1300)


@pytest.mark.parametrize("offset", [0, 1e3, 1e6, 1e9])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int32", "int64"])
def test_normalize_is_within_two_ulp(dtype, offset):
    if dtype == "float16" and offset > 1e4:
        pytest.skip("beyond float16")
    spread = 1000 if offset == 1e9 else 50
    if dtype in ("float16", "bfloat16"):
        spread = max(spread, offset / 10)  # or all values would be the same
    array = (
        np.random.default_rng(3).normal(offset, spread, (300, 1)).astype(strategies.dtype(dtype))
    )
    exact = column(array[:, 0])
    result = fitted(array).normalize(array)
    name = result.dtype.name
    assert name == ("float64" if dtype.startswith("int") else dtype)
    worst = max(
        ulps(y, exact_normalized(x, exact), name)
        for x, y in zip(array[:, 0], result[:, 0], strict=True)
    )
    assert worst <= 2


@pytest.mark.parametrize(
    ("dtype", "base"), [("int64", 2**62), ("int64", -(2**63)), ("uint64", 2**63)]
)
def test_normalize_int64_beyond_float64(dtype, base):
    array = (
        (base + np.arange(50)).astype(dtype)[:, None]
        if base < 0
        else np.array([base + i for i in range(50)], dtype)[:, None]
    )
    exact = column(array[:, 0])
    result = fitted(array).normalize(array, dtype="float64")
    assert (
        max(
            ulps(y, exact_normalized(x, exact), "float64")
            for x, y in zip(array[:, 0], result[:, 0], strict=True)
        )
        <= 2
    )


@given(strategies.arrays(names=strategies.FLOATS, min_rows=1, missing=False), st.data())
def test_normalize_any_floats(array, data):
    """Including subnormals and 1e308: within 4 ulp in float64, then rounded once."""
    moments = fitted(array)
    result = moments.normalize(array, dtype="float64")
    for i in range(array.shape[1]):
        exact = column(array[:, i])
        if exact.variance() == 0:
            assert not result[:, i].any()
            continue
        for x, y in zip(array[:, i], result[:, i], strict=True):
            true = exact_normalized(x, exact)
            near = abs(Fraction(float(y)) - true)
            assert near <= abs(true) * Fraction(1, 2**50) + Fraction(1, 2**100)


@given(strategies.arrays(names=("float32", "float64"), min_rows=1))
def test_denormalize_inverts_normalize(array):
    """Up to rounding, except for the largest numbers, which may round to infinity."""
    moments = fitted(array)
    assume((moments.count > 0).all())
    assume(not (np.abs(array) > np.finfo(array.dtype).max / 2).any())
    result = moments.denormalize(moments.normalize(array))
    eps = np.finfo(array.dtype).eps
    with np.errstate(over="ignore"):
        size = np.nanmax(np.abs(array), axis=0, initial=0).astype(np.float64)
        spread = np.abs(array.astype(np.float64) / 2 - moments.mean / 2) * 2
    slack = 4 * eps * np.fmax(size, spread) + 1e-44
    same = np.isnan(array)
    np.testing.assert_array_equal(np.isnan(result), same)
    with np.errstate(over="ignore"):
        distance = np.abs(result.astype(np.float64) - array.astype(np.float64))
    assert (same | (distance <= slack)).all()


@given(st.data(), st.sampled_from(strategies.DTYPES), st.integers(1, 40))
def test_constant_becomes_zero_and_is_restored_exactly(data, dtype, rows):
    value = data.draw(strategies.values(dtype))
    array = np.full((rows, 1), value, strategies.dtype(dtype))
    moments = fitted(array)
    zeros = moments.normalize(array)
    assert not zeros.any()
    back = moments.denormalize(zeros.astype(np.float64))
    assert rounded(column(array[:, 0]).mean()) == back[0, 0]
    if dtype in strategies.FLOATS:
        np.testing.assert_array_equal(moments.denormalize(zeros), array)


def test_constant_column_maps_new_values_to_zero(moments):
    assert moments.normalize(np.array([[1.0, 8.0, 0.0]]))[0, 1] == 0


def test_constant_center_keeps_differences(moments):
    later = np.array([[1.0, 9.5, 0.0]])
    result = moments.normalize(later, constant="center")
    assert result[0, 1] == 2.5
    assert moments.denormalize(result, constant="center")[0, 1] == 9.5


def test_constant_error_names_column(moments):
    with pytest.raises(
        DataError,
        match=r"no column may be constant. Received: a variance of exactly 0 in column 'b'",
    ):
        moments.normalize(ROWS, constant="error")


def test_invalid_constant_option_raises(moments):
    with pytest.raises(DataError, match=r"one of 'zero', 'center', 'error'. Received: 'skip'"):
        moments.normalize(ROWS, constant="skip")


def test_missing_keep(moments):
    assert np.isnan(moments.normalize(ROWS)[1, 2])


def test_missing_zero(moments):
    result = moments.normalize(ROWS, missing="zero")
    assert result[1, 2] == 0
    assert moments.denormalize(result)[1, 2] == moments.mean[2]


def test_invalid_missing_option_raises(moments):
    for x in (ROWS, pd.DataFrame(ROWS, columns=["a", "b", "c"])):
        with pytest.raises(DataError, match=r"'keep' or 'zero'. Received: 'drop'"):
            moments.normalize(x, missing="drop")


def test_normalize_with_moments_of_no_rows_raises():
    with pytest.raises(DataError, match=r"needs moments of at least one row. Received: none yet"):
        Moments.empty().normalize(ROWS)
    with pytest.raises(
        DataError,
        match=r"at least one value per column. Received: no value in columns 'a', 'b', 'c'",
    ):
        Moments.empty(["a", "b", "c"]).normalize(ROWS)


def test_column_without_values_error_names_column():
    moments = fitted(np.array([[1.0, np.nan], [2.0, np.nan]]))
    with pytest.raises(DataError, match=r"no value in column 1: every row was missing"):
        moments.normalize(ROWS[:, :2])


def test_too_few_rows_for_correction_raise():
    moments = fitted(np.array([[1.0]]), ["a"])
    assert moments.normalize(np.array([[1.0]])) == 0
    with pytest.raises(DataError, match=r"more values per column than correction=1.*column 'a'"):
        moments.normalize(np.array([[1.0]]), correction=1)


def test_normalize_with_correction(moments):
    result = moments.normalize(ROWS, correction=1)
    np.testing.assert_allclose(np.nanstd(result[:, [0, 2]], axis=0, ddof=1), 1)


@pytest.mark.parametrize("correction", [-1, np.nan, np.inf, "1", None])
def test_invalid_correction_raises(moments, correction):
    with pytest.raises(DataError, match=r"correction must be a finite number, 0 or more"):
        moments.normalize(ROWS, correction=correction)


# Arrays


@pytest.mark.parametrize("given_", ["float16", "float32", "float64", "int8", "uint64", "bool"])
@pytest.mark.parametrize("dtype", [None, "float16", np.float32, np.dtype("float64"), "bfloat16"])
def test_result_dtype(given_, dtype):
    if dtype == "bfloat16":
        dtype = ml_dtypes.bfloat16
    array = np.array([[0], [1]], given_)
    result = fitted(array).normalize(array, dtype=dtype)
    defaults = {"int8": "float32", "bool": "float32", "uint64": "float64"}
    expected = dtype or defaults.get(given_, given_)
    assert result.dtype == np.dtype(expected)
    np.testing.assert_array_equal(result.astype(float), [[-1], [1]])


def test_bfloat16_arrays_stay_bfloat16():
    array = np.array([[1.0], [3.0]], ml_dtypes.bfloat16)
    result = fitted(array).normalize(array)
    assert result.dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(result.astype(float), [[-1], [1]])


@pytest.mark.parametrize("dtype", ["int32", "complex64", "U3", object])
def test_result_dtype_must_be_float(moments, dtype):
    with pytest.raises(UnsupportedTypeError, match=r"dtype must be one of float16, bfloat16"):
        moments.normalize(ROWS, dtype=dtype)


@pytest.mark.parametrize("array", [np.array([["x"]]), np.array([[1j]]), np.array([[None]])])
def test_array_that_is_not_numeric_raises(array):
    with pytest.raises(UnsupportedTypeError, match=r"integers, booleans or floats of at most 64"):
        fitted(ROWS[:, :1]).normalize(array)


def test_long_double_raises():
    with pytest.raises(UnsupportedTypeError, match=r"at most 64 bits. Received: x of dtype \w+"):
        fitted(ROWS[:, :1]).normalize(np.array([[1]], np.longdouble))


@pytest.mark.parametrize("layout", strategies.LAYOUTS)
def test_array_layouts(moments, layout):
    result = moments.normalize(strategies.in_layout(ROWS, layout))
    np.testing.assert_array_equal(result, moments.normalize(ROWS))


def test_big_endian_arrays(moments):
    result = moments.normalize(ROWS.astype(">f8"))
    np.testing.assert_array_equal(result, moments.normalize(ROWS))


def test_lists(moments):
    np.testing.assert_array_equal(moments.normalize(ROWS.tolist()), moments.normalize(ROWS))


@pytest.mark.parametrize(("shape", "axis"), [((2, 3, 4, 5), 1), ((2, 4, 5, 3), -1), ((3, 7), 0)])
def test_feature_axis(shape, axis):
    array = np.random.default_rng(0).normal(5, 2, shape).astype(np.float32)
    moments = Moments.empty().update(array, feature_axis=axis)
    result = moments.normalize(array, feature_axis=axis)
    rows = np.moveaxis(array, axis, -1).reshape(-1, 3)
    expected = fitted(rows).normalize(rows)
    np.testing.assert_array_equal(np.moveaxis(result, axis, -1).reshape(-1, 3), expected)


@pytest.mark.parametrize("axis", [-1, 1])
def test_1d_array_is_one_column(axis):
    column_ = np.array([1.0, 3.0])
    moments = Moments.empty(1).update(column_, feature_axis=axis)
    np.testing.assert_array_equal(moments.normalize(column_, feature_axis=axis), [-1, 1])


def test_masked_array(moments):
    masked = np.ma.masked_array(ROWS, [[1, 0, 0], [0, 0, 0], [0, 0, 0]])
    assert np.isnan(moments.normalize(masked)[0, 0])
    np.testing.assert_array_equal(moments.normalize(masked)[1:], moments.normalize(ROWS)[1:])


def test_unaligned_array(moments):
    memory = np.zeros(ROWS.nbytes + 1, np.uint8)
    unaligned = memory[1:].view(np.float64).reshape(3, 3)
    unaligned[...] = ROWS
    np.testing.assert_array_equal(moments.normalize(unaligned), moments.normalize(ROWS))
    assert Moments.empty(["a", "b", "c"]).update(unaligned) == moments


def test_structured_array_raises(moments):
    with pytest.raises(UnsupportedTypeError, match=r"Received: fields 'a', 'b'"):
        moments.normalize(np.zeros(3, [("a", float), ("b", float)]))


def test_normalize_no_rows(moments):
    assert moments.normalize(np.zeros((0, 3))).shape == (0, 3)


def test_wrong_number_of_features_raises(moments):
    with pytest.raises(DataError, match=r"as many features as the moments, 3. Received: 2, x of"):
        moments.normalize(ROWS[:, :2])
    with pytest.raises(DataError, match=r"A single row has two dimensions: x\[None, :\]"):
        moments.normalize(ROWS[0])
    with pytest.raises(DataError, match=r"feature_axis must be an axis of x. Received: 2"):
        moments.normalize(ROWS, feature_axis=2)


def test_out_is_returned(moments):
    out = np.empty(ROWS.shape, np.float32)
    assert moments.normalize(ROWS, out=out) is out
    np.testing.assert_array_equal(out, moments.normalize(ROWS, dtype="float32"))


def test_out_in_place(moments):
    x = ROWS.copy()
    moments.normalize(x, out=x)
    np.testing.assert_array_equal(x, moments.normalize(ROWS))


@pytest.mark.parametrize("shift", [1, -1])
def test_out_overlaps_x(shift):
    memory = np.arange(300.0)
    x = memory[1:-1, None]
    moments = fitted(x)
    expected = moments.normalize(x.copy())
    out = memory[1 + shift : len(memory) - 1 + shift, None]
    np.testing.assert_array_equal(moments.normalize(x, out=out), expected)


def test_out_shares_memory_with_smaller_dtype():
    memory = np.arange(64.0)
    x = memory.view(np.float32)[32:64, None]
    x[...] = np.arange(32, dtype=np.float32)[:, None]
    moments = fitted(x)
    expected = moments.normalize(x, dtype="float64")
    out = memory[:32, None]
    np.testing.assert_array_equal(moments.normalize(x, out=out), expected)


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        (np.empty((2, 3)), DataError, r"shape of x, \(3, 3\). Received: \(2, 3\)"),
        (np.empty((3, 3), int), UnsupportedTypeError, "floating dtype. Received: int64"),
        ([[0.0]], UnsupportedTypeError, "writable NumPy array.*Received: list"),
        (np.broadcast_to(0.0, (3, 3)), UnsupportedTypeError, "writable NumPy array"),
    ],
)
def test_invalid_out_raises(moments, out, error, message):
    with pytest.raises(error, match=message):
        moments.normalize(ROWS, out=out)


def test_out_and_dtype_must_agree(moments):
    with pytest.raises(UnsupportedTypeError, match=r"float32 as requested. Received: float64"):
        moments.normalize(ROWS, out=np.empty_like(ROWS), dtype="float32")


def test_infinity_stays_infinity():
    moments = fitted(ROWS[:, :1])
    result = moments.normalize(np.array([[np.inf], [-np.inf]]))
    np.testing.assert_array_equal(result, [[np.inf], [-np.inf]])


class OnlyDlpack:
    """An array that only supports DLPack."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_dlpack_array(moments):
    result = moments.normalize(OnlyDlpack(ROWS))
    np.testing.assert_array_equal(result, moments.normalize(ROWS))


# Tensors


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "int64", "bool"])
def test_normalize_tensor_matches_array(torch, dtype):
    x = torch.tensor([[0.0], [1.0], [5.0]]).to(getattr(torch, dtype))
    array = x.to(torch.float64).numpy()
    moments = fitted(array)
    result = moments.normalize(x)
    assert result.dtype == (x.dtype if x.dtype.is_floating_point else torch.float32)
    expected = torch.from_numpy(moments.normalize(array)).to(result.dtype)
    assert torch.equal(result, expected)


def test_tensor_keeps_channels_last(torch):
    x = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
    moments = Moments.empty().update(x, feature_axis=1)
    result = moments.normalize(x, feature_axis=1)
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(result, moments.normalize(x.contiguous(), feature_axis=1))


def test_gradients(torch, moments):
    x = torch.tensor(ROWS[[0, 2]], requires_grad=True)
    moments.normalize(x).sum().backward()
    stds = torch.tensor(moments.std())
    expected = torch.where(stds > 0, 1 / stds, 0).expand(2, 3)
    torch.testing.assert_close(x.grad, expected)


def test_torch_operations_match_kernel(torch):
    x = torch.randn(100, 3) * 5 + 1e6
    moments = fitted(x)
    tracked = moments.normalize(x.clone().requires_grad_()).detach()
    assert torch.equal(tracked, moments.normalize(x))
    back = moments.denormalize(tracked.clone().requires_grad_()).detach()
    assert torch.equal(back, moments.denormalize(tracked))


def test_tensor_under_no_grad_uses_kernel(torch, moments):
    x = torch.tensor(ROWS, requires_grad=True)
    with torch.no_grad():
        assert not moments.normalize(x).requires_grad


def test_tensor_out(torch, moments):
    x = torch.tensor(ROWS)
    out = torch.empty(3, 3, dtype=torch.bfloat16)
    assert moments.normalize(x, out=out) is out
    assert torch.equal(out.isnan(), x.isnan())
    moments.normalize(x, out=x)
    np.testing.assert_array_equal(x.numpy(), moments.normalize(ROWS))


def test_invalid_tensor_out_raises(torch, moments):
    x = torch.tensor(ROWS)
    with pytest.raises(UnsupportedTypeError, match=r"must be a tensor on cpu.*ndarray"):
        moments.normalize(x, out=np.empty((3, 3)))
    with pytest.raises(DataError, match=r"shape of x, \(3, 3\). Received: \(2, 3\)"):
        moments.normalize(x, out=torch.empty(2, 3))
    with pytest.raises(UnsupportedTypeError, match=r"floating dtype. Received: torch.int64"):
        moments.normalize(x, out=torch.empty(3, 3, dtype=torch.int64))
    with pytest.raises(UnsupportedTypeError, match=r"cannot carry a gradient"):
        moments.normalize(x.clone().requires_grad_(), out=torch.empty(3, 3))


def test_complex_and_sparse_tensors_raise(torch, moments):
    for x in (torch.zeros(2, 3, dtype=torch.complex64), torch.eye(3).to_sparse()):
        with pytest.raises(UnsupportedTypeError, match=r"must be dense, of integers, booleans"):
            moments.normalize(x)


def test_tensors_with_extreme_columns(torch):
    array = np.array([[1.7e308, 5e-324], [-1.7e308, 0.0], [-1.7e308, 1e-323]])
    moments = fitted(array)
    expected = moments.normalize(array)
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(moments.normalize(torch.tensor(array)).numpy(), expected)
    np.testing.assert_allclose(moments.denormalize(torch.tensor(expected)).numpy(), array)


# Frames


def nullable(frame):
    """Return a pandas frame with nullable dtypes."""
    types = {"float64": "Float64", "float32": "Float32", "int32": "Int32", "int64": "Int64"}
    types["bool"] = "boolean"
    kinds = {name: types[str(kind)] for name, kind in frame.dtypes.items() if str(kind) in types}
    return frame.astype(kinds)


KINDS = {
    "pandas": lambda frame: frame,
    "pandas arrow": lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
    "pandas nullable": nullable,
    "polars": pl.from_pandas,
    "polars lazy": lambda frame: pl.from_pandas(frame).lazy(),
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "record batch": lambda frame: pa.RecordBatch.from_pandas(frame, preserve_index=False),
    "duckdb": lambda frame: duckdb.connect().from_arrow(pa.Table.from_pandas(frame)),
}


def make(kind, frame):
    return KINDS[kind](frame)


def to_pandas(frame):
    """Convert any frame to pandas, with NaN for nulls."""
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if hasattr(frame, "to_arrow_table"):
        frame = frame.to_arrow_table()
    if not isinstance(frame, pd.DataFrame):
        frame = frame.to_pandas()
    return frame


def numbers(frame, names):
    return to_pandas(frame)[names].astype("float64").to_numpy(na_value=np.nan)


@pytest.fixture
def people():
    return pd.DataFrame(
        {
            "name": ["Ann", "Bob", "Cid"],
            "c": ROWS[:, 2],
            "a": ROWS[:, 0].astype(np.float32),
            "b": ROWS[:, 1].astype(np.int32),
        }
    )


@pytest.mark.parametrize("kind", KINDS)
def test_normalize_frame_keeps_type(kind, people, moments):
    frame = make(kind, people)
    result = moments.normalize(frame)
    assert type(result) is type(frame)
    assert list(to_pandas(result).columns) == ["name", "c", "a", "b"]
    assert to_pandas(result)["name"].tolist() == ["Ann", "Bob", "Cid"]
    expected = moments.normalize(ROWS)
    if kind != "pandas arrow":  # there pandas converts whole floats to int64
        expected[:, 0] = expected[:, 0].astype(np.float32)
    np.testing.assert_array_equal(numbers(result, ["a", "b", "c"]), expected)
    np.testing.assert_allclose(numbers(moments.denormalize(result), ["a", "b", "c"]), ROWS)


@pytest.mark.parametrize("kind", ["polars", "pyarrow", "record batch"])
def test_nulls_and_nan_in_frame_are_kept(kind):
    table = pa.table({"a": pa.array([1.0, None, float("nan"), 3.0])})
    frames = {
        "polars": pl.from_arrow(table),
        "pyarrow": table,
        "record batch": table.to_batches()[0],
    }
    moments = fitted(np.array([1.0, 3.0]), ["a"])
    result = moments.normalize(frames[kind])
    column_ = result.to_arrow()["a"] if kind == "polars" else result["a"]
    assert column_.null_count == 1
    assert np.isnan(column_[2].as_py())
    filled = moments.normalize(frames[kind], missing="zero")
    np.testing.assert_array_equal(numbers(filled, ["a"]).ravel(), [-1, 0, 0, 1])


def test_pandas_index_is_kept(people, moments):
    people.index = [7, 5, 3]
    assert moments.normalize(people).index.tolist() == [7, 5, 3]
    assert moments.normalize(people)["a"].dtype == np.float32
    assert moments.normalize(people)["b"].dtype == np.float64  # int32
    assert moments.normalize(people)["c"].dtype == np.float64


@pytest.mark.parametrize("kind", KINDS)
def test_normalize_int64_column_of_frame(kind):
    values = np.array([2**62, 2**62 + 1, 2**62 + 5])
    moments = fitted(values, ["t"])
    result = moments.normalize(make(kind, pd.DataFrame({"t": values})), dtype="float64")
    expected = moments.normalize(values, dtype="float64")
    np.testing.assert_array_equal(numbers(result, ["t"]).ravel(), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_booleans_in_frame_are_0_and_1(kind):
    values = np.array([True, False])
    result = fitted(values, ["t"]).normalize(make(kind, pd.DataFrame({"t": values})))
    np.testing.assert_array_equal(numbers(result, ["t"]).ravel(), [1, -1])


def test_frame_without_column_raises(people, moments):
    with pytest.raises(ColumnError, match=r"Missing: 'b'. Unknown to the moments: 'name', 'B'"):
        moments.normalize(people.rename(columns={"b": "B"}))


def test_text_in_fitted_column_raises(people, moments):
    people["a"] = "x"
    with pytest.raises(UnsupportedTypeError, match=r"Received: column 'a' of type text"):
        moments.normalize(people)


def test_frame_with_unnamed_moments_raises(people):
    with pytest.raises(ColumnError, match=r"these moments have no column names"):
        fitted(ROWS).normalize(people)


def test_frame_with_out_raises(people, moments):
    with pytest.raises(UnsupportedTypeError, match=r"out= takes an array or a tensor"):
        moments.normalize(people, out=np.empty((3, 3)))


def test_frame_in_half_precision_raises(people, moments):
    with pytest.raises(UnsupportedTypeError, match=r"float32 or float64. Received"):
        moments.normalize(people, dtype="float16")


def test_unsupported_frame_raises(moments):
    class Sheet:
        columns = ("a", "b", "c")

    with pytest.raises(UnsupportedTypeError, match=r"pandas, polars.*Received: \S*Sheet"):
        moments.normalize(Sheet())


def test_series_is_normalized_like_array():
    values = pl.Series("a", [1.0, 3.0])
    np.testing.assert_array_equal(fitted(np.array([1.0, 3.0]), ["a"]).normalize(values), [-1, 1])


def test_frames_with_extreme_columns():
    array = np.array([[1.7e308, 5e-324], [-1.7e308, 0.0], [-1.7e308, 1e-323]])
    moments = fitted(array, ["a", "b"])
    expected = moments.normalize(array)
    result = moments.normalize(pl.DataFrame(array, schema=["a", "b"]))
    np.testing.assert_array_equal(result.to_numpy(), expected)
    np.testing.assert_array_equal(moments.denormalize(result).to_numpy(), array)


# What the arithmetic needs


def test_mean_needs_two_float64():
    """Without lo, the error of a value near a large mean is far above 2 ulp."""
    array = np.array([1e15, 1e15 + 1 / 8, 1e15 + 1 / 8])[:, None]
    moments = fitted(array)
    exact = column(array[:, 0])
    scaling = moments._scaling(inverse=False, constant="zero", correction=0)
    assert scaling.lo[0] != 0
    out = np.empty_like(array)
    _core.scale(array, out, -1, scaling.hi, np.zeros(1), scaling.factor)
    assert ulps(out[0, 0], exact_normalized(array[0, 0], exact), "float64") > 1e14
    best = moments.normalize(array)
    assert ulps(best[0, 0], exact_normalized(array[0, 0], exact), "float64") <= 2


def test_hi_and_lo_are_correctly_rounded():
    moments = copy.deepcopy(fitted(np.array([[0.1], [0.2], [0.4], [0.3e9]])))
    scaling = moments._scaling(inverse=True, constant="zero", correction=0)
    mean = moments.sum[0] / 4
    assert scaling.hi[0] == rounded(mean)
    assert scaling.lo[0] == rounded(mean - Fraction(scaling.hi[0]))


def test_pandas_null_stays_missing():
    """Whether it is NaN or NA depends on the arithmetic of pandas."""
    frame = pd.DataFrame({"a": pd.array([1, None, 3], dtype="Int64")})
    result = fitted(np.array([1.0, 3.0]), ["a"]).normalize(frame)
    assert result["a"].isna().tolist() == [False, True, False]
    assert str(result["a"].dtype) == "Float64"


@pytest.mark.parametrize("kind", ["pandas", "polars", "polars lazy", "pyarrow", "record batch"])
def test_timestamps_in_frame(kind):
    ticks = np.array([1357016400000000000, 0, 1357016400000000512], np.int64)
    times = ticks.view("datetime64[ns]").copy()
    times[1] = np.datetime64("NaT")
    frame = make(kind, pd.DataFrame({"t": times}))
    moments = evenly.fit(frame, columns=["t"])
    result = moments.normalize(frame, dtype="float64")
    np.testing.assert_array_equal(numbers(result, ["t"]).ravel(), [-1, np.nan, 1])


def test_timestamps_in_another_unit_raise(tmp_path):
    """Regression: fitted in microseconds, applied in nanoseconds, it returned 1.9e7, not 1.2."""
    pl = pytest.importorskip("polars")
    times = pl.Series("t", [1_700_000_000, 1_700_000_060]).cast(pl.Datetime("us"))
    moments = evenly.fit(pl.DataFrame([times]), columns=["t"])
    moments.save(tmp_path / "times.json")
    loaded = evenly.load(tmp_path / "times.json")
    assert loaded.dtypes == ("timestamp[us]",)
    other = pl.DataFrame([times.dt.cast_time_unit("ns")])
    message = r"column 't' as timestamp\[us\] on one side and as timestamp\[ns\] on the other"
    with pytest.raises(evenly.DataError, match=message):
        loaded.normalize(other)
    with pytest.raises(evenly.DataError, match=message):
        loaded + evenly.fit(other, columns=["t"])
    with pytest.raises(evenly.DataError, match="as timestamp"):
        loaded.normalize(pl.DataFrame({"t": [1, 2]}))
    assert loaded.normalize(pl.DataFrame([times]), dtype="float64")["t"].to_list() == [-1.0, 1.0]
