"""Build the site, and import the modules that build it."""

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def site_module(name: str) -> ModuleType:
    """Import a module of `docs/_ext`."""
    folder = str(DOCS / "_ext")
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)


def build(source: Path, output: Path, doctrees: Path) -> None:
    """Build the pages of one language; a warning is an error."""
    command = [sys.executable, "-m", "sphinx", "--builder", "html", "--fail-on-warning", "--quiet"]
    command += ["-d", str(doctrees), str(source), str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
