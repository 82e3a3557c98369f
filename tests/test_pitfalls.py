"""Run each pitfall: the usual way fails visibly, and evenly is right."""

import math
import runpy
from pathlib import Path

import pytest

pytest.importorskip("torch")

PITFALLS = Path(__file__).parents[1] / "pitfalls"
SCRIPTS = sorted(PITFALLS.glob("*.py"))
VISIBLE = 0.2
"""Minimum error of the usual way, relative to the right value (or to 1, if it is small)."""
PER_ROW = {"last_batch_of_one"}
"""Pitfalls in which the usual way raises an error, or loses one row."""


def figures(printed):
    """Return the number in each of the lines 'right', 'usual' and 'evenly'."""
    words = [line.split() for line in printed.splitlines()]
    return [
        next(float(line[1]) for line in words if line[0] == name)
        for name in ("right", "usual", "evenly")
    ]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_usual_way_fails_and_evenly_does_not(script, capsys):
    runpy.run_path(str(script), run_name="__main__")
    printed = capsys.readouterr().out
    right, usual, evenly = figures(printed)
    assert evenly == pytest.approx(right, rel=0, abs=1e-6)
    if script.stem in PER_ROW:
        assert usual == right - 1
        assert "ValueError: Expected more than 1 value per channel" in printed
    else:
        assert math.isnan(usual) or abs(usual - right) > VISIBLE * max(1.0, abs(right))


def test_page_has_docstring_of_each_pitfall():
    page = (PITFALLS / "README.md").read_text(encoding="utf-8")
    listed = [line for line in page.splitlines() if line.startswith("- ")]
    docstrings = [
        script.read_text(encoding="utf-8").split('"""')[1].split("\n")[0] for script in SCRIPTS
    ]
    assert listed == [
        f"- [{script.stem}]({script.name}): {words}"
        for script, words in zip(SCRIPTS, docstrings, strict=True)
    ]
