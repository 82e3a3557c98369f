"""The questions: one file each, with the same names in the same order.

``TITLE``; ``cases(size)``, each a JSON object that one process works on, its ``environment``
apart; ``run(...)`` in that process, which returns a record; ``show(records)``, which makes tables.
"""

from importlib import import_module
from types import ModuleType

NAMES = [
    "fit",
    "images",
    "groups",
    "normalize",
    "kernels",
    "parquet",
    "photos",
    "estimator",
    "engines",
    "small",
    "between",
    "batch_norm",
    "network",
    "input_layer",
]


def group(name: str) -> ModuleType:
    """The file of a group."""
    return import_module(f"benchmarks.groups.{name}")
