"""The systems: one module each, with the same verbs in the same order.

Each verb prepares the data as the system prefers it and returns the function to time:
``fit(x, threads)``, ``fit_images(x, threads)``, ``fit_groups(x, keys, threads)``,
``normalize(x, out, threads)``, ``fit_parquet(path, threads)``, ``fit_photos(paths, threads)``,
``fit_quantiles(x, q, threads)`` and ``update(batch)``. ``batch_norm(dimensions, channels)``
returns a layer; ``input_layer(x)`` returns
a function that normalizes batches with the statistics of ``x``. For an engine,
``fit_files(folder, threads)`` uses its own implementation and ``fit_files_with_evenly`` uses
evenly on the engine. ``answer`` turns the result of a fit into (mean, variance), and is not timed.

A module has only the verbs that its system supports; a fit that a system does not support at a
shape returns None. Modules import their system only when a verb is called.
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
    "datasets": "datasets",
    "dask": "dask",
    "spark": "pyspark",
    "ray": "ray",
    "datasketches": "datasketches",
    "fastdigest": "fastdigest",
}


def installed(name: str) -> bool:
    """Return whether the package of a system is installed, without importing it."""
    return find_spec(PACKAGES[name]) is not None


def peer(name: str) -> ModuleType:
    """Import the module of a system."""
    return import_module(f"benchmarks.peers.{PACKAGES[name]}")
