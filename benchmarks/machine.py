"""Where the figures come from: the machine, the versions, the load."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ["evenly", "numpy", "scikit-learn", "polars", "duckdb", "torch", "pyarrow", "pillow"]


def facts() -> dict:
    """What a reader needs to judge the figures; no names of people, machines or folders."""
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
    """The bytes of a core's largest cache (of a level); 0 where Linux lists none."""
    listed = Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")
    found = [one for one in listed if level in (None, int((one / "level").read_text()))]
    sizes = ((one / "size").read_text().strip().removesuffix("K") for one in found)
    return max((int(size) << 10 for size in sizes), default=0)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _field(path: str, name: str) -> str:
    """The first value of a name in one of Linux's tables, or nothing."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def _commit() -> str:
    """What git calls this tree; nothing where there is no git."""
    here = Path(__file__).parent
    command = ["git", "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, cwd=here, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""
