"""A frozen batch norm goes on learning.

requires_grad_(False) stops the parameters, not the running statistics; eval() stops those until
the next model.train(), which every training loop calls once an epoch. freeze() survives it.
"""

import torch
from torch import nn

import evenly.torch


def moved(layer: nn.Module) -> float:
    """Fine-tune for some epochs on data with mean 3; how far has the running mean moved?"""
    model = nn.Sequential(layer, nn.Linear(1, 1))
    for _ in range(10):
        model.train()
        model(3 + torch.randn(32, 1))
    return float(layer.running_mean)


def main() -> None:
    torch.manual_seed(0)
    usual = nn.BatchNorm1d(1).requires_grad_(False).eval()
    ours = evenly.torch.BatchNorm1d(1).freeze()
    print("How far ten batches move the running mean of a frozen layer")
    print("right   0.00")
    print(f"usual   {moved(usual):.2f}  torch.nn.BatchNorm1d, requires_grad_(False) and eval()")
    print(f"evenly  {moved(ours):.2f}  BatchNorm1d.freeze()")


if __name__ == "__main__":
    main()
