"""A mapping from group keys to integers that resists hash collision attacks.

Python does not randomize the hash of a tuple of numbers, so the author of a file can choose keys
with equal hashes, and a dict of n such keys takes n² steps. The hash of text is randomized per
process (``PYTHONHASHSEED``). So a key of several parts is looked up by its text.

A key of one part is looked up directly. The hashes of text, dates and naive timestamps are
randomized, and at most about forty of the numbers that can be keys share a hash.
"""

from collections.abc import Hashable, Iterable, Iterator, MutableMapping

from evenly.group_keys import Key


class KeyIndex(MutableMapping[Key, int]):
    """A mapping from keys to integers, in insertion order.

    Keys are equal if their tuples are equal. ``popitem`` removes the last key, like that of a dict.

    Notes
    -----
    ``keys() | other`` returns a plain set of tuples. Add keys to a copy instead.

    >>> index = KeyIndex()
    >>> index.numbers([("a", 1), ("b", 2), ("a", 1)])
    [0, 1, 0]
    >>> index[("b", 2)], list(index)
    (1, [('a', 1), ('b', 2)])
    """

    __slots__ = ("_entries",)

    def __init__(self, items: Iterable[tuple[Key, int]] = ()) -> None:
        self._entries: dict[Hashable, tuple[Key, int]] = {}
        for key, value in items:
            self[key] = value

    @classmethod
    def of(cls, keys: Iterable[Key]) -> "KeyIndex":
        """Return an index of distinct keys, numbered from 0."""
        index = cls()
        index.numbers(keys)
        return index

    def numbers(self, keys: Iterable[Key]) -> list[int]:
        """Return the integer of each key, adding new keys with the next integers."""
        entries = self._entries
        return [entries.setdefault(lookup_key(key), (key, len(entries)))[1] for key in keys]

    def copy(self) -> "KeyIndex":
        """Return an independent copy."""
        result = KeyIndex()
        result._entries = self._entries.copy()
        return result

    def popitem(self) -> tuple[Key, int]:
        """Remove and return the last key and its integer."""
        return self._entries.popitem()[1]

    def __getitem__(self, key: Key) -> int:
        return self._entries[lookup_key(key)][1]

    def __setitem__(self, key: Key, value: int) -> None:
        self._entries[lookup_key(key)] = key, value

    def __delitem__(self, key: Key) -> None:
        del self._entries[lookup_key(key)]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, tuple) and lookup_key(key) in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Key]:
        return (key for key, _ in self._entries.values())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, KeyIndex):
            return NotImplemented
        return self._entries == other._entries

    __hash__ = None  # type: ignore[assignment]


def lookup_key(key: Key) -> Hashable:
    """Return a dict key that is equal for equal keys and has a randomized hash.

    >>> lookup_key(("a",)), lookup_key(("a", 1)), lookup_key(("a", True))
    (('a',), "('a', 1)", "('a', 1)")
    """
    if len(key) == 1:
        return key
    text = repr(key)
    if "True" in text or "False" in text:  # True == 1, but their texts differ
        text = repr(tuple(int(part) if isinstance(part, bool) else part for part in key))
    return text
