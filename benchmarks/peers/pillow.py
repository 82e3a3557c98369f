"""Pillow alone: decoding, which every way to compute statistics includes."""

from concurrent.futures import ThreadPoolExecutor


def decode(paths, threads):
    """Open and decode every file on a number of threads, and discard the pixels.

    A task contains several files, so that the overhead of the pool is negligible.
    """
    from PIL import Image

    def load(batch):
        for path in batch:
            with Image.open(path) as image:
                image.load()

    return by_tasks(load, paths, threads)


def decode_to_arrays(paths, threads):
    """Decode every file into a NumPy array, as the usual loop does first."""
    import numpy as np
    from PIL import Image

    def load(batch):
        for path in batch:
            with Image.open(path) as image:
                np.asarray(image)

    return by_tasks(load, paths, threads)


_FILES = 16


def by_tasks(load, paths, threads):
    """Load the files on a number of threads, several files per task."""
    tasks = [paths[start : start + _FILES] for start in range(0, len(paths), _FILES)]

    def run():
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(load, tasks))

    return run
