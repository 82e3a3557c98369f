"""The types that mypy and pyright see in a user's program."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "typing"
PROGRAM = FOLDER / "program.py"
EXPECTED = {
    number
    for number, line in enumerate(PROGRAM.read_text(encoding="utf-8").splitlines(), 1)
    if line.endswith("# error")
}


def test_types_of_a_users_program_by_mypy(tmp_path):
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy", "--no-incremental", "--output", "json"]
    command += ["--config-file", str(FOLDER / "mypy.ini"), "--cache-dir", str(tmp_path)]
    command.append(str(PROGRAM))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    messages = [entry for entry in found if entry["severity"] == "error"]
    ours = [entry for entry in messages if Path(entry["file"]).name == PROGRAM.name]
    untyped = {"import-untyped", "import-not-found"}
    assert {entry["line"] for entry in ours if entry["code"] not in untyped} == EXPECTED, (
        done.stdout + done.stderr
    )


def test_types_of_a_users_program_by_pyright():
    pytest.importorskip("basedpyright")
    command = [sys.executable, "-m", "basedpyright", "--level", "error", "--outputjson"]
    command += ["--pythonpath", sys.executable, str(PROGRAM)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    errors = json.loads(done.stdout)["generalDiagnostics"]
    ignored = {"reportMissingTypeStubs", "reportMissingImports"}
    lines = {e["range"]["start"]["line"] + 1 for e in errors if e.get("rule") not in ignored}
    assert lines == EXPECTED, json.dumps(errors, indent=1)
