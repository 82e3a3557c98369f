"""Tests of the pitfalls: the usual way still fails visibly, and evenly is correct."""

import math
import runpy
from pathlib import Path

import pytest

pytest.importorskip("torch")

PITFALLS = Path(__file__).parents[1] / "pitfalls"
SCRIPTS = sorted(PITFALLS.glob("*.py"))
MIN_ERROR = 0.2
"""The minimum error of the usual way, relative to the correct value, or to 1 if that is small."""
LOSES_ONE_ROW = {"last_batch_of_one"}
"""The scripts whose usual way stops with an error, and loses one row."""


def figures(printed):
    """Return the numbers of the lines 'right', 'usual' and 'evenly'."""
    lines = [line.split() for line in printed.splitlines()]
    return [
        next(float(line[1]) for line in lines if line[0] == name)
        for name in ("right", "usual", "evenly")
    ]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_pitfall_usual_way_fails_and_evenly_is_correct(script, capsys):
    runpy.run_path(str(script), run_name="__main__")
    printed = capsys.readouterr().out
    right, usual, evenly = figures(printed)
    assert evenly == pytest.approx(right, rel=0, abs=1e-6)
    if script.stem in LOSES_ONE_ROW:
        assert usual == right - 1
        assert "ValueError: Expected more than 1 value per channel" in printed
    else:
        assert math.isnan(usual) or abs(usual - right) > MIN_ERROR * max(1.0, abs(right))


def test_pitfalls_readme_lists_each_script():
    page = (PITFALLS / "README.md").read_text(encoding="utf-8")
    listed = [line for line in page.splitlines() if line.startswith("- ")]
    docs = [script.read_text(encoding="utf-8").split('"""')[1].split("\n")[0] for script in SCRIPTS]
    assert listed == [
        f"- [{script.stem}]({script.name}): {summary}"
        for script, summary in zip(SCRIPTS, docs, strict=True)
    ]
