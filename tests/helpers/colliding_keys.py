"""Keys of two integers that all have the same hash, since CPython's hash of tuples has no secret.

It is based on xxHash (``Objects/tupleobject.c``): for the hash ``h`` of each item,
``a = rotl(a + h * P2, 31) * P1``. For any first item there is a second one with a given result.
"""

_P1, _P2, _P5 = 11400714785074694791, 14029467366897019727, 2870177450012600261
_MASK, _MODULUS = 2**64 - 1, 2**61 - 1


def colliding_keys(number: int) -> list[tuple[int, int]]:
    """Return pairs of integers that all have the same hash."""
    inverse, target = pow(_P2, -1, 2**64), 987654321987654321
    keys: list[tuple[int, int]] = []
    first = 0
    while len(keys) < number:
        first += 1
        state = (_P5 + first * _P2) & _MASK
        state = (((state << 31) | (state >> 33)) * _P1) & _MASK
        second = ((target - state) * inverse) & _MASK
        if second < _MODULUS:  # such an integer is its own hash
            keys.append((first, second))
    return keys
