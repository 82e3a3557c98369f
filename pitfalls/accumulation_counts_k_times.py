"""Gradient accumulation moves the running statistics k times a step.

Eight micro-batches that make one step should count as one batch of eight times the size. Torch
moves its running statistics with each, so that they forget eight times as fast.
"""

import torch
from torch import nn

import evenly.torch

MICRO_BATCHES = 8


def one_step(layer: nn.Module) -> float:
    """The running mean, from 0, after one step on data with mean 1 and momentum 0.1."""
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    for x in (1 + torch.linspace(-1, 1, 256)[:, None]).chunk(MICRO_BATCHES):
        layer(x).square().sum().backward()
    optimizer.step()
    return float(layer.running_mean)


def main() -> None:
    print("How far one optimizer step of 8 micro-batches moves a running mean from 0 towards 1")
    print("right   0.10")
    print(f"usual   {one_step(nn.BatchNorm1d(1)):.2f}  torch.nn.BatchNorm1d")
    ours = evenly.torch.BatchNorm1d(1, update="step")
    print(f"evenly  {one_step(ours):.2f}  BatchNorm1d(1, update='step')")


if __name__ == "__main__":
    main()
