"""Padding counts as data, so statistics depend on the longest sequence.

Sequences of 5 to 100 steps are padded with zeros to a common length. torch's batch norm includes
the zeros in its statistics; with lengths= (or mask=) they are excluded, and their output is 0.
"""

import torch
from torch.nn.utils.rnn import pad_sequence

import evenly.torch


def main() -> None:
    torch.manual_seed(0)
    lengths = torch.randint(5, 101, (64,))
    steps = [20 + torch.randn(length) for length in lengths.tolist()]
    x = pad_sequence(steps, batch_first=True)[:, None]  # 64 sequences, 1 channel, 100 steps

    usual = torch.nn.BatchNorm1d(1, momentum=1.0)
    ours = evenly.torch.BatchNorm1d(1, momentum=1.0)
    usual(x)
    ours(x, lengths=lengths)
    print("The mean of sequences of different lengths")
    print(f"right   {torch.cat(steps).double().mean():.4f}")
    print(f"usual   {usual.running_mean.item():.4f}  torch.nn.BatchNorm1d on zero-padded input")
    print(f"evenly  {ours.running_mean.item():.4f}  BatchNorm1d()(x, lengths=lengths)")


if __name__ == "__main__":
    main()
