"""BatchNorm1d from the first example to the input layer: `python examples/article.py`.

Follows a well-known tutorial line by line with evenly's layers, and goes on where that ends:
what a batch norm right after the input is asked to do, `Normalize` does exactly.
"""

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import evenly
from evenly.torch import BatchNorm1d, Normalize


def main() -> None:
    torch.manual_seed(0)
    a_batch()
    one_row()
    few_rows()
    constant_columns()
    the_input_layer()


def a_batch() -> None:
    """Print the means and variances of 100 rows of 10 random numbers, before and after."""
    x = torch.randn(100, 10)
    y = BatchNorm1d(10, affine=False)(x)
    print("100 rows of 10 random numbers, through BatchNorm1d(10)")
    print(f"  means before      {x.mean(0).abs().max():.3f} at most")
    print(f"  means after       {y.mean(0).abs().max():.1e} at most")
    # Tensor.var() divides by n - 1 = 99, as for a sample; the layer, as the paper says, divides
    # by n = 100. So what the layer made 1 is printed as 100/99 = 1.0101.
    print(f"  variances after   {listed(y.var(0))}  (sums over 99)")
    print(f"                    {listed(y.var(0, correction=0))}  (sums over 100, as the layer)")


def listed(values: Tensor) -> str:
    """Write the smallest and the largest value, or one when they look the same."""
    texts = sorted({f"{value:.4f}" for value in values.tolist()})
    return " to ".join(texts[:1] + texts[1:][-1:])


def one_row() -> None:
    """Print the error of training with one row, which is torch's."""
    print("\nOne row has no variance:")
    layer = BatchNorm1d(10)
    try:
        layer(torch.randn(1, 10))
    except ValueError as error:
        print(f"  ValueError: {error}")
    y = layer.eval()(torch.randn(1, 10))
    print(f"  in evaluation there is no such need: {tuple(y.shape)}")


def few_rows() -> None:
    """Print how much the two ways to divide differ when there are few rows: n / (n - 1)."""
    print("\nThe variance that .var() shows after the layer")
    for rows in (3, 10, 100):
        y = BatchNorm1d(10, affine=False)(torch.randn(rows, 10))
        print(f"  {rows:3} rows  {y.var(0).mean():.3f} = {rows}/{rows - 1}")


def constant_columns() -> None:
    """Print what becomes of columns without variance."""
    print("\nA constant column becomes")
    for value, rows in ((7.0, 100), (1234567.1, 1_000_000)):
        x = torch.full((rows, 1), value)
        ours, torchs = (layer(1)(x).abs().max().item() for layer in (BatchNorm1d, nn.BatchNorm1d))
        print(f"  {value}, {rows:,} rows: exactly {ours}  (by torch's layer {torchs:.4f})")


def the_input_layer() -> None:
    """Learn the statistics of a data set while an epoch runs, and compare with the whole."""
    places, scales = torch.tensor([0.0, 1e6, -3.0]), torch.tensor([1.0, 1.0, 1e-3])
    data = places + scales * torch.randn(1001, 3)
    loader = DataLoader(TensorDataset(data), batch_size=100, shuffle=True)
    layer = Normalize(3)
    model = nn.Sequential(layer, nn.Linear(3, 1))
    for (batch,) in loader:  # the last batch has one row: no error
        model(batch)
    layer.freeze()
    y = layer(data).double()
    print("\nNormalize right after the input, learned in an epoch of 11 batches")
    print(f"  the same moments as of the whole, to the bit: {layer.moments == evenly.fit(data)}")
    print(f"  means      {y.mean(0).abs().max():.0e} at most")
    print(f"  variances  {listed(y.var(0, correction=0))}")


if __name__ == "__main__":
    main()
