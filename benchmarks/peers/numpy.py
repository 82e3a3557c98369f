"""NumPy: mean and var along the rows; images in batches, since all would not fit in memory."""

import numpy as np

BATCH = 64


def fit(x, threads):
    return lambda: (x.mean(axis=0), x.var(axis=0))


def fit_quantiles(x, q, threads):
    return lambda: np.quantile(x, q, axis=0)


def fit_images(x, threads):
    def run():
        sums = np.zeros((2, x.shape[1]))
        for start in range(0, len(x), BATCH):
            batch = x[start : start + BATCH].astype(np.float32)
            sums += batch.sum((0, 2, 3)), np.square(batch, out=batch).sum((0, 2, 3))
        mean, square = sums / (x.size // x.shape[1])
        return mean, square - mean**2

    return run


def normalize(x, out, threads):
    mean, std = x.mean(axis=0), x.std(axis=0)
    return lambda: np.divide(np.subtract(x, mean, out=out), std, out=out)


def update(batch):
    return fit(batch, 1)


def answer(result):
    return result
