"""A batch norm on raw timestamps is wrong by standard deviations.

torch sums the rows of an N×C batch in float32: a sum of 65536 numbers near 1.7e9 loses the
differences between them. evenly sums in float64, and subtracts the mean before rounding.
"""

import torch

import evenly.torch


def main() -> None:
    torch.manual_seed(0)
    day = 86_400 * torch.rand(65_536, 1, dtype=torch.float64)
    x = (1.7e9 + day).float()  # a day of Unix times, in float32's steps of 128 s
    exact = x.double() - x.double().mean()
    exact /= exact.square().mean().sqrt()

    def error(layer: torch.nn.Module) -> float:
        return float((layer(x).double() - exact).abs().max())

    print("The largest error on a column of Unix timestamps, in standard deviations")
    print(f"right   {0:.3g}")
    print(f"usual   {error(torch.nn.BatchNorm1d(1, affine=False)):.3g}  torch.nn.BatchNorm1d")
    print(f"evenly  {error(evenly.torch.BatchNorm1d(1, affine=False)):.3g}  BatchNorm1d")


if __name__ == "__main__":
    main()
