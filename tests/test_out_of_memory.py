"""Without enough memory or threads, a fit raises MemoryError or returns the right sums."""

import functools
import os
import resource
import subprocess
import sys

import pytest

MEGABYTES = (1, 3, 9, 60)
"""The memory that a fit may allocate. The sums of 20,000 columns take 3.4 MB."""

# Each fit runs in a forked process, so that the libraries are imported once; no threads have been
# started before the fork.
SCRIPT = """
import os
import resource
import sys
import traceback
import numpy as np
{loads}
import evenly

rng = np.random.default_rng(1)
x = rng.normal(size=(6, 20_000)) * 10.0 ** rng.integers(-250, 250, (6, 20_000))
expected = evenly.fit(x, threads=1)
assert evenly.threads().runtime == {runtime!r}, evenly.threads()

def fit(warm, spare):
    evenly.fit(np.ones((100_000, 8)), threads=4 if warm else 1)
    (size,) = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmSize")]
    limit = (int(size) << 10) + spare
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    try:
        moments = evenly.fit(x, threads=4)
    except MemoryError:
        return "MemoryError"
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
    return str(moments == expected)

for warm in (True, False):
    for megabytes in {megabytes}:
        child = os.fork()
        if child == 0:
            try:
                print(warm, megabytes, fit(warm, megabytes << 20), flush=True)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status:
            print(warm, megabytes, "exit status", status, flush=True)
"""

RUNTIMES = {
    "own": ("", "evenly's own pool"),
    "torch": ("import torch", "libgomp (torch's)"),
    "scikit-learn": ("import sklearn.cluster", "libgomp (scikit-learn's)"),
}


@functools.cache
def outcomes(name):
    """Fit with and without started threads and with each limit; return outcomes and errors."""
    loads, runtime = RUNTIMES[name]
    script = SCRIPT.format(loads=loads, runtime=runtime, megabytes=MEGABYTES)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.returncode} {done.stderr[-2000:]}"
    return [line.split(maxsplit=2) for line in done.stdout.splitlines()], done.stderr[-2000:]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/status")
@pytest.mark.skipif(not hasattr(resource, "RLIMIT_AS"), reason="needs a limit of memory")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("warm", [True, False], ids=["threads started", "threads not started"])
@pytest.mark.parametrize("name", RUNTIMES)
def test_too_little_memory_raises_memory_error(name, warm):
    if loads := RUNTIMES[name][0]:
        pytest.importorskip(loads.split()[1])
    lines, errors = outcomes(name)
    found = {int(megabytes): end for started, megabytes, end in lines if started == str(warm)}
    assert found.keys() == set(MEGABYTES)
    assert set(found.values()) <= {"MemoryError", "True"}, f"{found} {errors}"
    assert found[60] == "True"
    if name == "own":  # the other libraries leave enough free memory behind
        assert found[1] == "MemoryError"
