"""Columns of frames pass through the core together: the same bits as each column alone."""

import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evenly
from evenly.sources.pandas_blocks import number_blocks

DTYPES = ("bool", "int8", "uint16", "int32", "int64", "uint64", "float32", "float64")
LIBRARIES = ("pandas", "polars", "polars lazy", "pyarrow", "record batch")


def values(seed, dtype, rows):
    random = np.random.default_rng(seed)
    if dtype == "bool":
        return random.integers(0, 2, rows).astype(bool)
    if dtype.startswith("float"):
        return random.normal(3, 100, rows).astype(dtype)
    limits = np.iinfo(dtype)
    return random.integers(limits.min, limits.max, rows, dtype=dtype, endpoint=True)


@st.composite
def columns(draw):
    rows = draw(st.integers(1, 40))
    dtypes = draw(st.lists(st.sampled_from(DTYPES), min_size=1, max_size=8))
    seed = draw(st.integers(0, 2**32))
    return {f"x{i}": values(seed + i, dtype, rows) for i, dtype in enumerate(dtypes)}


def make(library, data, missing=None, split=0):
    """Return a frame with a text column in its middle; PyArrow tables in two chunks."""
    names = list(data)
    half = len(names) // 2
    if library == "pandas":
        frame = pd.DataFrame(data)
        frame.insert(half, "t", "text")
        return frame
    arrays = {name: pa.array(data[name], mask=missing) for name in names}
    text = pa.array(["text"] * len(arrays[names[0]]))
    table = pa.table(
        [*list(arrays.values())[:half], text, *list(arrays.values())[half:]],
        names=[*names[:half], "t", *names[half:]],
    )
    if library == "record batch":
        return table.to_batches()[0]
    table = pa.concat_tables([table.slice(0, split), table.slice(split)])
    if library == "pyarrow":
        return table
    frame = pl.from_arrow(table, rechunk=False)
    return frame.lazy() if library == "polars lazy" else frame


def column_of(frame, name):
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    column = frame[name]
    if isinstance(frame, pd.DataFrame):
        return column.to_numpy()
    found = column.to_numpy() if isinstance(frame, pl.DataFrame) else column.to_numpy(False)
    return np.asarray(found) if not isinstance(column, pa.ChunkedArray) else column.to_numpy()


@pytest.mark.parametrize("library", LIBRARIES)
@given(columns(), st.data())
@settings(max_examples=25, deadline=None)
def test_frame_is_normalized_like_its_columns(library, data, more):
    rows = len(next(iter(data.values())))
    frame = make(library, data, split=more.draw(st.integers(0, rows)))
    order = more.draw(st.permutations(list(data)))
    order = order[: more.draw(st.integers(1, len(order)))]
    moments = evenly.fit(make("pandas", data), columns=order)
    missing = more.draw(st.sampled_from(["keep", "zero"]))
    result = moments.normalize(frame, missing=missing)
    for name in order:
        alone = moments.select([name]).normalize(data[name], missing=missing)
        np.testing.assert_array_equal(column_of(result, name), alone)
        assert column_of(result, name).dtype == alone.dtype
    for name in set(data) - set(order):
        np.testing.assert_array_equal(column_of(result, name), data[name])


@pytest.mark.parametrize("library", ["polars", "pyarrow", "record batch"])
@pytest.mark.parametrize("start", [0, 3, 11])
def test_validity_bitmaps_are_kept_at_any_offset(library, start):
    x = np.arange(40.0)
    missing = x % 3 == 0
    frame = make(library, {"x": x}, missing=missing, split=13)
    part = frame.slice(start, 20)
    moments = evenly.fit(frame)
    expected = moments.normalize(x[start : start + 20])
    nulls = missing[start : start + 20]
    found = (
        moments.normalize(part)["x"].to_pylist()
        if library != "polars"
        else (moments.normalize(part)["x"].to_list())
    )
    assert found == [None if null else y for null, y in zip(nulls, expected, strict=True)]
    zeros = moments.normalize(part, missing="zero")["x"]
    assert zeros.null_count == 0 if library != "polars" else zeros.null_count() == 0


def test_attributes_flags_and_labels_of_pandas_are_kept():
    frame = pd.DataFrame(
        {("a", 1): [1.0, 3.0], ("a", 2): ["t", "u"], ("b", 1): np.array([1, 3], np.int16)},
        index=["r", "s"],
    )
    frame.columns.names = ["letter", "number"]
    frame.attrs["unit"] = "m"
    frame = frame.set_flags(allows_duplicate_labels=False)
    result = evenly.fit(frame).normalize(frame)
    pd.testing.assert_index_equal(result.columns, frame.columns)
    assert result.index.tolist() == ["r", "s"]
    assert result.attrs == {"unit": "m"}
    assert not result.flags.allows_duplicate_labels
    assert result["a", 1].tolist() == [-1, 1]
    assert result["b", 1].dtype == np.float32


def test_subclass_of_pandas_frame_stays_one():
    class Frame(pd.DataFrame):
        @property
        def _constructor(self):
            return Frame

    frame = Frame({"x": [1.0, 3.0], "y": [1, 3]})
    result = evenly.fit(frame).normalize(frame)
    assert type(result) is Frame
    assert result["y"].tolist() == [-1, 1]


def test_many_runs_of_unchanged_columns_keep_their_order():
    data = {f"x{i}": np.arange(3.0) + i for i in range(300)}
    frame = pd.DataFrame(data)
    moments = evenly.fit(frame, columns=list(data)[::2])
    result = moments.normalize(frame)
    assert list(result.columns) == list(data)
    assert (result.iloc[:, ::2].to_numpy()[0] == -np.sqrt(1.5)).all()
    pd.testing.assert_frame_equal(result.iloc[:, 1::2], frame.iloc[:, 1::2])


def test_columns_that_are_stored_together_are_not_copied():
    x = np.zeros((2**19, 4))
    ((indices, block),) = number_blocks(pd.DataFrame(x, copy=False), range(4))
    assert indices == [0, 1, 2, 3]
    assert np.shares_memory(block, x)
    frame = pd.DataFrame({"a": np.zeros(2**20)})
    frame["b"] = 1.0
    assert [indices for indices, _ in number_blocks(frame, [0, 1])] == [[0], [1]]


def test_changing_the_result_leaves_the_frame_alone():
    frame = pd.DataFrame({"x": [1.0, 3.0], "y": [1.0, 2.0], "t": ["a", "b"]})
    result = evenly.fit(frame, columns=["x"]).normalize(frame)
    result.loc[0, ["x", "y"]] = 9.0
    assert frame["y"].tolist() == [1, 2]
    assert frame["x"].tolist() == [1, 3]


@pytest.mark.parametrize("kind", [pl.Int128, pl.Boolean])
def test_types_that_must_be_converted_are_next_to_others(kind):
    frame = pl.DataFrame({"x": [1.0, 3.0], "y": pl.Series([0, 1], dtype=pl.Int8).cast(kind)})
    result = evenly.fit(frame).normalize(frame)
    assert result.rows() == [(-1, -1), (1, 1)]


def test_metadata_of_pyarrow_is_kept():
    schema = pa.schema(
        [pa.field("x", pa.int32(), metadata={"a": "b"}), pa.field("t", pa.string())],
        metadata={"c": "d"},
    )
    table = pa.table([[1, 3], ["t", "u"]], schema=schema)
    result = evenly.fit(table).normalize(table)
    assert result.schema.metadata == {b"c": b"d"}
    assert result.schema.field("x").type == pa.float64()
    empty = evenly.fit(table).normalize(table.slice(0, 0))
    assert empty.schema == result.schema


def calls(function):
    """Return the number of calls of Python functions."""
    counted = 0

    def count(frame, event, argument):
        nonlocal counted
        counted += event == "call"

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return counted


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("operation", ["normalize", "fit"])
def test_column_costs_at_most_a_few_calls(library, operation):
    def cost(width):
        data = {f"x{i}": np.array([1.0, 3.0]) for i in range(width)}
        x = pd.DataFrame(data) if library == "pandas" else pa.table(data)
        x = pl.from_arrow(x) if library == "polars" else x
        moments = evenly.fit(x)
        function = (lambda: evenly.fit(x)) if operation == "fit" else (lambda: moments.normalize(x))
        function()
        return calls(function)

    assert cost(1_100) - cost(100) < 6 * 1_000
