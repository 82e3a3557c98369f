"""Describe where times were measured: the machine, the versions and the load."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ["evenly", "numpy", "scikit-learn", "polars", "duckdb", "torch", "pyarrow", "pillow"]


def describe() -> dict:
    """Return the machine, versions and load; no names of people, machines or folders."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "processor": _field("/proc/cpuinfo", "model name") or platform.processor(),
        "architecture": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": _field("/proc/meminfo", "MemTotal"),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        "environment": {k: v for k, v in os.environ.items() if k.startswith(("OPENBLAS_", "OMP_"))},
        "load_before": os.getloadavg(),
    }


def cache(level: int | None = None) -> int:
    """Return the bytes of the largest cache of a core (at a level), or 0 if Linux lists none."""
    listed = Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")
    caches = [path for path in listed if level in (None, int((path / "level").read_text()))]
    sizes = ((path / "size").read_text().strip().removesuffix("K") for path in caches)
    return max((int(size) << 10 for size in sizes), default=0)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _field(path: str, name: str) -> str:
    """Return the first value of a field of a file in /proc, or an empty string."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def _commit() -> str:
    """Return git's description of this tree, or an empty string if there is no git."""
    here = Path(__file__).parent
    command = ["git", "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, cwd=here, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""
