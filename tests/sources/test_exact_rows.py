"""Integers of 64 bits are exact, also in a column with fractions, which is of neither type."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evenly
import oracle

BIG = 2**60
MIXED = [BIG + 1, Decimal("0.5"), None, 3, BIG + 3, -7, Decimal("0.1"), 2**64 - 1, -(2**63)]

numbers = st.one_of(
    st.none(),
    st.integers(-(2**66), 2**66),
    st.integers(-20, 20).map(lambda n: 2**62 + n),
    st.integers(-20, 20).map(lambda n: 2**64 + n),
    st.decimals(-(10**19), 10**19, places=2),
    st.floats(-1e300, 1e300),
    st.integers(-20, 20).map(lambda n: Decimal(2**61 + n)),
)
decimals = st.one_of(
    st.none(),
    st.decimals(-(10**19), 10**19, places=2),
    st.integers(-20, 20).map(lambda n: Decimal(2**62 + n)),
    st.integers(-20, 20).map(lambda n: Decimal(-(2**63) + n)),
    st.integers(-20, 20).map(lambda n: Decimal(2**64 + n)),
)


def as_read(value):
    """Return the exact value of a number as evenly reads it; None if it is missing."""
    if value is None or value != value:
        return None
    exact = Fraction(value)
    fits = exact.denominator == 1 and -(2**63) <= exact < 2**64
    return exact if fits else Fraction(float(value))


def check(moments, values, column=0):
    """Compare the statistics of a column with fractions."""
    exact = [x for x in map(as_read, values) if x is not None]
    assert moments.count[column] == len(exact)
    assert moments.missing[column] == len(values) - len(exact)
    if not exact:
        return
    mean = sum(exact) / len(exact)
    variance = sum((x - mean) ** 2 for x in exact) / len(exact)
    assert moments.mean[column] == oracle.rounded(mean)
    assert moments.std()[column] == oracle.rounded_root(variance)
    assert moments.min[column] == oracle.rounded(min(exact))
    assert moments.max[column] == oracle.rounded(max(exact))


def objects(values):
    return pd.Series(values, dtype=object, name="x")


@given(st.lists(numbers, min_size=1, max_size=20))
def test_objects_are_exact_beside_fractions(values):
    if all(value is None for value in values):
        values = [*values, 1]
    frame = pd.DataFrame({"x": objects(values), "row": range(len(values))})
    moments = evenly.fit(frame)
    check(moments, values)
    check(moments, list(range(len(values))), column=1)
    check(evenly.fit({"x": np.array(values, object), "row": frame["row"].to_numpy()}), values)


@given(st.lists(decimals, min_size=1, max_size=20), st.sampled_from([(38, 2), (76, 20)]))
def test_decimals_of_arrow_are_exact_beside_fractions(values, size):
    make = pa.decimal128 if size[0] == 38 else pa.decimal256
    table = pa.table({"x": pa.array(values, make(*size)), "row": range(len(values))})
    moments = evenly.fit(table)
    check(moments, values)
    check(moments, list(range(len(values))), column=1)


def test_small_decimals_of_64_bits():
    values = [Decimal("9007199254740993.0"), Decimal("0.5"), None]
    check(evenly.fit(pa.table({"x": pa.array(values, pa.decimal64(18, 1))})), values)


@given(st.permutations(MIXED))
def test_any_order_gives_the_same_bits(values):
    assert evenly.fit(objects(values)) == evenly.fit(objects(MIXED))


def test_groups_and_weights_stay_with_their_rows():
    frame = pd.DataFrame({"x": objects(MIXED)})
    frame["k"] = ["a", "b", "a"] * 3
    frame["w"] = np.arange(9.0)
    moments = evenly.fit(frame, by="k", columns=["x"])
    check(moments["a"], [value for i, value in enumerate(MIXED) if i % 3 != 1])
    repeated = [value for i, value in enumerate(MIXED) for _ in range(i)]
    weighted = evenly.fit(frame, columns=["x"], weights="w")
    assert weighted == evenly.fit(pd.DataFrame({"x": objects(repeated)}))


@pytest.mark.parametrize("kind", ["categories", "dictionary", "run ends"])
def test_encoded_decimals_are_exact(kind):
    values = [Decimal(BIG + 1), Decimal("0.5"), Decimal(BIG + 1), Decimal(BIG + 3)]
    source = pa.array(values, pa.decimal128(38, 1))
    if kind == "categories":
        source = objects(values).astype("category")
    elif kind == "dictionary":
        source = source.dictionary_encode()
    else:
        source = pa.RunEndEncodedArray.from_arrays(pa.array([1, 2, 3, 4], pa.int32()), source)
    check(evenly.fit(source), values)


def test_decimals_of_parquet_in_threads_and_with_checkpoints(tmp_path):
    values = [Decimal(2**61 + i) / (1 if i % 3 else 2) for i in range(40)]
    table = pa.table({"x": pa.array(values, pa.decimal128(38, 1)), "row": range(40)})
    path, state = tmp_path / "x.parquet", tmp_path / "state.json"
    pq.write_table(table, path, row_group_size=7)
    check(evenly.fit(path, threads=2), values)
    check(evenly.fit(path, checkpoint=state), values)
    check(evenly.fit(path, checkpoint=state), values)


def test_progress_counts_each_row_once(tmp_path):
    table = pa.table({"x": pa.array([Decimal(BIG + 1), Decimal("0.5")] * 9, pa.decimal128(38, 1))})
    pq.write_table(table, tmp_path / "x.parquet")
    seen = []
    evenly.fit(tmp_path / "x.parquet", progress=seen.append)
    assert seen[-1].rows == 18
    assert seen[-1].bytes == (tmp_path / "x.parquet").stat().st_size


def test_decimal_keys_are_not_rounded():
    keys = pa.array(
        [Decimal(BIG + 1), Decimal(BIG + 2), Decimal("0.5"), None], pa.decimal128(38, 1)
    )
    moments = evenly.fit(pa.table({"k": keys, "x": [1.0, 2.0, 3.0, 4.0]}), by="k")
    assert list(moments) == [0.5, BIG + 1, BIG + 2, None]
    assert moments[BIG + 2].mean.tolist() == [2.0]


def test_floats_alone_are_one_block():
    moments = evenly.fit(objects([0.5, 2.0**60, None, 1]))
    assert moments.dtypes == ("float64",)
    assert evenly.fit(objects([BIG + 1, 0.5])).dtypes == ("float64|int64",)
