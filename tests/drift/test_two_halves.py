"""Two halves of one data set are silent at any size; what changed is found every time."""

import numpy as np
import pytest

import evenly

LAWS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "lognormal": lambda rng, shape: np.exp(3 * rng.normal(size=shape)),
    "Pareto without a variance": lambda rng, shape: rng.pareto(1.2, size=shape),
    "Cauchy": lambda rng, shape: rng.standard_cauchy(size=shape),
    "rare events": lambda rng, shape: (rng.random(shape) < 3 / shape[0]).astype(float),
    "coin": lambda rng, shape: rng.integers(0, 2, shape),
    "timestamps": lambda rng, shape: 1.7e9 + rng.uniform(0, 3e7, shape),
    "missing values": lambda rng, shape: np.where(rng.random(shape) < 0.3, np.nan, 1.0),
}
SEEDS = 100


def halves(law, seed, shape, **options):
    """Return the moments of two halves of one data set."""
    x = LAWS[law](np.random.default_rng(seed), shape)
    half = shape[0] // 2
    return evenly.fit(x[:half], **options), evenly.fit(x[half:], **options)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("shape", [(1000, 1), (1000, 8)], ids=["1 column", "8 columns"])
@pytest.mark.parametrize("limit", [0.0, 0.1])
def test_two_halves_are_silent(law, shape, limit):
    """With a limit of 0, only the confidence of 99 % is left."""
    over = sum(
        bool(evenly.compare(*halves(law, seed, shape), limit=limit).over) for seed in range(SEEDS)
    )
    assert over <= (1 if limit else 4)  # 1 expected; 5 or more have a probability of 0.3 %


@pytest.mark.parametrize("law", ["normal", "lognormal", "rare events"])
def test_two_halves_of_100_000_rows_are_silent(law):
    over = sum(bool(evenly.compare(*halves(law, s, (100_000, 1))).over) for s in range(SEEDS))
    assert over <= 1


def test_shift_of_a_tenth_is_found_every_time():
    """0.1 standard deviations at 100,000 rows, with a limit of 0.05."""
    found = 0
    for seed in range(SEEDS):
        x = np.random.default_rng(seed).normal(size=(100_000, 1))
        x[50_000:] += 0.1
        comparison = evenly.compare(evenly.fit(x[:50_000]), evenly.fit(x[50_000:]), limit=0.05)
        found += comparison.columns[0].over == ("mean",)
    assert found == SEEDS
