"""Work that is sent to where the data are: Dask, Spark, Ray.

The README beside this file says what is sent, what comes back, and why it is so.
"""

from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import Any

_ENGINES = {"dask": "dask", "distributed": "dask", "pyspark": "spark", "ray": "ray"}
"""The package that made a collection, and the file here that knows it."""


def engine_of(x: Any) -> ModuleType | None:
    """Return the engine that holds a collection's data; None for data that are here.

    The classes of x are asked where they come from: nothing is imported for what no engine
    made. A list is what its first item is: a list of Delayed is data of Dask's.

    >>> engine_of([[1.0, 2.0]]) is None
    True
    """
    first = x[0] if isinstance(x, list) and x else x
    name = _engine_that_made(type(first))  # type: ignore[arg-type]
    if name is None:
        return None
    # By name, and late: an engine stands below all that it sends out, and this file above.
    engine = import_module(f"{__name__}.{name}")
    return engine if engine.owns(x) else None


@lru_cache(maxsize=1024)
def _engine_that_made(kind: type) -> str | None:
    packages = (parent.__module__.partition(".")[0] for parent in kind.__mro__)
    return next((_ENGINES[package] for package in packages if package in _ENGINES), None)
