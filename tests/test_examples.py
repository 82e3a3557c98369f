"""Tests that the examples run and print the expected results."""

import re
import runpy
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

EXAMPLES = Path(__file__).parents[1] / "examples"
NUMBER = r"\d+(?:\.\d+)?(?:e[-+]\d+)?"


@pytest.fixture(autouse=True)
def one_thread():
    """Use one thread: the networks are so small that more threads would mostly wait."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def printed(monkeypatch, capsys):
    def run(name, *options):
        monkeypatch.setattr(sys, "argv", [name, *options])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run


def first_numbers(text, label):
    """Return the first number of each line that contains a text."""
    return [float(re.search(NUMBER, line)[0]) for line in text.splitlines() if label in line]


def test_article_example(printed):
    text = printed("article.py")
    (mean,) = (float(line.split()[2]) for line in text.splitlines() if "means after" in line)
    assert mean < 1e-7
    assert "variances after   1.0101  (sums over 99)" in text
    assert "1.0000  (sums over 100" in text
    assert "ValueError: Expected more than 1 value per channel when training, got input" in text
    assert "  3 rows  1.500 = 3/2" in text
    assert " 10 rows  1.111 = 10/9" in text
    assert "7.0, 100 rows: exactly 0.0 " in text
    assert "1234567.1, 1,000,000 rows: exactly 0.0  (by torch's layer 0.99" in text
    assert "moments bit-identical to evenly.fit: True" in text


def test_training_example(printed):
    """evenly's layers learn as well as torch's; with batches in file order, Normalize does."""
    text = printed("training.py", "--quick")
    torchs = first_numbers(text, "torch's BatchNorm in front")
    ours = first_numbers(text, "evenly's BatchNorm in front")
    fitted = first_numbers(text, "Normalize in front")
    digits, shuffled, in_order = range(3)
    assert ours[digits] >= torchs[digits] - 2 > 90
    assert fitted[digits] >= torchs[digits] - 2
    baseline, _ = map(float, re.findall(rf"the mean: ({NUMBER})", text))
    assert ours[shuffled] <= 1.1 * torchs[shuffled] < baseline
    assert fitted[shuffled] <= 1.1 * torchs[shuffled]
    assert fitted[in_order] < 0.7 * min(torchs[in_order], ours[in_order])
    (wrong,), (right,) = (
        first_numbers(text, "torch's BatchNorm1d"),
        first_numbers(text, "evenly's BatchNorm1d"),
    )
    assert right < 1e-6 < 1e-3 < wrong
