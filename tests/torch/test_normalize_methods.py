"""`Normalize` with other methods than the mean and the standard deviation."""

import numpy as np
import pytest
import torch

import evenly
from evenly.errors import DataError
from evenly.torch import Normalize

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")

X = torch.from_numpy(np.random.default_rng(0).normal(size=(500, 3))).float()
METHODS = [
    {"method": "minmax", "range": (-1, 1), "clip": True},
    {"method": "maxabs"},
    {"method": "robust"},
    {"method": "quantile", "q": (0.05, 0.95), "clip": 1.5},
    {"method": "standard", "distribution": 64},
]


@pytest.mark.parametrize("options", METHODS)
def test_a_layer_learns_what_a_fit_computes(options):
    layer = Normalize(3, **options)
    for batch in X.split(70):
        layer(batch)
    layer.freeze()
    fitted = Normalize.fit(X, **options)
    assert torch.equal(layer(X), fitted(X))
    how = {name: value for name, value in options.items() if name != "distribution"}
    expected = evenly.fit(X, distribution=True).normalize(X, **how)
    torch.testing.assert_close(layer(X), expected, rtol=0, atol=0)
    inverse = {name: value for name, value in how.items() if name != "clip"}
    torch.testing.assert_close(
        layer.inverse()(layer(X)), layer.moments.denormalize(layer(X), **inverse)
    )


@pytest.mark.parametrize("options", METHODS)
def test_the_state_dict_has_the_distribution(options):
    layer = Normalize.fit(X, **options)
    other = Normalize(3, **options)
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other(X), layer(X))
    assert other.moments.to_bytes() == layer.moments.to_bytes()
    assert layer.moments.distribution == layer.distribution
    assert torch.equal(torch.jit.script(layer)(X), layer(X))
    assert "method" in repr(layer) or "distribution" in repr(layer)


def test_a_layer_without_distribution_loads_the_sums_of_one_with_it():
    layer = Normalize.fit(X, distribution=True)
    plain = Normalize(3)
    assert len(plain.exact) < len(layer.exact)
    plain.load_state_dict(layer.state_dict())
    assert plain.moments.distribution == 0
    assert torch.equal(plain(X), layer(X))
    with pytest.raises((DataError, RuntimeError), match="must have a distribution"):
        Normalize(3, method="robust").load_state_dict(plain.state_dict())


@pytest.mark.parametrize("options", [{"method": "quantile"}, {"distribution": True}])
def test_statistics_without_a_distribution_are_refused_and_change_nothing(options):
    layer = torch.nn.Sequential(Normalize.fit(X[:9], **options))
    before = layer[0].moments
    with pytest.raises(DataError, match=r"must have a distribution\..*distribution=True"):
        layer[0].moments = evenly.fit(X)
    with pytest.raises(DataError, match="must have a distribution"):
        Normalize.from_moments(evenly.fit(X), **options)
    with pytest.raises(RuntimeError, match=r"0\._extra_state: .* must have a distribution"):
        layer.load_state_dict({f"0.{k}": v for k, v in Normalize.fit(X).state_dict().items()})
    assert layer[0].moments == before
    assert torch.equal(layer(X), Normalize.fit(X[:9], **options)(X))
    layer[0].moments = evenly.Moments.empty(3)
    assert layer[0].moments.distribution == 1024


@pytest.mark.parametrize("option", [{"correction": 1}, {"tolerance": 1e-6}])
def test_options_of_the_standard_deviation_are_refused_by_the_constructor(option):
    """Not by the first batch."""
    with pytest.raises(DataError, match=r"only method='standard' uses.*method='minmax'"):
        Normalize(3, method="minmax", **option)


def test_inverse_without_statistics_raises():
    with pytest.raises(DataError, match="needs at least one value per column"):
        Normalize(3, method="quantile").inverse()


def test_features_without_a_spread_are_constant_while_learning():
    layer = Normalize(1, method="robust")
    assert layer(torch.ones(4, 1)).tolist() == [[0]] * 4
    assert layer(torch.tensor([[9.0]])).tolist() == [[0]]
    with pytest.raises(DataError, match=r"which must not be 0\. Received: equal quantiles"):
        layer.freeze()


def test_many_different_values_fit_into_the_buffer():
    layer = Normalize(2, method="quantile", distribution=4096)
    rng = np.random.default_rng(1)
    for _ in range(4):
        bits = rng.integers(0, 2**64, (4000, 2), dtype=np.uint64).view(np.float64)
        layer(torch.from_numpy(np.where(np.abs(bits) < 1e100, bits, 0.0)))
    other = Normalize(2, method="quantile", distribution=4096)
    other.load_state_dict(layer.state_dict())
    assert other.moments.to_bytes() == layer.moments.to_bytes()
