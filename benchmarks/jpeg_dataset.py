"""Write a data set of JPEG photographs, cropped from images that packages ship."""

from pathlib import Path

import numpy as np

SEED = 20260727
SIDE = 256
QUALITY = 60, 96
SAMPLES = "astronaut", "chelsea", "coffee", "rocket", "hubble_deep_field", "retina"


def make(folder: Path, number: int) -> list[str]:
    """Write JPEGs of 256x256 pixels and return their paths.

    Each is a different crop, scale, orientation and quality. They are stored in folders of a
    thousand, as the classes of a data set are.
    """
    from PIL import Image

    rng = np.random.default_rng(SEED)
    originals = [Image.fromarray(array) for array in _originals()]
    paths = []
    for index in range(number):
        image = _crop(originals[rng.integers(len(originals))], rng)
        path = folder / f"{index // 1000:03}" / f"{index:06}.jpg"
        path.parent.mkdir(exist_ok=True)
        image.save(path, quality=int(rng.integers(*QUALITY)))
        paths.append(str(path))
    return paths


def _originals():
    from skimage import data
    from sklearn.datasets import load_sample_images

    return [*load_sample_images().images, *(getattr(data, name)() for name in SAMPLES)]


def _crop(image, rng):
    """Return a random square crop, resized to 256x256 and mirrored half of the time."""
    from PIL import Image

    side = int(rng.integers(SIDE // 2, min(image.size) + 1))
    left, top = (int(rng.integers(0, length - side + 1)) for length in image.size)
    crop = image.resize((SIDE, SIDE), box=(left, top, left + side, top + side))
    return crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.integers(2) else crop
