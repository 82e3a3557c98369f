"""Call the extension from Python, built with a sanitizer: `smoke.py BUILD_FOLDER`.

`make sanitize` runs it with AddressSanitizer's library preloaded.
"""

import importlib.machinery
import importlib.util
import math
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np


def load_core(folder: Path) -> None:
    """Load the extension built in `folder` instead of the installed one."""
    (path,) = folder.glob("_core*.so")
    loader = importlib.machinery.ExtensionFileLoader("evenly._core", str(path))
    spec = importlib.util.spec_from_loader("evenly._core", loader)
    assert spec is not None
    core = importlib.util.module_from_spec(spec)
    sys.modules["evenly._core"] = core
    loader.exec_module(core)


load_core(Path(sys.argv[1]))

import evenly  # noqa: E402

TYPES = ("?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8")


def check(dtype: str, seed: int) -> None:
    """Fit, merge, subtract, weight and normalize rows of one type."""
    rng = np.random.default_rng(seed)
    x = (rng.random((1000, 37)) * 100).astype(dtype)
    whole = evenly.fit(x)
    for view in (np.asfortranarray(x), x[::-1], x.repeat(2, axis=0)[::2], np.ascontiguousarray(x)):
        assert evenly.fit(view) == whole
    halves = evenly.fit(x[:333]) + evenly.fit(x[333:])
    assert halves == whole
    assert halves - evenly.fit(x[333:]) == evenly.fit(x[:333])
    twice = evenly.fit(x, weights=np.full(1000, 2.0))
    assert twice == whole + whole
    np.testing.assert_allclose(whole.mean, x.mean(axis=0, dtype="f8"))
    assert abs(whole.normalize(x).astype("f8").mean(axis=0)).max() < 0.01
    assert [math.fsum(column) for column in x.T.tolist()] == [float(total) for total in whole.sum]


with ThreadPoolExecutor(4) as pool:
    for future in [pool.submit(check, dtype, seed) for seed, dtype in enumerate(TYPES)]:
        future.result()
print("The extension passed under AddressSanitizer.")
