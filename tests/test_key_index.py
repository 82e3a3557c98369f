"""`KeyIndex` behaves like a dict for any keys."""

import copy
import pickle
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colliding_keys import colliding_keys
from evenly.key_index import KeyIndex

PARTS = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=3),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: not x.is_integer()),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.just(UTC)),
)
KEYS = st.lists(st.one_of(st.tuples(PARTS), st.tuples(PARTS, PARTS)), max_size=12)


@given(KEYS, KEYS)
def test_behaves_like_dict(keys, others):
    index, plain = KeyIndex(), {}
    for key in keys:
        assert index.numbers([key]) == [plain.setdefault(key, len(plain))]
    assert list(index.items()) == list(plain.items())
    assert list(index) == list(index.keys()) == list(plain)
    assert [index.get(key, -1) for key in others] == [plain.get(key, -1) for key in others]
    assert [key in index for key in others] == [key in plain for key in others]
    for key in others:
        index[key] = plain[key] = 7
    assert dict(index) == plain
    for key in keys:
        if key in plain:
            del plain[key], index[key]
    assert list(index.items()) == list(plain.items())
    while plain:
        assert index.popitem() == plain.popitem()
    assert len(index) == 0


def test_missing_key_raises():
    with pytest.raises(KeyError):
        KeyIndex()["a", 1]
    assert "a" not in KeyIndex()


def test_copy_is_independent():
    index = KeyIndex([(("a", 1), 0)])
    for other in (index.copy(), copy.deepcopy(index), pickle.loads(pickle.dumps(index))):
        assert other == index
        other["b", 2] = 1
        assert other != index
        assert list(index) == [("a", 1)]


def test_boolean_equals_its_number():
    assert KeyIndex([((1, "x"), 5)])[True, "x"] == 5


@pytest.mark.parametrize("key", [("a", date(2020, 1, 1)), (datetime(2020, 1, 1, tzinfo=UTC), 1.5)])
def test_keys_are_returned_unchanged(key):
    assert list(KeyIndex([(key, 0)])) == [key]


def test_colliding_keys_are_fast():
    """A dict would compare each key with all previous ones."""
    keys = colliding_keys(1000)
    assert len(set(map(hash, keys))) == 1
    index = KeyIndex()
    assert index.numbers(keys) == list(range(1000))
    assert len({hash(entry) for entry in index._entries}) == 1000
