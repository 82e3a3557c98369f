"""Activation checkpointing counts every batch twice.

It recomputes the forward pass during the backward pass, and batch norms update their running
statistics again. With update="batch" the second pass does not change them.
"""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import evenly.torch


def count_batches(layer: nn.Module) -> int:
    for _ in range(5):
        x = torch.randn(32, 1, requires_grad=True)
        checkpoint(layer, x, use_reentrant=False).sum().backward()
    return int(layer.num_batches_tracked)


def main() -> None:
    torch.manual_seed(0)
    print("Batches counted in five training steps under activation checkpointing")
    print("right   5")
    print(f"usual   {count_batches(nn.BatchNorm1d(1))}  torch.nn.BatchNorm1d")
    ours = evenly.torch.BatchNorm1d(1, update="batch")
    print(f"evenly  {count_batches(ours)}  BatchNorm1d(1, update='batch')")


if __name__ == "__main__":
    main()
