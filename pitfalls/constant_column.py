"""A constant column becomes noise as large as the signal.

It should become 0, because it has no information. But a mean that is wrong in the last digits
leaves a small difference, which becomes large when divided by a standard deviation near 0.
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
