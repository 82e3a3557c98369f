"""Keys of two integers that all have one hash: CPython's hash of a tuple has no secret.

It is that of xxHash (``Objects/tupleobject.c``): for each part ``h``, ``a = rotl(a + h * P2, 31) *
P1``. For any first part there is a second one that leads to the same end.
"""

_P1, _P2, _P5 = 11400714785074694791, 14029467366897019727, 2870177450012600261
_MASK, _MODULUS = 2**64 - 1, 2**61 - 1


def colliding_keys(number: int) -> list[tuple[int, int]]:
    """Return so many pairs of integers of one hash."""
    inverse, target = pow(_P2, -1, 2**64), 987654321987654321
    keys: list[tuple[int, int]] = []
    first = 0
    while len(keys) < number:
        first += 1
        state = (_P5 + first * _P2) & _MASK
        state = (((state << 31) | (state >> 33)) * _P1) & _MASK
        second = ((target - state) * inverse) & _MASK
        if second < _MODULUS:  # then it is its own hash
            keys.append((first, second))
    return keys
