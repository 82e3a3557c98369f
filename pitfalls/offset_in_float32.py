"""A batch norm on raw timestamps is standard deviations away from the right answer.

Torch adds up a batch of N×C rows in float32: the sum of 65536 numbers near 1.7e9 has lost what
tells them apart. evenly adds up in float64 and subtracts the mean before anything is rounded.
"""

import torch

import evenly.torch


def main() -> None:
    torch.manual_seed(0)
    day = 86_400 * torch.rand(65_536, 1, dtype=torch.float64)
    x = (1.7e9 + day).float()  # a day of Unix time, to the 128 seconds that float32 keeps
    exact = x.double() - x.double().mean()
    exact /= exact.square().mean().sqrt()

    def error(layer: torch.nn.Module) -> float:
        return float((layer(x).double() - exact).abs().max())

    print("A column of Unix timestamps: the largest error of the output, in standard deviations")
    print(f"right   {0:.3g}")
    print(f"usual   {error(torch.nn.BatchNorm1d(1, affine=False)):.3g}  torch.nn.BatchNorm1d")
    print(f"evenly  {error(evenly.torch.BatchNorm1d(1, affine=False)):.3g}  BatchNorm1d")


if __name__ == "__main__":
    main()
