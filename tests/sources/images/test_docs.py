"""Test the sessions of docs/images.md and their output."""

import doctest
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import skimage.data
import sklearn.datasets

PAGE = Path(__file__).parents[3] / "docs" / "images.md"


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Create two photographs, a gray image, one with alpha, a truncated one, and labels."""
    folder = tmp_path / "photos"
    folder.mkdir()
    sklearns = Path(sklearn.datasets.__file__).parent / "images"
    skimages = Path(skimage.data.__file__).parent
    for path in (sklearns / "china.jpg", sklearns / "flower.jpg"):
        shutil.copy(path, folder)
    for name in ("camera.png", "logo.png"):
        shutil.copy(skimages / name, folder)
    (folder / "rocket.jpg").write_bytes((skimages / "rocket.jpg").read_bytes()[:20_000])
    (folder / "labels.json").write_text("{}")
    monkeypatch.chdir(tmp_path)


def blocks(language):
    parts = PAGE.read_text(encoding="utf-8").split("```")[1::2]
    return [part.partition("\n")[2] for part in parts if part.startswith(f"{language}\n")]


@pytest.mark.usefixtures("photos")
def test_docs_images_shell_session():
    (block,) = blocks("console")
    for part in block.split("$ evenly ")[1:]:
        arguments, _, printed = part.partition("\n")
        done = subprocess.run(
            [sys.executable, "-m", "evenly", *arguments.split()],
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert done.stdout == printed, arguments


@pytest.mark.usefixtures("photos")
def test_docs_images_python_session():
    block = next(block for block in blocks("python") if block.startswith(">>>"))
    test = doctest.DocTestParser().get_doctest(block, {}, PAGE.name, None, 0)
    failures = []
    runner = doctest.DocTestRunner()
    runner.run(test, out=failures.append)
    assert not runner.failures, "".join(failures)
