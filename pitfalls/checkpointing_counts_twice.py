"""Activation checkpointing counts every batch twice.

It runs the forward pass again during the backward pass, and the batch norms in it move their
running statistics again. With update="batch" the second pass leaves them alone.
"""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import evenly.torch


def batches_counted(layer: nn.Module) -> int:
    for _ in range(5):
        x = torch.randn(32, 1, requires_grad=True)
        checkpoint(layer, x, use_reentrant=False).sum().backward()
    return int(layer.num_batches_tracked)


def main() -> None:
    torch.manual_seed(0)
    print("Batches counted in five training steps under activation checkpointing")
    print("right   5")
    print(f"usual   {batches_counted(nn.BatchNorm1d(1))}  torch.nn.BatchNorm1d")
    ours = evenly.torch.BatchNorm1d(1, update="batch")
    print(f"evenly  {batches_counted(ours)}  BatchNorm1d(1, update='batch')")


if __name__ == "__main__":
    main()
