"""One NaN in one batch makes the running statistics NaN permanently.

They are a moving average, which never recovers from NaN: even after a hundred clean batches,
every output in evaluation is NaN. With non_finite="skip" such a batch does not update them.
"""

import torch

import evenly.torch


def running_mean_after_nan(layer: torch.nn.Module) -> float:
    torch.manual_seed(0)
    for batch in range(101):
        x = 3 + 0.1 * torch.randn(32, 1)
        if batch == 0:
            x[7] = float("nan")
        layer(x)
    return float(layer.running_mean)


def main() -> None:
    skipping = evenly.torch.BatchNorm1d(1, non_finite="skip")
    print("The running mean of data with mean 3, after one NaN and a hundred clean batches")
    print("right   3.0")
    print(f"usual   {running_mean_after_nan(torch.nn.BatchNorm1d(1)):.1f}  torch.nn.BatchNorm1d")
    print(f"evenly  {running_mean_after_nan(skipping):.1f}  BatchNorm1d(1, non_finite='skip')")
    print(f"Skipped batches: {int(skipping.skipped)}")


if __name__ == "__main__":
    main()
