"""Moments: updates, statistics, addition, subtraction and errors."""

import copy
import os
import pickle
import threading

import ml_dtypes
import numpy as np
import pandas as pd
import pytest

import evenly
from evenly import ColumnError, DataError, Moments, UnsupportedTypeError
from evenly.block import Block, Column

ROWS = np.array([[1.0, 7.0], [2.0, np.nan], [6.0, 9.0]])


def fitted(rows, columns=None):
    return Moments.empty(columns).update(np.asarray(rows, float))


@pytest.fixture
def monday():
    return fitted(ROWS, ["a", "b"])


@pytest.fixture
def tuesday():
    return fitted([[4.0, 1.0]], ["a", "b"])


# Read-outs


def test_statistics_of_rows(monday):
    assert monday.columns == ("a", "b")
    assert monday.num_features == 2
    assert monday.dtypes == ("float64", "float64")
    assert monday.rows == 3
    assert monday.count.tolist() == [3, 2]
    assert monday.missing.tolist() == [0, 1]
    assert monday.mean.tolist() == [3, 8]
    assert monday.variance(correction=1).tolist() == [7, 2]
    assert monday.std().tolist() == [(14 / 3) ** 0.5, 1]
    assert monday.min.tolist() == [1, 7]
    assert monday.max.tolist() == [6, 9]
    assert monday.sum == [9, 16]
    assert monday.sum_of_squares == [41, 130]


def test_counts_are_integers_without_weights(monday):
    assert monday.count.dtype == np.int64
    assert fitted([[1.0]]).update(np.ones((1, 1)), weights=[0.5]).count.tolist() == [1.5]


def test_variance_of_too_few_rows_is_nan():
    moments = fitted([[1.0]])
    assert moments.variance().tolist() == [0]
    assert np.isnan(moments.variance(correction=1)).all()
    assert np.isnan(moments.std(correction=1.5)).all()


def test_mean_of_no_rows_is_nan():
    moments = Moments.empty(2)
    for values in (moments.mean, moments.variance(), moments.std(), moments.min, moments.max):
        assert np.isnan(values).all()
    assert moments.count.tolist() == [0, 0]
    assert not moments.constant.any()


def test_statistics_change_after_update(monday):
    assert monday.mean[0] == 3
    monday.update(np.array([[7.0, 7.0]]))
    assert monday.mean[0] == 4


def test_statistics_are_copies(monday):
    for read in (lambda: monday.mean, lambda: monday.count, lambda: monday.min, monday.std):
        before = read().copy()
        read()[:] = -1
        np.testing.assert_array_equal(read(), before)


def test_mean_of_huge_numbers_does_not_overflow():
    moments = fitted([[1.7e308], [1.7e308], [-1e308]])
    assert moments.mean[0] == 0.8e308
    assert np.isinf(moments.variance()[0])
    assert np.isfinite(moments.std()[0])


def test_integers_beyond_float64_are_summed_exactly():
    moments = Moments.empty(1).update(np.array([2**63 - 1, 2**63 - 2], np.int64))
    assert moments.sum == [2**64 - 3]
    assert moments.max[0] == 2.0**63


@pytest.mark.parametrize("correction", [-0.5, np.inf, "one"])
def test_invalid_correction_raises(monday, correction):
    with pytest.raises(DataError, match=r"correction must be a finite number, 0 or more"):
        monday.std(correction=correction)


@pytest.mark.parametrize("correction", [1, True, np.int64(1), np.float32(1), 1.0])
def test_correction_of_any_numeric_type(monday, correction):
    np.testing.assert_array_equal(monday.variance(correction), [7, 2])


# Updating


@pytest.mark.parametrize("dtype", ["float32", "int8", "uint64", "bool", "float16", ">f4"])
def test_update_with_any_dtype(dtype):
    x = np.array([[0, 1], [1, 1]], dtype)
    moments = Moments.empty().update(x).update(x)
    assert moments.sum == [2, 4]
    assert moments.rows == 4


def test_update_with_bfloat16():
    x = np.array([[1.5], [2.5]], ml_dtypes.bfloat16)
    moments = Moments.empty().update(x).update(x)
    assert moments.sum == [8]
    assert moments.dtypes == ("bfloat16",)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int64", "bool"])
def test_update_with_tensors(dtype):
    torch = pytest.importorskip("torch")
    x = torch.tensor([[0, 1], [1, 1]]).to(getattr(torch, dtype))
    moments = Moments.empty().update(x).update(x).update(x.t())
    assert moments.sum == [3, 6]
    assert moments.dtypes == (dtype, dtype)


def test_update_with_tensor_that_requires_grad():
    torch = pytest.importorskip("torch")
    x = torch.ones(2, 1, requires_grad=True)
    assert Moments.empty().update(x).update(x).update(torch.ones(1, 1)).sum == [5]


def test_update_with_images_by_channel():
    images = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)
    moments = Moments.empty().update(images, feature_axis=1).update(images, feature_axis=1)
    assert moments.num_features == 3
    assert moments.rows == 2 * 2 * 4 * 5
    assert moments.sum == [2 * int(images[:, i].sum()) for i in range(3)]


def test_update_with_block_of_columns():
    validity = np.packbits([1, 0, 1], bitorder="little")
    columns = (Column(np.array([1.0, 2.0, 3.0]), validity), Column(np.array([1, 2, 3], np.int8)))
    moments = Moments.empty().update(Block(("x", "y"), columns))
    assert moments.sum == [4, 6]
    assert moments.missing.tolist() == [1, 0]
    assert moments.dtypes == ("float64", "int8")


def test_update_with_columns_in_another_order(monday):
    monday.update(pd.DataFrame({"b": [100.0], "a": [1.0]}))
    assert monday.sum == [10, 116]


def test_update_with_other_names_raises(monday):
    before = monday.copy()
    with pytest.raises(ColumnError, match=r"Missing: 'b'; unknown: 'c'"):
        monday.update(pd.DataFrame({"a": [1.0], "c": [1.0]}))
    assert monday == before
    assert monday.rows == before.rows


def test_update_unnamed_moments_with_names_raises():
    with pytest.raises(ColumnError, match=r"Either both sides must have column names, or neither"):
        fitted([[1.0]]).update(pd.DataFrame({"a": [1.0]}))


def test_update_with_another_number_of_columns_raises(monday):
    with pytest.raises(ColumnError, match=r"Received: .*3"):
        monday.update(np.zeros((1, 3)))
    with pytest.raises(ColumnError, match=r"the same number of columns. Received: 1 and 3"):
        fitted([[1.0]]).update(np.zeros((1, 3)))


def test_infinity_error_names_column_and_first_row(monday):
    before = monday.copy()
    rows = np.array([[0.0, 0.0], [1.0, np.inf], [-np.inf, 1.0]])
    for x in (rows, rows):  # the second time takes the short way
        with pytest.raises(DataError, match=r"infinity in column 'a', row 2") as error:
            monday.update(x)
        assert 'infinite="missing"' in str(error.value)
    assert monday == before
    assert monday.rows == 3


def test_infinite_missing(monday):
    monday.update(np.array([[np.inf, 1.0]]), infinite="missing")
    assert monday.missing.tolist() == [1, 1]


def test_invalid_infinite_option_raises(monday):
    with pytest.raises(DataError, match=r"infinite must be 'error' or 'missing'"):
        monday.update(ROWS, infinite="ignore")


def test_infinity_error_counts_rows_of_label():
    block = Block(("x",), np.array([[1.0], [np.inf]]), label="flights.csv", first_row=1000)
    with pytest.raises(DataError, match=r"column 'x', row 1001 of flights.csv"):
        Moments.empty().update(block)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 2], r"one number per row: shape \(3,\). Received: shape \(2,\)"),
        ([1, -2, 1], r"finite and not negative. Received: -2.0 in row 1"),
        ([1, 1, np.nan], r"Received: nan in row 2"),
        ([np.inf, 1, 1], r"Received: inf in row 0"),
    ],
)
def test_invalid_weights_raise(monday, weights, message):
    before = monday.copy()
    with pytest.raises(DataError, match=message):
        monday.update(Block(None, ROWS, weights=np.array(weights, float)))
    assert monday == before


def test_block_with_weights():
    block = Block(None, np.array([[1.0], [5.0]]))
    assert Moments.empty().update(block, weights=[3, 1]).sum == [8]


def test_weight_zero_skips_row():
    moments = Moments.empty().update(np.array([[1.0], [5.0]]), weights=[1, 0])
    assert moments == fitted([[1.0]])
    assert moments.max.tolist() == [1]


@pytest.mark.parametrize("x", [np.array([["x"]]), np.array([[1j]])])
def test_update_with_other_types_raises(x):
    with pytest.raises((UnsupportedTypeError, DataError)):
        Moments.empty(1).update(x)


@pytest.mark.parametrize("axis", [1.0, (0, 1)])
def test_feature_axis_that_is_no_integer_raises(axis):
    with pytest.raises(DataError, match=r"must be the number of an axis\. Received: .*Pass 1 or"):
        evenly.fit(ROWS, feature_axis=axis)
    with pytest.raises(DataError, match=r"must be the number of an axis"):
        fitted(ROWS).normalize(ROWS, feature_axis=axis)


def test_invalid_feature_axis_raises():
    with pytest.raises((DataError, UnsupportedTypeError), match=r"axis"):
        Moments.empty().update(ROWS, feature_axis=2)


def test_dtypes_are_merged_in_updates():
    moments = Moments.empty().update(np.ones((1, 1), np.float32)).update(np.ones((1, 1), np.int8))
    assert moments.dtypes == ("float32|int8",)
    other = Moments.empty().update(np.ones((1, 1), np.int8)).update(np.ones((1, 1), np.float32))
    assert other.dtypes == moments.dtypes


# The group


def test_add_and_subtract(monday, tuesday):
    week = monday + tuesday
    assert week == tuesday + monday == sum([monday, tuesday]) == evenly.merge([monday, tuesday])
    assert week - tuesday == monday
    assert week - monday - tuesday == Moments.empty()
    assert week.rows == 4
    assert (week - tuesday).rows == 3


def test_add_does_not_change_operands(monday, tuesday):
    before = monday.copy()
    week = monday + tuesday
    week.update(ROWS)
    assert monday == before
    assert monday.mean.tolist() == before.mean.tolist()


def test_iadd_returns_new_moments(monday, tuesday):
    same = monday
    same += tuesday
    assert monday.rows == 3
    assert same == monday + tuesday


def test_sum_of_one_is_a_copy(monday):
    total = sum([monday])
    total.update(ROWS)
    assert monday.rows == 3


def test_merge_of_nothing_is_empty():
    assert evenly.merge([]) == Moments.empty()


@pytest.mark.parametrize("columns", [None, 7, ["x"]])
def test_empty_moments_are_the_identity(monday, columns):
    zero = Moments.empty(columns)
    for total in (zero + monday, monday + zero, evenly.merge([zero, monday, zero])):
        assert total == monday
        assert total.columns == ("a", "b")
    assert monday - zero == monday


def test_column_order_does_not_matter(monday):
    swapped = monday.select(["b", "a"])
    assert swapped == monday
    assert (monday + swapped).sum == [18, 32]


def test_add_with_different_names_raises(monday):
    other = fitted([[1.0, 2.0, 3.0]], ["b", "c", "d"])
    with pytest.raises(ColumnError, match=r"Missing: 'a'; unknown: 'c', 'd'"):
        monday + other
    with pytest.raises(ColumnError, match=r"'a', 'b' on one side, 2 columns without names"):
        monday + fitted(ROWS)
    with pytest.raises(ColumnError, match=r"the same number of columns. Received: 2 and 1"):
        fitted(ROWS) + fitted([[1.0]])
    assert monday != other
    assert monday != fitted(ROWS)


def test_subtract_rows_never_added_raises(monday, tuesday):
    with pytest.raises(DataError, match=r"exceed the total in column 'a': count 3 of 1"):
        tuesday - monday
    with pytest.raises(DataError, match=r"sum of squares 1e\+10 of 130"):
        monday - fitted([[1.0, 1e5]], ["a", "b"])
    assert monday.rows == 3


def test_min_and_max_are_bounds_after_subtraction(monday, tuesday):
    rest = (monday + tuesday) - tuesday
    assert rest.extremes_are_bounds
    assert not monday.extremes_are_bounds
    assert rest.min.tolist() == [1, 1]
    assert "min and max are bounds" in repr(rest)
    assert "min and max are bounds" in rest._repr_html_()
    assert (rest + monday).extremes_are_bounds


def test_column_empty_after_subtraction_has_no_extremes(monday):
    assert np.isnan((monday - monday).min).all()


def test_add_other_types_raises(monday):
    for other in (1, None, ROWS):
        with pytest.raises(TypeError):
            monday + other
        with pytest.raises(TypeError):
            monday - other
    assert monday != 1


def test_moments_are_not_hashable_or_iterable(monday):
    with pytest.raises(TypeError, match=r"unhashable"):
        hash(monday)
    with pytest.raises(TypeError, match=r"not iterable"):
        iter(monday)


def test_sources_are_merged(monday, tuesday):
    monday.sources = ["monday.csv"]
    tuesday.sources = ["a.csv", "tuesday.csv"]
    week = monday + tuesday
    assert week.sources == ("a.csv", "monday.csv", "tuesday.csv") == (tuesday + monday).sources
    assert (week - tuesday).sources == ("monday.csv",)
    assert Moments.empty(1, sources=["x"]).sources == ("x",)


def test_rows_of_missing_values_count():
    missing = fitted([[np.nan]])
    assert missing != Moments.empty(1)
    assert fitted([[1.0]]) + missing - missing == fitted([[1.0]])


# Parts and copies


def test_select_by_name(monday):
    assert monday["b"].columns == ("b",)
    assert monday["b", "a"].mean.tolist() == [8, 3]
    assert monday.select(["b"]) == monday["b"]
    assert fitted(ROWS)[1].mean.tolist() == [8]


@pytest.mark.parametrize("names", ["x", ["a", "x"], 0])
def test_select_unknown_column_raises(monday, names):
    with pytest.raises(ColumnError, match=r"Unknown: ('x'|0). The moments have 'a', 'b'"):
        monday[names]
    with pytest.raises(ColumnError, match=r"Unknown: 2. The moments have 2 columns without"):
        fitted(ROWS)[2]


def test_select_column_twice_raises(monday):
    with pytest.raises(ColumnError, match=r"selected only once. Received: 'a', 'a'"):
        monday["a", "a"]


def test_one_name_is_a_list_of_one():
    """Not its letters."""
    moments = fitted(ROWS, ["height", "b"])
    assert moments.select("height").columns == ("height",)
    assert fitted(ROWS).select(np.int64(1)).mean.tolist() == [8]
    assert Moments.empty("height").columns == ("height",)


@pytest.mark.parametrize("mask", [[True, False], np.array([True, False]), True])
def test_mask_is_not_taken_for_positions(mask):
    """True is 1 in Python, so the mask would have selected both columns, in reverse."""
    message = "Columns are chosen by names and positions.*Received: .*bool.*For a mask"
    for choose in (
        lambda: fitted(ROWS).select(mask),
        lambda: fitted(ROWS, ["a", "b"]).select(mask),
        lambda: evenly.fit(ROWS, columns=mask),
        lambda: evenly.fit(ROWS, exclude=mask),
        lambda: evenly.fit(pd.DataFrame(ROWS, columns=["a", "b"]), columns=mask),
        lambda: evenly.fit(ROWS, by=np.arange(3)).select(mask),
    ):
        with pytest.raises(ColumnError, match=message):
            choose()


@pytest.mark.parametrize("columns", [slice(1), len, None])
def test_what_is_neither_name_nor_position_raises(monday, columns):
    with pytest.raises(ColumnError, match=r"names and positions.*for a slice, pass a range"):
        monday.select(columns)


def test_labels_of_pandas_that_are_numbers_or_dates():
    frame = pd.DataFrame(ROWS, columns=[0.5, 1.5])
    assert evenly.fit(frame, columns=[1.5]).columns == ("1.5",)
    frame.columns = pd.to_datetime(["2020-01-01", "2021-01-01"])
    moments = evenly.fit(frame, columns=frame.columns[:1])
    assert moments == evenly.fit(frame).select(frame.columns[:1])
    assert moments.columns == ("2020-01-01 00:00:00",)


@pytest.mark.parametrize("columns", [-1, 2.0])
def test_empty_moments_of_no_number_of_columns_raise(columns):
    with pytest.raises(DataError, match=rf"must be a number, 0 or more.*Received: {columns}"):
        Moments.empty(columns)


@pytest.mark.parametrize("parts", [Moments.empty(1), {"a": Moments.empty(1)}, None, 3])
def test_merge_of_one_value_raises(parts):
    with pytest.raises(UnsupportedTypeError, match=r"merge adds several.*Pass a list of them"):
        evenly.merge(parts)


def test_content_of_a_file_that_is_text_raises(monday):
    text = monday.to_bytes().decode()
    with pytest.raises(UnsupportedTypeError, match=r"is bytes.*Received: str\. Pass text.encode"):
        Moments.from_bytes(text)
    assert Moments.from_bytes(bytearray(text.encode())) == monday


@pytest.mark.parametrize("number", [3.0, np.float32(3), np.array(3.0)])
def test_a_single_number_is_not_normalized(number):
    with pytest.raises(DataError, match=r"x must have rows\. Received: a single number.*\[\[3"):
        fitted(ROWS[:, :1]).normalize(number)


def test_column_names_must_be_unique_strings():
    with pytest.raises(ColumnError, match=r"must be a string. Received: 1"):
        Moments.empty(["a", 1])
    with pytest.raises(ColumnError, match=r"Received twice: 'a'"):
        Moments.empty(["a", "b", "a"])


@pytest.mark.parametrize(
    "twin",
    [
        copy.copy,
        copy.deepcopy,
        Moments.copy,
        lambda moments: pickle.loads(pickle.dumps(moments)),
        lambda moments: pickle.loads(pickle.dumps(moments, protocol=0)),
    ],
)
def test_copies_are_independent(monday, twin):
    monday.sources = ["x"]
    other = twin(monday)
    for name in ("columns", "dtypes", "rows", "sources", "extremes_are_bounds"):
        assert getattr(other, name) == getattr(monday, name)
    np.testing.assert_array_equal(other.max, monday.max)
    assert other == monday
    assert other.update(ROWS) != monday


def test_pickle_keeps_every_bit():
    hard = Moments.empty().update(np.array([[5e-324], [1.7e308]]), weights=[0.1, 3])
    hard.update(np.array([[2**63 - 1]]))
    other = pickle.loads(pickle.dumps(hard - fitted([[0.0]])))
    assert other == hard - fitted([[0.0]])
    assert other.extremes_are_bounds
    assert other._state.extremes() == hard._state.extremes()


# Seen by people


def test_repr_is_a_short_table(monday):
    assert repr(monday).splitlines() == [
        "Moments of 2 columns, 3 rows",
        "column  count  missing  mean      std  min  max",
        "a           3        0     3  2.16025    1    6",
        "b           2        1     8        1    7    9",
    ]
    assert repr(Moments.empty()) == "Moments of 0 columns, 0 rows"


def test_repr_omits_middle_of_many_columns():
    lines = repr(fitted(np.ones((2, 1000)))).splitlines()
    assert len(lines) == 1 + 1 + 12 + 1 + 4
    assert lines[14] == "(984 more)"
    assert lines[-1].startswith("999")


def test_repr_with_any_name_and_without_values():
    moments = fitted([[1.0, np.nan]], ["new\nline", "x" * 100])
    assert "new\\nline" in repr(moments)
    assert "x" * 39 + "…" in repr(moments)
    assert repr(moments).splitlines()[-1].split()[1:] == ["0", "1", "-", "-", "-", "-"]


def test_repr_html_escapes_names():
    html = fitted([[1.0]], ["<script>"])._repr_html_()
    assert html.startswith("<div><p>Moments of 1 column, 1 row</p><table>")
    assert "<td>&lt;script&gt;</td>" in html


# Several threads, and processes


def test_concurrent_updates_and_reads():
    rng = np.random.default_rng(5)
    parts = [rng.normal(1e6, 1, (200, 3)).astype(np.float32) for _ in range(40)]
    moments = Moments.empty()
    start = threading.Barrier(5)

    def work(mine):
        start.wait()
        for part in mine:
            moments.update(part)

    def read():
        start.wait()
        for _ in range(50):
            assert (moments.count >= 0).all()
            assert not (moments.variance() < 0).any()

    threads = [threading.Thread(target=work, args=[parts[i::4]]) for i in range(4)]
    threads.append(threading.Thread(target=read))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = Moments.empty().update(np.concatenate(parts))
    assert moments == whole
    assert moments.rows == whole.rows
    np.testing.assert_array_equal(moments.mean, whole.mean)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_update_after_fork():
    rows = np.random.default_rng(0).normal(size=(100_000, 8))
    moments = Moments.empty().update(rows)
    child = os.fork()
    if child == 0:
        moments.update(rows)
        os._exit(0 if moments == evenly.merge([Moments.empty().update(rows)] * 2) else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_package_imports_lazily():
    assert "fit" in evenly.__all__
    assert callable(evenly.merge)
    assert evenly.__version__.count(".") == 2
    with pytest.raises(AttributeError, match=r"module 'evenly' has no attribute 'fti'"):
        evenly.fti  # noqa: B018


def test_tensor_with_lazy_negation():
    """Regression: torch cannot convert such a tensor, and a Block raised its RuntimeError."""
    torch = pytest.importorskip("torch")
    lazy = torch.tensor([[1 + 2j], [3 + 4j]]).conj().imag
    assert lazy.is_neg()
    assert Moments.empty().update(lazy).mean.tolist() == [-3.0]
    assert Moments.empty().update(Block(None, lazy)).mean.tolist() == [-3.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("view", [np.array, lambda x: x[:, ::-1][:, ::-1], np.asfortranarray])
def test_rows_added_one_by_one_equal_all_rows(dtype, view):
    rng = np.random.default_rng(0)
    x = view((rng.normal(size=(60, 7)) * 10.0 ** rng.integers(-9, 9, 7)).astype(dtype))
    x[rng.random(x.shape) < 0.1] = np.nan
    x[rng.random(x.shape) < 0.1] = -0.0
    together, apart = Moments.empty(7).update(x), Moments.empty(7)
    for row in range(60):
        apart.update(x[row : row + 1])
    assert apart == together
    assert apart.rows == 60
    assert apart.missing.tolist() == together.missing.tolist()
    assert apart.min.tobytes() == together.min.tobytes()
    assert apart.max.tobytes() == together.max.tobytes()
    assert apart.to_bytes() == together.to_bytes()


def test_row_with_an_infinity_leaves_the_moments_unchanged():
    moments = Moments.empty(2).update(np.ones((3, 2))).update(np.ones((1, 2)))
    before = moments.copy()
    with pytest.raises(DataError, match=r"infinity in column 1, row 0"):
        moments.update(np.array([[1.0, np.inf]]))
    assert moments == before
    assert moments.rows == 4


def test_normalizing_after_each_row_uses_all_rows():
    x = np.random.default_rng(0).normal(size=(30, 5)) + 1e9
    moments = Moments.empty()
    for row in range(30):
        moments.update(x[row : row + 1])
        expected = Moments.empty().update(x[: row + 1]).normalize(x[:1])
        assert moments.normalize(x[:1]).tobytes() == expected.tobytes()
