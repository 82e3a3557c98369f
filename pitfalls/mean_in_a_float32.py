"""A mean stored in float32 can be wrong by a large part of a standard deviation.

Near 2e7 float32 numbers are even integers, so even perfect running statistics are too coarse for
evaluation. Normalize stores the mean as a sum of two numbers, and the exact sums it comes from.
"""

import torch

from evenly.torch import Normalize


def main() -> None:
    torch.manual_seed(0)
    x = (20_000_001 + 3 * torch.randn(100_000, 1, dtype=torch.float64)).float()
    mean, std = x.double().mean(), x.double().std(correction=0)
    exact = (x.double() - mean) / std

    usual = torch.nn.BatchNorm1d(1, eps=1e-12, affine=False).eval()
    usual.running_mean.fill_(mean.item())  # the nearest float32
    usual.running_var.fill_(std.item() ** 2)
    layer = Normalize.fit(x)
    print("The largest error in evaluation on values around 20,000,001, in standard deviations")
    print("right   0")
    print(f"usual   {(usual(x) - exact).abs().max():.3g}  torch.nn.BatchNorm1d, perfectly trained")
    print(f"evenly  {(layer(x) - exact).abs().max():.3g}  Normalize.fit")


if __name__ == "__main__":
    main()
