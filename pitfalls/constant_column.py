"""A constant column becomes noise at the size of the signal.

It should become 0: it says nothing. But a mean that is wrong in the last digits leaves a rest,
and dividing by the square root of almost no variance makes that rest large.
"""

import torch

import evenly.torch


def main() -> None:
    x = torch.full((1_000_000, 1), 1234567.1)
    usual = torch.nn.BatchNorm1d(1)(x)[0].item()
    ours = evenly.torch.BatchNorm1d(1)(x)[0].item()
    print("A million rows of 1234567.1, normalized")
    print(f"right   {0.0}")
    print(f"usual   {usual:.4f}  torch.nn.BatchNorm1d")
    print(f"evenly  {ours}  BatchNorm1d")


if __name__ == "__main__":
    main()
