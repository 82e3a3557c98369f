"""Subnormal numbers are kept, also after torch.set_flush_denormal(True)."""

import numpy as np
import pytest

import evenly

torch = pytest.importorskip("torch")

TINY = [5e-324, 1e-310, -3e-315]


@pytest.fixture
def flushing():
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush subnormal numbers")
    yield
    torch.set_flush_denormal(False)


def expected():
    """Statistics of subnormal numbers, computed in the default mode."""
    moments = evenly.fit(np.array(TINY)[:, None])
    return moments, moments.mean, moments.std(), moments.to_bytes(), repr(moments)


NORMAL = expected()


def bits(values):
    return np.asarray(values, np.float64).view(np.int64).tolist()


def test_sums_and_statistics_with_flushed_subnormals(flushing):
    moments, mean, std, content, text = expected()
    assert content == NORMAL[3]
    assert bits(mean) == bits(NORMAL[1])
    assert bits(std) == bits(NORMAL[2])
    assert repr(moments) == text == NORMAL[4]
    assert bits(moments.min) == bits([-3e-315])


def test_save_and_load_with_flushed_subnormals(flushing, tmp_path):
    path = tmp_path / "tiny.json"
    NORMAL[0].save(path)
    assert path.read_bytes() == NORMAL[3]
    again = evenly.load(path)
    assert bits(again.min) == bits(NORMAL[0].min)
    assert again.to_bytes() == NORMAL[3]
    assert evenly.Moments.from_bytes(NORMAL[3]).to_bytes() == NORMAL[3]


def test_merge_extremes_with_flushed_subnormals(flushing):
    low, high = (evenly.Moments.empty().update(np.array([[x]])) for x in (-1e-310, 5e-324))
    both = low + high
    assert bits(both.min) == bits([-1e-310])
    assert bits(both.max) == bits([5e-324])


def test_groups_with_flushed_subnormals(flushing):
    x, keys = np.array(TINY)[:, None], np.array(["a", "b", "a"])
    content = evenly.fit(x, by=keys).to_bytes()
    torch.set_flush_denormal(False)
    assert content == evenly.fit(x, by=keys).to_bytes()


def test_mode_is_restored_after_with_statement(flushing):
    flushed = (torch.tensor([1e-310], dtype=torch.float64) * 1.0).item()
    with evenly._core.ExactMode():
        kept = (torch.tensor([1e-310], dtype=torch.float64) * 1.0).item()
    again = (torch.tensor([1e-310], dtype=torch.float64) * 1.0).item()
    assert (bits(flushed), bits(again)) == (bits(0.0), bits(0.0))
    assert bits(kept) == bits(1e-310)
