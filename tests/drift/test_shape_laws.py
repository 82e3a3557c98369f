"""With distributions: two halves are silent, and a change of shape alone is found."""

import numpy as np
import pytest

import evenly

SEEDS = 100
LAWS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "lognormal": lambda rng, n: np.exp(3 * rng.normal(size=n)),
    "Pareto without a variance": lambda rng, n: rng.pareto(1.2, size=n),
    "t with 3 degrees of freedom": lambda rng, n: rng.standard_t(3, size=n),
    "rare events": lambda rng, n: (rng.random(n) < 3 / n).astype(float),
    "integers": lambda rng, n: rng.poisson(2, n),
}


def fit(x):
    return evenly.fit(x[:, None], distribution=True)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("limit", [0.0, 0.1])
def test_two_halves_are_silent(law, limit):
    over = 0
    for seed in range(SEEDS):
        x = LAWS[law](np.random.default_rng(seed), 1000)
        over += bool(evenly.compare(fit(x[:500]), fit(x[500:]), limit=limit).over)
    assert over <= (1 if limit else 4)


@pytest.mark.parametrize("law", ["normal", "lognormal"])
def test_two_halves_of_100_000_rows_are_silent(law):
    over = 0
    for seed in range(SEEDS):
        x = LAWS[law](np.random.default_rng(seed), 100_000)
        over += bool(evenly.compare(fit(x[:50_000]), fit(x[50_000:])).over)
    assert over <= 1


def two_peaks(rng, rows):
    """Return values in two peaks, with mean 0 and standard deviation 1."""
    return rng.choice([-0.95, 0.95], rows) + np.sqrt(1 - 0.95**2) * rng.normal(size=rows)


def test_change_of_shape_with_equal_mean_and_std_is_found():
    """From one peak to two: nothing else than the distribution changes."""
    found = silent = 0
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        a, b = rng.normal(size=20_000), two_peaks(rng, 20_000)
        with_bins = evenly.compare(fit(a), fit(b)).columns[0].over
        without = evenly.compare(evenly.fit(a[:, None]), evenly.fit(b[:, None])).columns[0].over
        found += with_bins == ("distribution",)
        silent += without == ()
    assert found == SEEDS
    assert silent == SEEDS
