"""A mean that is kept as one float32 may be a good part of a standard deviation off.

Near 2e7 a float32 is a whole even number. So even perfect running statistics are too coarse for
evaluation. Normalize keeps the mean as the sum of two numbers, and the exact sums behind it.
"""

import torch

from evenly.torch import Normalize


def main() -> None:
    torch.manual_seed(0)
    x = (20_000_001 + 3 * torch.randn(100_000, 1, dtype=torch.float64)).float()
    mean, std = x.double().mean(), x.double().std(correction=0)
    exact = (x.double() - mean) / std

    usual = torch.nn.BatchNorm1d(1, eps=1e-12, affine=False).eval()
    usual.running_mean.fill_(mean.item())  # the best that there is, in float32
    usual.running_var.fill_(std.item() ** 2)
    layer = Normalize.fit(x)
    print("Values around 20,000,001 in evaluation: the largest error, in standard deviations")
    print("right   0")
    print(f"usual   {(usual(x) - exact).abs().max():.3g}  torch.nn.BatchNorm1d, perfectly trained")
    print(f"evenly  {(layer(x) - exact).abs().max():.3g}  Normalize.fit")


if __name__ == "__main__":
    main()
