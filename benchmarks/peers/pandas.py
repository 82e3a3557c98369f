"""pandas: mean and var of each group, on one thread."""

import numpy as np


def fit_groups(x, keys, threads):
    import pandas as pd

    frame = pd.DataFrame({f"c{i}": column for i, column in enumerate(np.asfortranarray(x).T)})
    frame["key"] = keys
    return lambda: frame.groupby("key").agg(["mean", "var"])


def answer(result):
    return tuple(result.xs(name, axis=1, level=1).to_numpy() for name in ("mean", "var"))
