"""PyTorch on the CPU: var_mean, and its layers."""

import numpy as np

BATCH = 64


def fit(x, threads):
    torch = _torch(threads)
    tensor = torch.from_numpy(x)
    return lambda: torch.var_mean(tensor, dim=0, correction=0)


def fit_images(x, threads):
    """Batch by batch, as a data loader brings them; the batches are of equal size but for one."""
    torch = _torch(threads)
    tensor = torch.from_numpy(x)

    def work():
        parts = [
            (len(batch), *torch.var_mean(batch.float(), dim=(0, 2, 3), correction=0))
            for batch in tensor.split(BATCH)
        ]
        mean = sum(n * mean.double() for n, _, mean in parts) / len(tensor)
        square = sum(n * (var + mean**2).double() for n, var, mean in parts) / len(tensor)
        return square - mean**2, mean

    return work


def fit_photos(paths, threads):
    """The most copied recipe: each image's mean and std, averaged. Its std is wrong."""
    from PIL import Image

    torch = _torch(threads)

    def work():
        mean, std = torch.zeros(3), torch.zeros(3)
        for path in paths:
            with Image.open(path) as image:
                pixels = torch.from_numpy(np.array(image.convert("RGB")))
            pixels = pixels.permute(2, 0, 1).float() / 255  # as ToTensor does
            mean += pixels.mean((1, 2))
            std += pixels.std((1, 2))
        return (mean / len(paths)).numpy(), (std / len(paths)).numpy()

    return work


def normalize(x, out, threads):
    torch = _torch(threads)
    tensor, result = torch.from_numpy(x), torch.from_numpy(out)
    variance, mean = torch.var_mean(tensor, dim=0, correction=0)
    std = variance.sqrt()
    return lambda: torch.sub(tensor, mean, out=result).div_(std)


def update(batch):
    return fit(batch, 1)


def batch_norm(dimensions, channels):
    from torch import nn

    return getattr(nn, f"BatchNorm{dimensions}d")(channels)


def input_layer(x):
    """What people write, with statistics that are there."""
    import torch

    others = tuple(axis for axis in range(x.ndim) if axis != 1)
    variance, mean = torch.var_mean(x, others, correction=0, keepdim=True)
    std = variance.sqrt()
    return lambda x: (x - mean) / std


def compiled(layer):
    """The layer by inductor; what was compiled before is forgotten, with its guards."""
    import torch

    torch.compiler.reset()
    return torch.compile(layer)


def answer(result):
    variance, mean = result
    return np.asarray(mean), np.asarray(variance)


def _torch(threads):
    import torch

    torch.set_num_threads(threads)
    return torch
