"""The numbers of the article's figures, computed by PyTorch and evenly.

`docs/article/figures.mjs` computes the same in the browser; `tests/site` compares the two.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

import evenly
from evenly.torch import BatchNorm1d

Column = npt.NDArray[np.float32]
Model = dict[str, Any]

COLUMNS = (
    (0, 1), (3, 2), (-2, 0.5), (1, 2), (-4, 1),
    (2, 0.25), (-1, 1.5), (4, 1), (-3, 0.5), (0.5, 1),
)  # fmt: skip
"""The offset and the scale of each column."""
CONSTANT_COLUMN, NAN_COLUMN = 3, 6
BATCHES = 40


def sample(count: int, seed: int = 1) -> list[float]:
    """Return nearly normal numbers: multiples of 1/1024, mean 0, standard deviation 1."""
    state, values = seed, []
    for _ in range(count):
        total = 0
        for _ in range(4):
            state = (state * 1664525 + 1013904223) % 2**32
            total += state >> 16
        values.append((total - 131070) // 37 / 1024)
    return values


def tensor(values: Any) -> Tensor:
    """Return one column of float32."""
    return torch.tensor(np.asarray(values, np.float64).astype(np.float32))[:, None]


def torch_batch_norm(x: Tensor, eps: float = 1e-5) -> Column:
    """Return the output of PyTorch's layer; one thread adds the rows in their order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        output: Column = nn.BatchNorm1d(1, eps=eps, affine=False)(x)[:, 0].numpy()
    finally:
        torch.set_num_threads(threads)
    return output


def columns(rows: int, constant: bool, nan: bool) -> Model:
    """Return ten columns before and after batch normalization."""
    shown = []
    for index, (offset, scale) in enumerate(COLUMNS):
        values = offset + scale * np.array(sample(rows, index + 1))
        if constant and index == CONSTANT_COLUMN:
            values[:] = 1.5
        if nan and index == NAN_COLUMN:
            values[0] = math.nan
        x = tensor(values)
        evenly_output = evenly.fit(x).normalize(x)[:, 0].numpy()
        shown.append({"x": x[:, 0].numpy(), "torch": torch_batch_norm(x), "evenly": evenly_output})
    return {"columns": shown}


def rows(rows: int) -> Model:
    """Return the variance after the layer, divided by n and by n - 1."""
    if rows < 2:
        return {"rows": rows, "ratio": math.inf}
    output = torch_batch_norm(tensor(sample(rows, 59))).astype(np.float64)
    by_n, by_n_minus_one = output.var(), output.var(ddof=1)
    return {"rows": rows, "ratio": rows / (rows - 1), "byN": by_n, "byNMinusOne": by_n_minus_one}


def offset(exponent: float) -> Model:
    """Return 64 rows with an offset, normalized correctly and by PyTorch."""
    shift = round(10**exponent)
    x = tensor(shift + np.array(sample(64, 3)))
    right = BatchNorm1d(1, affine=False)(x)[:, 0].numpy()
    output = torch_batch_norm(x)
    error = float(np.abs(output.astype(np.float64) - right).max())
    return {
        "offset": shift, "x": x[:, 0].numpy(), "right": right, "torch": output, "error": error
    }  # fmt: skip


def constant(exponent: float) -> Model:
    """Return what a column of 100 equal values becomes."""
    x = tensor(np.full(100, round_half_up(7.1 * 10**exponent) / 10))
    layer = nn.BatchNorm1d(1, affine=False, momentum=1.0)
    torch.set_num_threads(1)
    layer(x)
    return {
        "value": x[0].item(),
        "mean": layer.running_mean.item(),  # type: ignore[operator, union-attr]
        "torch": float(torch_batch_norm(x)[0]),
        "evenly": float(BatchNorm1d(1, affine=False)(x)[0]),
    }


def eps(std: float, eps: float) -> Model:
    """Return the standard deviation before and after the layer."""
    x = tensor(10**std * np.array(sample(100, 59)))
    before = x[:, 0].numpy().astype(np.float64).std()
    after = torch_batch_norm(x, 10**eps).astype(np.float64).std()
    return {"before": before, "after": after, "eps": 10**eps}


def running(momentum: float, nan: int) -> Model:
    """Return the running statistics after each batch, and the exact mean of all rows so far."""
    batches = [tensor(3 + np.array(sample(32, batch + 1))) for batch in range(BATCHES)]
    if nan:
        batches[nan - 1][0] = math.nan
    layer = nn.BatchNorm1d(1, momentum=momentum, affine=False)
    moments, statistics, exact = evenly.Moments.empty(1), [], []
    torch.set_num_threads(1)
    for batch in batches:
        layer(batch)
        moments.update(batch)
        mean, variance = layer.running_mean, layer.running_var
        statistics.append({"mean": mean.item(), "variance": variance.item()})  # type: ignore
        exact.append(float(moments.mean[0]))
    return {"running": statistics, "exact": exact}


def round_half_up(value: float) -> int:
    """Return the nearest integer as JavaScript's `Math.round` does."""
    return math.floor(value + 0.5)


MODELS = {
    function.__name__: function for function in (columns, rows, offset, constant, eps, running)
}
"""The models by the names that the figures have."""
