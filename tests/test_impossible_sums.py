"""Impossible sums, as from damaged pickles, are not saved."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evenly
from evenly import Moments, _core
from evenly.errors import DataError, StatisticsFileError
from evenly.moments.metadata import Metadata
from evenly.statistics_file import column as column_of_file
from evenly.statistics_file.column import ColumnRecord

LARGE = st.integers(-(2**400), 2**400)
MANTISSAS = st.one_of(st.integers(-20, 20), st.integers(-(2**70), 2**70), LARGE)
EXPONENTS = st.one_of(st.integers(-4, 4), st.integers(-3000, 3000))
NUMBERS = st.tuples(MANTISSAS, EXPONENTS)
EXTREMES = st.one_of(
    st.integers(-20, 20).map(float), st.floats(allow_nan=False, allow_infinity=False)
)


def normal(number):
    """Return a dyadic number in the normal form of files, with an odd mantissa."""
    m, e = number
    while m and m % 2 == 0:
        m, e = m // 2, e + 1
    return (m, e) if m else (0, 0)


def state_of(record):
    state = _core.State(1)
    state.set_column(0, *record[2:8])
    state.metadata = Metadata(None, ("float64",))
    return state


def is_readable(record):
    """Return whether the reader of statistics files, in Python integers, accepts a column."""
    try:
        column_of_file._check_consistent(record, "column 0")
    except StatisticsFileError:
        return False
    return record.present[0] >= 0 and record.missing[0] >= 0


@given(
    count=st.one_of(
        st.integers(0, 9).map(lambda n: (n, 0)), NUMBERS.map(lambda n: (abs(n[0]), n[1]))
    ),
    total=NUMBERS,
    squares=NUMBERS.map(lambda n: (abs(n[0]), n[1])),
    extremes=st.tuples(EXTREMES, EXTREMES).map(sorted),
)
def test_core_and_file_reader_agree_on_impossible_sums(count, total, squares, extremes):
    numbers = [normal(x) for x in (count, (0, 0), total, squares)]
    low, high = extremes if numbers[0][0] else (None, None)
    record = ColumnRecord(None, "float64", *numbers, low, high)
    assert (state_of(record).first_impossible() < 0) == is_readable(record)


@given(
    st.lists(st.floats(-1e300, 1e300) | st.integers(-3, 3).map(float), min_size=1),
    st.sampled_from([0, 1, -1]),
    st.sampled_from([0, 1, -1]),
)
def test_core_and_file_reader_agree_near_sums_of_data(values, more, more_squares):
    moments = evenly.fit(np.array(values)[:, None])
    state = moments._state
    assert state.first_impossible() == -1
    (count,), (total,), (squares,) = state.counts(), state.sums(), state.squares()
    ((low, high),) = state.extremes()
    total = normal((total[0] + more, total[1]))
    squares = normal((squares[0] + more_squares, squares[1]))
    record = ColumnRecord(None, "float64", count, (0, 0), total, squares, low, high)
    assert (state_of(record).first_impossible() < 0) == is_readable(record)


def impossible(names=("a", "b")):
    """Return moments with a sum of squares that is too small."""
    moments = evenly.fit(np.array([[1.0, 2.0], [3.0, 4.0]]))
    state = moments._state.copy()
    state.set_column(1, (2, 0), (0, 0), (6, 0), (1, 0), 2.0, 4.0)
    return Moments(state, names, moments.dtypes, (), 2)


def test_save_impossible_moments_raises(tmp_path):
    path = tmp_path / "x.json"
    moments = pickle.loads(pickle.dumps(impossible()))
    for write in (lambda: moments.save(path), moments.to_bytes):
        with pytest.raises(DataError, match=r"only if they are possible.*column 'b'.*Fit the data"):
            write()
    assert not path.exists()
    with pytest.raises(DataError, match="impossible sums of column 1"):
        impossible(None).to_bytes()


def test_save_impossible_groups_raises():
    moments = evenly.fit(np.ones((4, 2)), by=np.array([1, 1, 2, 2]))
    moments._state.set_column(3, (2, 0), (-1, 0), (2, 0), (2, 0), 1.0, 1.0)
    with pytest.raises(DataError, match="impossible sums of column 1"):
        moments.to_bytes()


def test_save_negative_count_raises():
    packed = bytearray(evenly.fit([[1.0], [2.0]])._state.pack())
    assert packed[4] == 4  # the count, in zigzag
    packed[4] = 5
    state = _core.State.unpack(bytes(packed))
    assert state.counts() == [(-3, 0)]
    with pytest.raises(DataError, match="impossible sums"):
        Moments(state, None, ("float64",), (), 2).to_bytes()


def test_total_weight_beyond_float64_round_trips(tmp_path):
    weights = [1.5e308, 1.7e308, 1e308]
    moments = evenly.fit([[1.0], [2.0], [4.0]], weights=weights)
    assert moments.count.tolist() == [float("inf")]
    exact = [int(weight) for weight in weights]
    total = exact[0] + 2 * exact[1] + 4 * exact[2]
    assert moments.mean == [total / sum(exact)]
    assert b'"weight"' not in moments.to_bytes()
    moments.save(tmp_path / "x.json")
    again = evenly.load(tmp_path / "x.json")
    assert again == moments
    assert again.normalize(np.array([[2.0]])) == moments.normalize(np.array([[2.0]]))
    assert "inf" in repr(again)


def test_subtract_too_much_of_huge_values_raises():
    """Regression: float() raised OverflowError for their sum of squares."""
    small, large = (evenly.fit([[1e200], [x]]) for x in (1.0, 1e201))
    with pytest.raises(DataError, match=r"sum of squares inf of inf"):
        _ = small - large
