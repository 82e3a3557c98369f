"""The limits: reading bytes and copying them, without any other work."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

WORD = np.dtype(np.int64)


def read(x, threads):
    """Sum the bytes as int64: one addition for eight bytes, no multiplication."""
    chunks = _split(_words(x), threads)
    if threads == 1:
        return chunks[0].sum
    pool = ThreadPoolExecutor(threads)
    return lambda: sum(pool.map(np.sum, chunks))


def copy(x, out, threads):
    pairs = list(zip(_split(_words(out), threads), _split(_words(x), threads), strict=True))
    if threads == 1:
        return lambda: np.copyto(*pairs[0])
    pool = ThreadPoolExecutor(threads)
    return lambda: list(pool.map(np.copyto, *zip(*pairs, strict=True)))


def _words(x):
    flat = x.reshape(-1).view(np.uint8)
    return flat[: flat.size // WORD.itemsize * WORD.itemsize].view(WORD)


def _split(words, threads):
    return np.array_split(words, threads)
