"""Gradient accumulation updates the running statistics k times per step.

Eight micro-batches of one step should count as one batch of eight times the size. torch updates
its running statistics with each of them, so they forget eight times as fast.
"""

import torch
from torch import nn

import evenly.torch

MICRO_BATCHES = 8


def running_mean_after_step(layer: nn.Module) -> float:
    """Return the running mean, initially 0, after one step on data with mean 1."""
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    for x in (1 + torch.linspace(-1, 1, 256)[:, None]).chunk(MICRO_BATCHES):
        layer(x).square().sum().backward()
    optimizer.step()
    return float(layer.running_mean)


def main() -> None:
    print("The running mean, initially 0, after an optimizer step of 8 micro-batches with mean 1")
    print("right   0.10")
    print(f"usual   {running_mean_after_step(nn.BatchNorm1d(1)):.2f}  torch.nn.BatchNorm1d")
    ours = evenly.torch.BatchNorm1d(1, update="step")
    print(f"evenly  {running_mean_after_step(ours):.2f}  BatchNorm1d(1, update='step')")


if __name__ == "__main__":
    main()
