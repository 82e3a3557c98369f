"""Quantiles of Student's t are within 0.1 % of SciPy's."""

import math

import pytest

from evenly.drift.student import normal_quantile, two_sided_quantile

stats = pytest.importorskip("scipy.stats")


@pytest.mark.parametrize("error", [0.5, 0.1, 0.01, 1e-4, 1e-6, 1e-9])
@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 7, 10, 30, 100, 10_000, 10_000_000])
def test_quantile_is_scipys(error, freedom):
    expected = stats.t.isf(error / 2, freedom)
    assert two_sided_quantile(error, freedom) == pytest.approx(expected, rel=1e-3)


def test_freedom_is_rounded_down():
    assert two_sided_quantile(0.01, 7.9) == two_sided_quantile(0.01, 7)


@pytest.mark.parametrize("freedom", [0.0, 0.5, -1.0, math.nan])
def test_less_than_one_degree_of_freedom_is_infinite(freedom):
    assert two_sided_quantile(0.01, freedom) == math.inf


@pytest.mark.parametrize("error", [0.5, 0.01, 1e-9])
def test_normal_quantile_is_scipys(error):
    assert normal_quantile(error) == pytest.approx(stats.norm.isf(error / 2), rel=1e-9)
