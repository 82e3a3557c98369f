"""The types of the extension, as type checkers see them, are those it has."""

import subprocess
import sys
from pathlib import Path

STUB = Path(__file__).parents[1] / "src" / "evenly" / "_core.pyi"


def test_the_stub_is_what_the_extension_declares(tmp_path: Path) -> None:
    """When it differs: `make stub`, look at the difference, commit it."""
    fresh = tmp_path / "_core.pyi"
    command = [sys.executable, "-m", "nanobind.stubgen", "-m", "evenly._core", "-o", str(fresh)]
    subprocess.run(command, check=True, capture_output=True)
    assert STUB.read_text(encoding="utf-8") == fresh.read_text(encoding="utf-8")
