"""The inputs of a layer: a batch, and the gradient with respect to its output."""

from dataclasses import dataclass
from math import prod

SEED = 20130101
BYTES = {"float32": 4, "bfloat16": 2}
CHANNELS_LAST = "channels last"
LAYOUTS = "contiguous", CHANNELS_LAST


@dataclass(frozen=True)
class Activations:
    """A batch whose channels, the second axis, have different means and scales."""

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
    def channel_bytes(self) -> int:
        """The bytes of a channel, or of the channels that share its cache lines."""
        samples, _, *positions = self.shape
        is_interleaved = not positions or self.layout == CHANNELS_LAST
        return samples * prod(positions) * (64 if is_interleaved else BYTES[self.dtype])

    @property
    def channels(self) -> int:
        return self.shape[1]

    @property
    def dimensions(self) -> int:
        """The 1, 2 or 3 in the name of the layer."""
        return max(1, len(self.shape) - 2)

    def make(self):
        """Return the batch and the gradient with respect to its output."""
        import torch

        generator = torch.Generator().manual_seed(SEED)
        per_channel = (1, self.channels, *(1 for _ in self.shape[2:]))
        scale = 10 ** (torch.rand(per_channel, generator=generator) - 0.5)
        mean = scale * (torch.rand(per_channel, generator=generator) * 6 - 3)
        x = torch.randn(self.shape, generator=generator) * scale + mean
        return self._convert(x), self._convert(torch.randn(self.shape, generator=generator))

    def _convert(self, x):
        import torch

        x = x.to(getattr(torch, self.dtype))
        if self.layout == CHANNELS_LAST:
            return x.contiguous(memory_format=torch.channels_last)
        return x
