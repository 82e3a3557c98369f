"""Photographs as a data set of JPEGs has them: cut out of a few that packages ship."""

from pathlib import Path

import numpy as np

SEED = 20260727
SIDE = 256
QUALITY = 60, 96
SAMPLES = "astronaut", "chelsea", "coffee", "rocket", "hubble_deep_field", "retina"


def make(folder: Path, number: int) -> list[str]:
    """Write so many JPEGs of 256x256, each another cut, size, side and quality; return the paths.

    They lie in folders of a thousand, as classes do.
    """
    from PIL import Image

    rng = np.random.default_rng(SEED)
    originals = [Image.fromarray(array) for array in _originals()]
    paths = []
    for index in range(number):
        image = _cut(originals[rng.integers(len(originals))], rng)
        path = folder / f"{index // 1000:03}" / f"{index:06}.jpg"
        path.parent.mkdir(exist_ok=True)
        image.save(path, quality=int(rng.integers(*QUALITY)))
        paths.append(str(path))
    return paths


def _originals():
    from skimage import data
    from sklearn.datasets import load_sample_images

    return [*load_sample_images().images, *(getattr(data, name)() for name in SAMPLES)]


def _cut(image, rng):
    """A square of any size and place, shrunk or enlarged to 256x256, mirrored or not."""
    from PIL import Image

    side = int(rng.integers(SIDE // 2, min(image.size) + 1))
    left, top = (int(rng.integers(0, length - side + 1)) for length in image.size)
    cut = image.resize((SIDE, SIDE), box=(left, top, left + side, top + side))
    return cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.integers(2) else cut
