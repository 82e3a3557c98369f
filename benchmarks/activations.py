"""What flows through a layer: a batch, and the gradient that comes back to its output."""

from dataclasses import dataclass
from math import prod

SEED = 20130101
BYTES = {"float32": 4, "bfloat16": 2}
CHANNELS_LAST = "channels last"
LAYOUTS = "contiguous", CHANNELS_LAST


@dataclass(frozen=True)
class Activations:
    """A batch: channels are the second axis, and have different means and scales."""

    shape: tuple[int, ...]
    dtype: str = "float32"
    layout: str = "contiguous"

    @property
    def label(self) -> str:
        return "×".join(f"{length}" for length in self.shape)

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * BYTES[self.dtype]

    @property
    def strip(self) -> int:
        """The bytes of a channel, or of the columns that share the cache's lines with its own."""
        samples, _, *positions = self.shape
        apart = not positions or self.layout == CHANNELS_LAST
        return samples * prod(positions) * (64 if apart else BYTES[self.dtype])

    @property
    def channels(self) -> int:
        return self.shape[1]

    @property
    def dimensions(self) -> int:
        """The 1, 2 or 3 of the layer's name."""
        return max(1, len(self.shape) - 2)

    def make(self):
        """Return the batch, and the gradient of its output."""
        import torch

        draw = torch.Generator().manual_seed(SEED)
        per_channel = (1, self.channels, *(1 for _ in self.shape[2:]))
        scale = 10 ** (torch.rand(per_channel, generator=draw) - 0.5)
        mean = scale * (torch.rand(per_channel, generator=draw) * 6 - 3)
        x = torch.randn(self.shape, generator=draw) * scale + mean
        return self._lay_out(x), self._lay_out(torch.randn(self.shape, generator=draw))

    def _lay_out(self, x):
        import torch

        x = x.to(getattr(torch, self.dtype))
        last = self.layout == CHANNELS_LAST
        return x.contiguous(memory_format=torch.channels_last) if last else x
