"""A workload's own process: one case comes in, its record goes out, and memory is free again.

``python -m benchmarks.child GROUP FILE`` reads the case from standard input, as JSON, and writes
the record to the file, so that nothing that a library prints can spoil it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[1]


def run_apart(group: str, case: dict[str, Any], environment: dict[str, str]) -> dict[str, Any]:
    """Run a case of a group in a process of its own, and return its record."""
    with TemporaryDirectory() as folder:
        result = Path(folder, "record.json")
        command = [sys.executable, "-m", "benchmarks.child", group, str(result)]
        done = subprocess.run(
            command,
            input=json.dumps(case),
            env=_environment(case["threads"]) | environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            return {**case, "failed": _last_words(done)}
        return json.loads(result.read_text())


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    """What went wrong: the error's last line, or the status of a process that was killed."""
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"exit status {done.returncode}"


def _environment(threads: int) -> dict[str, str]:
    """As many threads for all who read it from the environment when they are loaded."""
    names = "OMP_NUM_THREADS", "POLARS_MAX_THREADS", "EVENLY_NUM_THREADS"
    return dict(os.environ) | dict.fromkeys(names, str(threads))


def main() -> None:
    """Be that process."""
    from benchmarks.groups import group

    _, name, result = sys.argv
    case = json.load(sys.stdin)
    record = case | group(name).run(**case)
    Path(result).write_text(json.dumps(record))


if __name__ == "__main__":
    main()
