"""A cumulative average of batches is not the average of the data.

momentum=None (and torch.optim.swa_utils.update_bn, which uses it) gives a last batch of 10 rows
the same weight as one of 100, and loses the variance between batches. The merged moments of the
batches are exactly those of the data set.
"""

import torch
from torch import nn

import evenly


def main() -> None:
    torch.manual_seed(0)
    batches = [torch.randn(100, 1), 10 + torch.randn(10, 1)]
    data = torch.cat(batches).double()

    usual = nn.BatchNorm1d(1, momentum=None)
    for batch in batches:
        usual(batch)
    moments = evenly.fit(iter(batches))
    print("The variance of a data set in batches of 100 and 10 rows")
    print(f"right   {data.var(correction=0):.3f}")
    print(f"usual   {usual.running_var.item():.3f}  torch.nn.BatchNorm1d(1, momentum=None)")
    print(f"evenly  {moments.variance()[0]:.3f}  evenly.fit(batches)")
    print(
        f"and the mean: right {data.mean():.3f}, usual {usual.running_mean.item():.3f}, "
        f"evenly {moments.mean[0]:.3f}"
    )


if __name__ == "__main__":
    main()
