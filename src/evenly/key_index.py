"""A mapping from the keys of groups to integers that no choice of keys makes slow.

Python's hash of a tuple of numbers has no secret: whoever writes a file can choose keys that all
have one hash, and a dict of n such keys takes n² steps. The hash of text has a secret of the
process (``PYTHONHASHSEED``). So a key of several parts is looked up by its text.

A key of one part is looked up as it is. Hashes of text, dates and naive timestamps are secret; of
the numbers that a key may be, some forty floats at most share a hash.
"""

from collections.abc import Hashable, Iterable, Iterator, MutableMapping

from evenly.group_keys import Key


class KeyIndex(MutableMapping[Key, int]):
    """A dict from keys to integers, in the order in which keys were added.

    Keys are equal when their tuples are. ``popitem`` takes the last key, as that of a dict does.

    Notes
    -----
    ``keys() | other`` makes a plain set of tuples. Add keys to a copy instead.

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
        """Return an index of keys that are all different, numbered from 0."""
        index = cls()
        index.numbers(keys)
        return index

    def numbers(self, keys: Iterable[Key]) -> list[int]:
        """Return the integer of each key; a new key is added, with the number of keys before it."""
        entries = self._entries
        return [entries.setdefault(_lookup(key), (key, len(entries)))[1] for key in keys]

    def copy(self) -> "KeyIndex":
        """Return an independent copy."""
        result = KeyIndex()
        result._entries = self._entries.copy()
        return result

    def popitem(self) -> tuple[Key, int]:
        """Remove the last key; return it with its integer."""
        return self._entries.popitem()[1]

    def __getitem__(self, key: Key) -> int:
        return self._entries[_lookup(key)][1]

    def __setitem__(self, key: Key, value: int) -> None:
        self._entries[_lookup(key)] = key, value

    def __delitem__(self, key: Key) -> None:
        del self._entries[_lookup(key)]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, tuple) and _lookup(key) in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Key]:
        return (key for key, _ in self._entries.values())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, KeyIndex):
            return NotImplemented
        return self._entries == other._entries

    __hash__ = None  # type: ignore[assignment]


def _lookup(key: Key) -> Hashable:
    """Return what stands for a key in a dict: equal for equal keys, and with a secret hash.

    >>> _lookup(("a",)), _lookup(("a", 1)), _lookup(("a", True))
    (('a',), "('a', 1)", "('a', 1)")
    """
    if len(key) == 1:
        return key
    text = repr(key)
    if "True" in text or "False" in text:  # True == 1, but their texts differ
        text = repr(tuple(int(part) if isinstance(part, bool) else part for part in key))
    return text
