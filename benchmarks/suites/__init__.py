"""The suites: one module for each question, with the same names in the same order.

``TITLE``; ``cases(size)``, a list of JSON objects, each of which is run in its own process, with
its environment variables under ``environment``; ``run(...)``, which runs a case in that process
and returns a record; ``show(records)``, which returns tables.
"""

from importlib import import_module
from types import ModuleType

MODULES = {
    "fit": "fit",
    "images": "images",
    "groups": "group_by",
    "distribution": "distribution",
    "normalize": "normalize",
    "kernels": "kernels",
    "parquet": "parquet",
    "photos": "photos",
    "estimator": "estimator",
    "engines": "engines",
    "small": "overhead",
    "latency": "latency",
    "frames": "frames",
    "imports": "imports",
    "between": "thread_contention",
    "batch_norm": "batch_norm",
    "compile": "compile",
    "network": "training_step",
    "input_layer": "input_layer",
    "report": "report",
}
"""The module of each suite, by the name that is given on the command line."""
NAMES = list(MODULES)


def load_suite(name: str) -> ModuleType:
    """Import the module of a suite."""
    return import_module(f"benchmarks.suites.{MODULES[name]}")
