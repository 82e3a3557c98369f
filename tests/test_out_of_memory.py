"""Without enough memory or threads, a fit raises MemoryError or returns the right sums."""

import resource
import subprocess
import sys

import pytest

CHILD = """
import resource
import numpy as np
{loads}
import evenly

rng = np.random.default_rng(1)
x = rng.normal(size=(60, 20_000)) * 10.0 ** rng.integers(-250, 250, (60, 20_000))
evenly.fit(np.ones((100_000, 8)), threads=4 if {warm} else 1)
assert evenly.threads().runtime == {runtime!r}, evenly.threads()
(size,) = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmSize")]
limit = (int(size) << 10) + {spare}
resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
try:
    moments = evenly.fit(x, threads=4)
except MemoryError:
    print("MemoryError")
else:
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
    print(moments == evenly.fit(x, threads=1))
"""

RUNTIMES = {
    "own": ("", "evenly's own pool"),
    "torch": ("import torch", "libgomp (torch's)"),
    "scikit-learn": ("import sklearn.cluster", "libgomp (scikit-learn's)"),
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/status")
@pytest.mark.skipif(not hasattr(resource, "RLIMIT_AS"), reason="needs a limit of memory")
@pytest.mark.parametrize("warm", [True, False], ids=["threads started", "threads not started"])
@pytest.mark.parametrize("name", RUNTIMES)
def test_too_little_memory_raises_memory_error(name, warm):
    loads, runtime = RUNTIMES[name]
    if loads:
        pytest.importorskip(loads.split()[1])
    for megabytes in (9, 25, 60):
        script = CHILD.format(loads=loads, runtime=runtime, warm=warm, spare=megabytes << 20)
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{megabytes} MB: {done.returncode} {done.stderr[-2000:]}"
        assert done.stdout.split()[-1] in ("MemoryError", "True"), f"{megabytes} MB: {done.stdout}"
