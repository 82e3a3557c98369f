"""Training stops in the last batch of the epoch, because it has one row.

101 rows in batches of 25 leave one over. One value has no variance, and torch raises. Dropping the
row (drop_last=True) loses data; with single="running" it is normalized as evaluation would.
"""

import torch
from torch.utils.data import DataLoader

import evenly.torch


def rows_trained(layer: torch.nn.Module) -> int:
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
    usual = rows_trained(torch.nn.BatchNorm1d(1))
    ours = rows_trained(evenly.torch.BatchNorm1d(1, single="running"))
    print("Rows that an epoch of 101 rows trains with, in batches of 25")
    print("right   101")
    print(f"usual   {usual}  torch.nn.BatchNorm1d")
    print(f"evenly  {ours}  BatchNorm1d(1, single='running')")


if __name__ == "__main__":
    main()
