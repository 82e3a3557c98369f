"""Pillow alone: decoding, the part of the work that no statistics can save."""

from concurrent.futures import ThreadPoolExecutor


def decode(paths, threads):
    """Open and decode every file on so many threads, and do nothing with it.

    A task is of several files, so that the pool's own work does not show.
    """
    from PIL import Image

    def load(some):
        for path in some:
            with Image.open(path) as image:
                image.load()

    return by_tasks(load, paths, threads)


def decode_to_arrays(paths, threads):
    """The same with the copy that NumPy needs: what every loop in Python begins with."""
    import numpy as np
    from PIL import Image

    def load(some):
        for path in some:
            with Image.open(path) as image:
                np.asarray(image)

    return by_tasks(load, paths, threads)


_FILES = 16


def by_tasks(load, paths, threads):
    """Hand the files to so many threads, a few at a time."""
    tasks = [paths[start : start + _FILES] for start in range(0, len(paths), _FILES)]

    def work():
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(load, tasks))

    return work
