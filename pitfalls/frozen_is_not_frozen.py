"""A frozen batch norm continues to update its statistics.

requires_grad_(False) freezes the parameters, but not the running statistics; eval() freezes those
until the next model.train(), which training loops call once per epoch. freeze() stays in effect.
"""

import torch
from torch import nn

import evenly.torch


def running_mean_after_tuning(layer: nn.Module) -> float:
    """Return the running mean, initially 0, after fine-tuning on data with mean 3."""
    model = nn.Sequential(layer, nn.Linear(1, 1))
    for _ in range(10):
        model.train()
        model(3 + torch.randn(32, 1))
    return float(layer.running_mean)


def main() -> None:
    torch.manual_seed(0)
    usual = nn.BatchNorm1d(1).requires_grad_(False).eval()
    ours = evenly.torch.BatchNorm1d(1).freeze()
    print("The running mean of a frozen layer, initially 0, after ten batches with mean 3")
    print("right   0.00")
    torchs_mean, our_mean = running_mean_after_tuning(usual), running_mean_after_tuning(ours)
    print(f"usual   {torchs_mean:.2f}  torch.nn.BatchNorm1d, requires_grad_(False) and eval()")
    print(f"evenly  {our_mean:.2f}  BatchNorm1d.freeze()")


if __name__ == "__main__":
    main()
