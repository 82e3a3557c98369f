"""A batch norm on ordered input remembers only the end of the data.

Files are often sorted by time. Running statistics are those of about the last twenty batches:
here of December's weather, relative to which July is 20 standard deviations warm. Normalize has
the statistics of the whole year.
"""

import math

import torch

from evenly.torch import Normalize


def main() -> None:
    torch.manual_seed(0)
    hours = torch.arange(8760.0)
    year = 10 - 12 * torch.cos(2 * math.pi * hours / 8760) + torch.randn(8760)
    exact = (year - year.mean()) / year.std(correction=0)

    usual, layer = torch.nn.BatchNorm1d(1, affine=False), Normalize(1)
    for batch in year[:, None].split(24):
        usual(batch)
        layer(batch)
    usual.eval(), layer.freeze()
    print("The warmest hour of a year of temperatures, normalized after training in file order")
    print(f"right   {exact.max():.3f}")
    print(f"usual   {usual(year[:, None]).max():.3f}  torch.nn.BatchNorm1d")
    print(f"evenly  {layer(year[:, None]).max():.3f}  Normalize")


if __name__ == "__main__":
    main()
