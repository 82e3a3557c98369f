"""Tests of arrays and tensors of any dtype and layout."""

import logging

import ml_dtypes
import numpy as np
import pandas as pd
import pytest
import torch
import xarray
from hypothesis import given
from hypothesis import strategies as st

import evenly
from evenly.sources import ReadOptions, open_source
from small_blocks import use_block_sizes
from strategies import DTYPES, arrays, in_layout


def refusal(error, x, **options):
    with pytest.raises(error) as caught:
        evenly.fit(x, **options)
    return str(caught.value)


@given(arrays(min_rows=1), st.sampled_from(["C", "F", "every other row", "backwards", "read-only"]))
def test_any_dtype_and_layout(array, layout):
    assert evenly.fit(in_layout(array, layout)) == evenly.fit(array)


@pytest.mark.parametrize("dtype", DTYPES)
def test_tensor_equals_array(dtype):
    x = torch.arange(12).reshape(4, 3).to(getattr(torch, dtype))
    expected = evenly.fit(np.asarray(x.double()))
    assert evenly.fit(x) == expected
    assert evenly.fit(x).dtypes == (dtype,) * 3
    assert evenly.fit(x.T.contiguous().T, columns=[2, 0]) == expected.select([2, 0])


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i4", "u8", "?"])
def test_swapped_byte_order(monkeypatch, dtype):
    use_block_sizes(monkeypatch, copied_array_bytes=64)
    x = np.arange(99).reshape(33, 3).astype(dtype)
    swapped = x.astype(x.dtype.newbyteorder())
    assert len(list(open_source(swapped).blocks())) > 1 or dtype == "?"
    assert evenly.fit(swapped) == evenly.fit(x)


def test_unaligned_values():
    data = np.zeros(1 + 8 * 6, np.uint8)
    x = data[1:].view(np.float64).reshape(3, 2)
    x[:] = [[1, 2], [3, 4], [5, 6]]
    assert evenly.fit(x).mean.tolist() == [3.0, 4.0]


@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1, -4])
@pytest.mark.parametrize("size", [1, 100, 2**20])
def test_block_size_does_not_change_result(monkeypatch, axis, size):
    use_block_sizes(monkeypatch, array_bytes=size)
    x = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)
    expected = evenly.fit(np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis]).copy())
    assert evenly.fit(x, feature_axis=axis) == expected
    assert evenly.fit(torch.from_numpy(x), feature_axis=axis) == expected
    weights = np.arange(x.size // x.shape[axis]) % 3
    rows = np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis])
    assert evenly.fit(x, feature_axis=axis, weights=weights) == evenly.fit(
        np.repeat(rows, weights, axis=0)
    )


def test_blocks_are_views():
    x = np.ones((10, 3))
    for options in [{}, {"columns": [0, 1]}, {"columns": [2]}]:
        (block,) = open_source(x, ReadOptions(**options)).blocks()
        assert np.shares_memory(block.data, x)


def test_infinity_row_number_counts_all_blocks(monkeypatch):
    use_block_sizes(monkeypatch, array_bytes=100)
    x = np.zeros((50, 2))
    x[41, 1] = -np.inf
    assert "infinity in column 1, row 41 of the array" in refusal(evenly.DataError, x)


def test_one_dimensional_array_is_one_column():
    assert evenly.fit(np.arange(5)).mean.tolist() == [2.0]
    assert evenly.fit([1, 2.5, True]).mean.tolist() == [1.5]
    assert evenly.fit(torch.arange(5)).num_features == 1


def test_masked_values_are_missing():
    x = np.ma.masked_array([[1.0, 2], [3, 4]], mask=[[False, True], [False, False]])
    assert evenly.fit(x).missing.tolist() == [0, 1]
    integers = np.ma.masked_array([1, 2, 3], mask=[False, True, False], dtype=np.int32)
    assert evenly.fit(integers).mean.tolist() == [2.0]
    small = np.ma.masked_array([2**60, 2**53], mask=[True, False], dtype=np.int64)
    assert evenly.fit(small).mean.tolist() == [2.0**53]


def test_masked_integers_that_float64_rounds_are_refused_with_the_way_out():
    wide = np.ma.masked_array([1, 2**53 + 1], mask=[True, False], dtype=np.int64)
    assert refusal(evenly.UnsupportedTypeError, wide) == (
        "Values beside masked ones must be floats, or integers up to 2**53, since NaN marks the "
        "masked ones. Received: dtype int64. Pass a dict of one-dimensional columns, such as "
        "{'x': array}, whose integers are exact."
    )
    assert evenly.fit({"x": wide}).sum == [2**53 + 1]


class Masked:
    """An object whose conversion to NumPy is a masked array, such as a variable of netCDF4."""

    def __init__(self, array):
        self.array = array
        self.shape, self.dtype = array.shape, array.dtype

    def __array__(self, dtype=None, copy=None):
        return self.array

    def __len__(self):
        return len(self.array)


def test_mask_of_a_converted_object_or_of_rows_in_a_list_is_kept():
    rows = np.ma.masked_equal(np.array([[1.0, -9.0], [3.0, 5.0]]), -9.0)
    for x in (Masked(rows), [rows[0], rows[1]]):
        moments = evenly.fit(x, feature_axis=-1 if isinstance(x, Masked) else 0)
        assert moments.mean.tolist() == [2.0, 5.0]
        assert np.isnan(moments.normalize(x)).tolist() == [[False, True], [False, False]]
    column = np.ma.masked_equal(np.array([1, -9, 4]), -9)
    for values in (column, Masked(column)):
        moments = evenly.fit({"x": values})
        assert (moments.mean.tolist(), moments.missing.tolist()) == ([2.5], [1])
        assert moments.normalize({"x": values})["x"].tolist()[::2] == [-1.0, 1.0]


def test_masked_group_keys_are_missing_and_masked_weights_are_refused():
    keys = np.ma.masked_equal(np.array([1, -9, 1]), -9)
    x = np.array([1.0, 2.0, 3.0])
    for groups in (evenly.fit(x, by=keys), evenly.fit({"x": x, "k": keys}, by="k")):
        assert {key: group.mean.item() for key, group in groups.items()} == {1: 2.0, None: 2.0}
    assert "Received: nan in row 1 of weights=" in refusal(evenly.DataError, x, weights=keys)
    named = refusal(evenly.DataError, {"x": x, "k": keys}, weights="k")
    assert "Received: nan in row 1 of column 'k'" in named


def test_a_structured_array_has_named_columns():
    x = np.array([(1.0, 2, b"a"), (3.0, 4, b"b")], [("x", "f8"), ("n", "i2"), ("t", "S1")])
    source = open_source(x)
    moments = evenly.fit(source)
    assert moments.columns == ("x", "n")
    assert moments.mean.tolist() == [2.0, 3.0]
    assert source.left_out == {"t": "binary"}


@pytest.mark.parametrize(
    ("x", "dtype"),
    [
        (np.array(["a"]), "<U1"),
        (np.array([1], np.longdouble), str(np.dtype(np.longdouble))),
        (np.array([1], ml_dtypes.float8_e4m3fn), "float8_e4m3fn"),
        (torch.zeros(2).to(torch.float8_e4m3fn), "float8_e4m3fn"),
        ([[1, "a"]], "<U21"),
    ],
    ids=lambda x: str(x)[:20],
)
def test_non_numeric_dtype_is_rejected(x, dtype):
    assert refusal(evenly.UnsupportedTypeError, x) == (
        "An array must hold integers, booleans or floats of at most 64 bits. "
        f"Received: the array of dtype {dtype}. Convert it first, to float64 for example."
    )


@pytest.mark.parametrize(
    ("x", "dtype", "advice"),
    [
        (np.array([1j]), "complex128", "Fit its real and imaginary parts: x.real and x.imag."),
        (torch.zeros(2, dtype=torch.complex64), "complex64", "Fit its real and imaginary parts"),
        (np.array([b"abc"]), r"\|S3", "Decode the bytes first"),
        (np.array([1], "M8[s]"), "datetime64", "Times are fitted as a named column"),
    ],
    ids=lambda x: str(x)[:20],
)
def test_non_numeric_dtype_is_rejected_with_advice(x, dtype, advice):
    with pytest.raises(evenly.UnsupportedTypeError, match=f"of dtype {dtype}.*{advice}"):
        evenly.fit(x)


def test_ragged_list_is_rejected():
    message = refusal(evenly.UnsupportedTypeError, [[1, 2], [3]])
    assert "An array must be rectangular and numeric. Received: the array of type list" in message


def test_normalizing_sparse_data_is_rejected():
    sparse = pytest.importorskip("scipy.sparse")
    moments = evenly.fit(sparse.csr_matrix(np.eye(3)))
    with pytest.raises(evenly.UnsupportedTypeError) as caught:
        moments.normalize(sparse.csr_matrix(np.eye(3)))
    assert "csr_matrix, which is sparse. Pass x.toarray(), or a generator" in str(caught.value)
    with pytest.warns(UserWarning, match="CSR"):
        tensor = torch.eye(3).to_sparse_csr()
    assert "Pass x.to_dense()" in refusal(evenly.UnsupportedTypeError, tensor)


@pytest.mark.parametrize(
    ("shape", "axis", "message"),
    [
        ((), -1, "must have rows. Received: a single number"),
        ((2, 3), 2, r"feature_axis must be an axis of the array. Received: 2, and the array"),
        ((2, 3), -3, "feature_axis must be an axis"),
        ((4,), 0, "feature_axis must be an axis"),
        ((2, 0), -1, "must have at least one column"),
        ((0, 2), -1, "At least one row is needed"),
        ((0,), -1, "At least one row is needed"),
    ],
)
def test_shape_without_rows_or_columns_is_rejected(shape, axis, message):
    assert message in refusal(evenly.DataError, np.ones(shape), feature_axis=axis)


def test_duplicate_column_position_is_rejected():
    assert "named once" in refusal(evenly.ColumnError, np.ones((2, 3)), columns=[1, 1])
    assert "all excluded" in refusal(evenly.DataError, np.ones((2, 2)), exclude=[0, 1])


class OnDevice:
    """An array that claims to be on a GPU; ``get`` copies it to the CPU, as in CuPy."""

    def __init__(self, array):
        self._array = array
        self.shape = array.shape

    def __dlpack__(self, **options):
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return (2, 0)

    def __array__(self, dtype=None, copy=None):
        raise TypeError("implicit conversion is not allowed")

    def get(self):
        return self._array


def test_device_array_is_copied_with_warning(caplog):
    x = np.arange(6.0).reshape(3, 2)
    with caplog.at_level(logging.WARNING, logger="evenly"):
        assert evenly.fit(OnDevice(x)) == evenly.fit(x)
    assert [record.message for record in caplog.records] == [
        "OnDevice is on another device; it is copied to the CPU."
    ]


def test_tensor_that_requires_grad():
    x = torch.ones(3, 2, requires_grad=True)
    assert evenly.fit(x * 2).mean.tolist() == [2.0, 2.0]
    assert x.grad is None


def test_a_masked_structured_array_is_refused_with_the_way_out():
    fields = [("a", np.float64), ("b", np.int8)]
    array = np.ma.array([(1, 2), (3, 4)], dtype=fields, mask=[(1, 0), (0, 0)])
    with pytest.raises(evenly.UnsupportedTypeError) as refused:
        evenly.fit(array)
    assert str(refused.value) == (
        "A structured array must not be masked. Received: fields 'a', 'b'. Pass a dict of the "
        "fields: {name: x[name] for name in x.dtype.names}."
    )
    moments = evenly.fit({name: array[name] for name in array.dtype.names})
    assert moments.mean.tolist() == [3.0, 3.0]
    assert moments.missing.tolist() == [1, 0]


def test_a_field_with_fields_is_left_out_with_a_reason():
    array = np.zeros(3, [("p", [("x", float), ("y", float)]), ("q", int)])
    assert dict(evenly.fit(array).left_out) == {"p": "nested"}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("make", "received"),
    [
        (
            lambda x: torch.masked.masked_tensor(x, x > 0),
            "masked. Pass x.get_data().where(x.get_mask(), torch.nan).",
        ),
        (
            lambda x: torch.nested.nested_tensor([x, x], layout=torch.jagged),
            "nested. Pass its tensors, with the axis of their columns: x.unbind().",
        ),
        (
            lambda x: torch.quantize_per_tensor(x, 0.1, 0, torch.qint8),
            "quantized. Pass x.dequantize().",
        ),
        (
            lambda x: x.to("meta"),
            "without values, on the meta device. Pass one with values.",
        ),
    ],
    ids=["masked", "nested", "quantized", "meta"],
)
def test_tensors_without_one_number_for_each_index(make, received):
    message = refusal(evenly.UnsupportedTypeError, make(torch.ones(2, 2)))
    rule = "A tensor must hold one number for each index. Received: the array, which is "
    assert message == rule + received


def test_objects_are_refused_with_the_way_out():
    received = "An array must hold integers, booleans or floats of at most 64 bits. Received: "
    assert refusal(evenly.UnsupportedTypeError, [1.0, None]) == (
        f"{received}the array of dtype object. Numbers with None, decimals and integers beyond 64 "
        "bits can be columns of a dict: {'x': [...]}."
    )
    assert evenly.fit({"x": [1.0, None]}).missing.tolist() == [1]

    class Sample:
        def __init__(self):
            self.x = torch.ones(2)

    class Data(torch.utils.data.Dataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return Sample()

    assert refusal(evenly.UnsupportedTypeError, Data()) == (
        "Numbers must be in an array, a tensor, a data frame or a list. Received: sample 0 of type "
        "Sample. Its array attributes are 'x': pass select='x', for example."
    )
    assert evenly.fit(Data(), select="x").rows == 2


def test_dlpack_of_a_type_that_numpy_lacks():
    class Exported:
        def __init__(self, tensor):
            self.tensor = tensor

        def __dlpack__(self, **options):
            return self.tensor.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.tensor.__dlpack_device__()

    assert evenly.fit(Exported(torch.ones(2, 3))).rows == 2
    message = refusal(evenly.UnsupportedTypeError, Exported(torch.ones(2).bfloat16()))
    assert message.startswith("NumPy must be able to read an object with __dlpack__. Received: ")
    assert message.endswith("Pass torch.from_dlpack(x).")


TIMES = np.array(["2020-01-01", "2020-01-03", "NaT"], "M8[s]")


@pytest.mark.parametrize("unit", ["h", "m", "s", "ms", "us", "ns"])
@pytest.mark.parametrize("kind", ["times", "durations"])
def test_times_of_numpy_are_fitted_when_named_as_in_pandas(unit, kind):
    times = TIMES.astype(f"M8[{unit}]")
    times = times if kind == "times" else times - times[0]
    frame = pd.DataFrame({"t": times})
    expected = evenly.fit(frame, columns=["t"])
    record = np.rec.fromarrays([times], names="t")
    labeled = xarray.Dataset({"t": ("x", times)})
    masked = {"t": np.ma.masked_array(times, [False, False, True])}
    for x in ({"t": times}, record, labeled, masked):
        assert evenly.fit(x, columns=["t"]) == expected
    z = expected.normalize(frame)["t"].tolist()
    assert z[:2] == [-1.0, 1.0]
    for x in ({"t": times}, masked, labeled):
        result = np.asarray(expected.normalize(x)["t"])
        assert result[:2].tolist() == z[:2]
        assert np.isnan(result[2])
    groups = evenly.fit({"t": times, "k": ["a", "a", "b"]}, columns=["t"], by="k")
    normalized = groups["a"].normalize({"t": times[:2]})
    assert normalized["t"].tolist() == [-1.0, 1.0]


def test_days_of_numpy_are_dates_and_other_times_are_left_out():
    days = evenly.fit({"t": TIMES.astype("M8[D]")}, columns=["t"])
    assert (days.mean.tolist(), days.dtypes) == ([18263.0], ("date[day]",))
    months = {"t": TIMES.astype("M8[M]"), "d": TIMES.astype("M8[D]"), "v": np.ones(3)}
    assert dict(evenly.fit(months).left_out) == {"t": "datetime64", "d": "date"}


def test_an_array_of_times_is_refused_with_the_way_out():
    for x in (TIMES, pd.DatetimeIndex(TIMES), xarray.DataArray(TIMES, dims="x")):
        message = refusal(evenly.UnsupportedTypeError, x)
        advice = "Times are fitted as a named column: evenly.fit({'t': times}, columns=['t'])."
        assert message.endswith(f" of dtype datetime64[s]. {advice}")


@pytest.mark.parametrize("dtype", ["Int64", "int64[pyarrow]"])
def test_integers_of_an_array_of_pandas_are_exact_beside_missing_ones(dtype):
    wide = pd.array([2**60 + 1, None], dtype)
    assert "integers up to 2**53" in refusal(evenly.UnsupportedTypeError, wide)
    assert evenly.fit({"x": wide}).sum == [2**60 + 1]
    assert evenly.fit(pd.array([2**60 + 1, 3], dtype)).sum == [2**60 + 4]
    small = pd.array([1, None, 3], dtype)
    moments = evenly.fit(small)
    assert (moments.mean.tolist(), moments.missing.tolist()) == ([2.0], [1])
    assert moments.normalize(small).tolist()[::2] == [-1.0, 1.0]
    assert evenly.fit({"x": small}).normalize({"x": small})["x"].tolist()[::2] == [-1.0, 1.0]


def test_rows_as_dicts_are_refused_with_the_way_out():
    rows = [{"a": 1.0, "b": 2}, {"a": 3.0, "b": 4}]
    assert refusal(evenly.DataError, rows) == (
        "A dict in a list must have arrays, since a list has batches. Received: batch 0 with one "
        "number for each of 'a', 'b'. Pass the rows as a frame, pandas.DataFrame(rows), or one "
        "dict with a list for each column."
    )
    assert evenly.fit(pd.DataFrame(rows)).mean.tolist() == [2.0, 3.0]


class Sharded:
    """An array whose parts are on several devices, as of JAX."""

    def __init__(self, values, error=None):
        self.values, self.error = values, error
        self.shape, self.dtype, self.ndim = values.shape, values.dtype, values.ndim

    def __dlpack__(self, **_):
        raise BufferError("__dlpack__ only supported for unsharded arrays.")

    def __dlpack_device__(self):
        raise BufferError("__dlpack__ only supported for unsharded arrays.")

    def __len__(self):
        return len(self.values)

    def __array__(self, dtype=None, copy=None):
        if self.error:
            raise self.error
        return np.asarray(self.values, dtype)


def test_array_on_several_devices_is_copied():
    x = np.arange(6.0).reshape(3, 2)
    moments = evenly.fit(x)
    assert evenly.fit(Sharded(x)) == moments
    np.testing.assert_array_equal(moments.normalize(Sharded(x)), moments.normalize(x))


@pytest.mark.parametrize("error", [RuntimeError("Array has been deleted."), TypeError("a\nb")])
def test_array_that_cannot_be_converted_says_why(error):
    with pytest.raises(evenly.UnsupportedTypeError) as refused:
        evenly.fit(Sharded(np.ones((3, 2)), error))
    text = str(error).partition("\n")[0].removesuffix(".")
    assert f"Received: the array of type Sharded: {text}." in str(refused.value)
