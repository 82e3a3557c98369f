"""Large values far below float32's limit become zeros.

float32 can represent 1e30, but not its square: the variance becomes infinite, all values are
divided by infinity, and the running variance stays infinite permanently.
"""

import torch

import evenly.torch


def main() -> None:
    x = torch.tensor([[-1e30], [1e30]])
    usual = torch.nn.BatchNorm1d(1)(x)[1].item()
    ours = evenly.torch.BatchNorm1d(1)(x)[1].item()
    print("1e30, normalized in a batch of -1e30 and 1e30")
    print("right   1.0")
    print(f"usual   {usual}  torch.nn.BatchNorm1d")
    print(f"evenly  {ours}  BatchNorm1d")


if __name__ == "__main__":
    main()
