"""Run the examples and check what they demonstrate."""

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
    """Use one thread: for small networks two would mostly wait for each other."""
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


def figures(text, before):
    """Return the first number of each line that contains these words."""
    return [float(re.search(NUMBER, line)[0]) for line in text.splitlines() if before in line]


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
    assert "the same moments as of the whole, to the bit: True" in text


def test_training_example(printed):
    """evenly's layers learn as well as torch's; with unrepresentative batches Normalize does."""
    text = printed("training.py", "--quick")
    torchs = figures(text, "torch's BatchNorm in front")
    ours = figures(text, "evenly's BatchNorm in front")
    fitted = figures(text, "Normalize in front")
    digits, shuffled, in_order = range(3)
    assert ours[digits] >= torchs[digits] - 2 > 90
    assert fitted[digits] >= torchs[digits] - 2
    (spread, _) = (float(found) for found in re.findall(rf"the mean: ({NUMBER})", text))
    assert ours[shuffled] <= 1.1 * torchs[shuffled] < spread
    assert fitted[shuffled] <= 1.1 * torchs[shuffled]
    assert fitted[in_order] < 0.7 * min(torchs[in_order], ours[in_order])
    (wrong,), (right,) = figures(text, "torch's BatchNorm1d"), figures(text, "evenly's BatchNorm1d")
    assert right < 1e-6 < 1e-3 < wrong
