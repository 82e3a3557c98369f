"""The stub of the extension module is up to date."""

import subprocess
import sys
from pathlib import Path

STUB = Path(__file__).parents[1] / "src" / "evenly" / "_core.pyi"


def test_stub_matches_extension(tmp_path: Path) -> None:
    """If it differs, run `make stub`, review the changes and commit them."""
    fresh = tmp_path / "_core.pyi"
    command = [sys.executable, "-m", "nanobind.stubgen", "-m", "evenly._core", "-o", str(fresh)]
    subprocess.run(command, check=True, capture_output=True)
    assert STUB.read_text(encoding="utf-8") == fresh.read_text(encoding="utf-8")
