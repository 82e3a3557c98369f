"""From BatchNorm1d to exact input normalization: `python examples/article.py`.

It follows a well-known tutorial step by step with evenly's layers, and extends it: `Normalize`
does exactly what a batch norm right after the input is supposed to do.
"""

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import evenly
from evenly.torch import BatchNorm1d, Normalize


def main() -> None:
    torch.manual_seed(0)
    show_batch()
    show_single_row()
    show_few_rows()
    show_constant_columns()
    show_input_layer()


def show_batch() -> None:
    """Print the means and variances of 100 rows of 10 random numbers."""
    x = torch.randn(100, 10)
    y = BatchNorm1d(10, affine=False)(x)
    print("100 rows of 10 random numbers, normalized by BatchNorm1d(10)")
    print(f"  means before      {x.mean(0).abs().max():.3f} at most")
    print(f"  means after       {y.mean(0).abs().max():.1e} at most")
    # Tensor.var() divides by n - 1 = 99 (sample variance); the layer, like the paper, divides by
    # n = 100. So the layer's variance of 1 is printed as 100/99 = 1.0101.
    print(f"  variances after   {format_range(y.var(0))}  (sums over 99)")
    print(
        f"                    {format_range(y.var(0, correction=0))}  (sums over 100, as the layer)"
    )


def format_range(values: Tensor) -> str:
    """Return the smallest and the largest value, or one if their texts are equal."""
    texts = sorted({f"{value:.4f}" for value in values.tolist()})
    return " to ".join(texts[:1] + texts[1:][-1:])


def show_single_row() -> None:
    """Print torch's error for training with one row."""
    print("\nOne row has no variance:")
    layer = BatchNorm1d(10)
    try:
        layer(torch.randn(1, 10))
    except ValueError as error:
        print(f"  ValueError: {error}")
    y = layer.eval()(torch.randn(1, 10))
    print(f"  evaluation accepts it: {tuple(y.shape)}")


def show_few_rows() -> None:
    """Print the ratio of the two variances for few rows: n / (n - 1)."""
    print("\nThe variance by .var() after the layer")
    for rows in (3, 10, 100):
        y = BatchNorm1d(10, affine=False)(torch.randn(rows, 10))
        print(f"  {rows:3} rows  {y.var(0).mean():.3f} = {rows}/{rows - 1}")


def show_constant_columns() -> None:
    """Print the output for columns without variance."""
    print("\nA constant column becomes")
    for value, rows in ((7.0, 100), (1234567.1, 1_000_000)):
        x = torch.full((rows, 1), value)
        ours, torchs = (layer(1)(x).abs().max().item() for layer in (BatchNorm1d, nn.BatchNorm1d))
        print(f"  {value}, {rows:,} rows: exactly {ours}  (by torch's layer {torchs:.4f})")


def show_input_layer() -> None:
    """Learn the statistics of a data set during an epoch, and compare with `evenly.fit`."""
    offsets, scales = torch.tensor([0.0, 1e6, -3.0]), torch.tensor([1.0, 1.0, 1e-3])
    data = offsets + scales * torch.randn(1001, 3)
    loader = DataLoader(TensorDataset(data), batch_size=100, shuffle=True)
    layer = Normalize(3)
    model = nn.Sequential(layer, nn.Linear(3, 1))
    for (batch,) in loader:  # the last batch has one row: no error
        model(batch)
    layer.freeze()
    y = layer(data).double()
    print("\nNormalize right after the input, after learning from an epoch of 11 batches")
    print(f"  moments bit-identical to evenly.fit: {layer.moments == evenly.fit(data)}")
    print(f"  means      {y.mean(0).abs().max():.0e} at most")
    print(f"  variances  {format_range(y.var(0, correction=0))}")


if __name__ == "__main__":
    main()
