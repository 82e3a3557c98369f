"""The systems: one file each, with the same verbs in the same order.

``fit(x, threads)`` prepares what the system needs and returns the work to be timed. So do
``fit_images(x, threads)``, ``fit_groups(x, keys, threads)``, ``normalize(x, out, threads)``,
``fit_parquet(path, threads)``, ``fit_photos(paths, threads)`` and ``update(batch)``.
``batch_norm(dimensions, channels)`` is a
layer; ``input_layer(x)`` normalises batches with the statistics of ``x``, as soon as it returns.
An engine's ``fit_files(folder, threads)`` is its own way with a folder's files,
``fit_files_with_evenly`` is evenly, sent to it.
``answer`` makes (mean, variance) of what a fit returns, after the clock has stopped. A system
has the verbs that it can do; a fit that it cannot do at a shape returns None. What they import,
they import when asked for work.
"""

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

PACKAGES = {
    "evenly": "evenly",
    "scikit-learn": "sklearn",
    "numpy": "numpy",
    "polars": "polars",
    "pandas": "pandas",
    "duckdb": "duckdb",
    "torch": "torch",
    "pyarrow": "pyarrow",
    "pillow": "PIL",
    "simplejpeg": "simplejpeg",
    "scikit-image": "skimage",
    "dask": "dask",
    "spark": "pyspark",
    "ray": "ray",
}


def installed(name: str) -> bool:
    """Whether a system's package is there, found without importing it."""
    return find_spec(PACKAGES[name]) is not None


def peer(name: str) -> ModuleType:
    """The file of a system."""
    return import_module(f"benchmarks.peers.{PACKAGES[name]}")
