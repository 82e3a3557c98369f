"""Small images of every format and mode, as files and in archives."""

import io
import tarfile
import zipfile

import numpy as np
from PIL import Image

COLOURS = ("red", "green", "blue")


def noise(seed, *shape, dtype=np.uint8):
    """Return random pixels from the full range of a dtype."""
    info = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(info.min, info.max, shape, dtype, endpoint=True)


def encoded(image, form, **options):
    """Return an image, or an array of pixels, encoded as the bytes of a file."""
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def decoded(content):
    """Return the pixels in RGB as Pillow decodes them, which is what loaders use."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def collection():
    """Return names and contents of images of several sizes and formats, and of other files."""
    return {
        "cat/0.jpg": encoded(noise(0, 17, 23, 3), "JPEG", quality=80),
        "cat/_DSC0001.JPG": encoded(noise(1, 40, 9, 3), "JPEG", quality=95),
        "dog/0.png": encoded(noise(2, 5, 7, 3), "PNG"),
        "dog/1.webp": encoded(noise(3, 12, 12, 3), "WEBP", lossless=True),
        "dog/2.tiff": encoded(noise(4, 3, 300, 3), "TIFF"),
        "3.bmp": encoded(noise(5, 8, 8, 3), "BMP"),
        "4.gif": encoded(noise(6, 8, 8), "GIF"),
        "cat/0.json": b'{"label": 3}',
        "0.cls": b"3",
        "cat/._0.jpg": b"written by macOS next to it",
    }


def stacked(files):
    """Return all pixels of the images in a collection, one row per pixel."""
    suffixes = (".jpg", ".png", ".webp", ".tiff", ".bmp", ".gif")
    images = [
        decoded(content)
        for name, content in files.items()
        if name.lower().endswith(suffixes) and "._" not in name
    ]
    return np.concatenate([image.reshape(-1, 3) for image in images])


def write_folder(files, folder):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def write_zip(files, path, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tar(files, path):
    """Write a tar archive with the compression of its suffix."""
    suffix = path.suffix.lstrip(".")
    mode = f"w:{ {'tgz': 'gz', 'tar': ''}.get(suffix, suffix) }"
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path
