"""Run one case of a suite in its own process, so that its memory and libraries end with it.

``python -m benchmarks.subprocess_runner SUITE FILE`` reads the case from standard input, as JSON,
and writes the record to the file, so that nothing that a library prints can corrupt it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[1]


def run_in_subprocess(
    suite: str, case: dict[str, Any], environment: dict[str, str]
) -> dict[str, Any]:
    """Run a case of a suite in its own process and return its record."""
    with TemporaryDirectory() as folder:
        result = Path(folder, "record.json")
        command = [sys.executable, "-m", "benchmarks.subprocess_runner", suite, str(result)]
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
            return {**case, "failed": _last_error_line(done)}
        return json.loads(result.read_text())


def _last_error_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last line of the error output, or the exit status if there is no output."""
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"exit status {done.returncode}"


def _environment(threads: int) -> dict[str, str]:
    """Return an environment that sets the threads of libraries that read it when loaded."""
    names = "OMP_NUM_THREADS", "POLARS_MAX_THREADS", "EVENLY_NUM_THREADS"
    return dict(os.environ) | dict.fromkeys(names, str(threads))


def main() -> None:
    """Run the case that is read from standard input."""
    from benchmarks.suites import load_suite

    _, name, result = sys.argv
    case = json.load(sys.stdin)
    record = case | load_suite(name).run(**case)
    Path(result).write_text(json.dumps(record))


if __name__ == "__main__":
    main()
