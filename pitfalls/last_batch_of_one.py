"""Training fails in the last batch of an epoch if it has one row.

101 rows in batches of 25 leave one row. One value has no variance, and torch raises an error.
Dropping the row (drop_last=True) loses data; with single="running" it is normalized with the
running statistics, as in evaluation.
"""

import torch
from torch.utils.data import DataLoader

import evenly.torch


def count_trained_rows(layer: torch.nn.Module) -> int:
    loader = DataLoader(torch.arange(101.0)[:, None], batch_size=25)
    rows = 0
    try:
        for x in loader:
            layer(x)
            rows += len(x)
    except ValueError as error:
        print(f"{type(error).__name__}: {error}")
    return rows


def main() -> None:
    usual = count_trained_rows(torch.nn.BatchNorm1d(1))
    ours = count_trained_rows(evenly.torch.BatchNorm1d(1, single="running"))
    print("Rows used in an epoch of 101 rows, in batches of 25")
    print("right   101")
    print(f"usual   {usual}  torch.nn.BatchNorm1d")
    print(f"evenly  {ours}  BatchNorm1d(1, single='running')")


if __name__ == "__main__":
    main()
