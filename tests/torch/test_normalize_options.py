"""Tests of options of `Normalize`: scale, clip, unfitted, tolerance; and of wrong arguments."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

import evenly
from evenly import DataError
from evenly.torch import Denormalize, Normalize

GENERATOR = torch.Generator().manual_seed(8)
PIXELS = torch.randint(0, 256, (16, 3, 8, 8), generator=GENERATOR, dtype=torch.uint8)
X = torch.randn(50, 3, generator=GENERATOR) * 5 + 20
IMAGES = evenly.fit(PIXELS, feature_axis=1)


def compiled(module):
    torch._dynamo.reset()
    return torch.compile(module, fullgraph=True, backend="aot_eager")


# ---- The scale of pixels -----------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_unit_scale_converts_statistics_of_pixels(dtype):
    white = np.iinfo(dtype).max
    pixels = np.random.default_rng(1).integers(0, white, (64, 3), endpoint=True).astype(dtype)
    moments = evenly.fit(pixels)
    layer = Normalize.from_moments(moments, scale="0..1")
    mean, std = evenly.unit_scale(moments)
    np.testing.assert_array_equal(layer.hi, mean)
    np.testing.assert_allclose(1 / layer.scale, std, rtol=4e-16)
    x = torch.from_numpy(pixels.astype(np.float64))
    torch.testing.assert_close(
        layer(x / white), Normalize.from_moments(moments)(x), atol=1e-14, rtol=0
    )


def test_unit_scale_of_fit_and_its_inverse():
    layer = Normalize.fit(PIXELS, scale="0..1")
    x = PIXELS.float() / 255
    torch.testing.assert_close(layer(x), Normalize.fit(PIXELS)(PIXELS), rtol=0, atol=1e-6)
    torch.testing.assert_close(layer.inverse()(layer(x)), x)
    other = Denormalize.from_moments(IMAGES, scale="0..1")
    torch.testing.assert_close(other(layer(x)), x)
    assert repr(layer) == "Normalize(3, scale='0..1', frozen)"


def test_unit_scale_of_data_in_0_to_1_changes_nothing():
    x = torch.rand(20, 3, generator=GENERATOR)
    layer = Normalize.from_moments(evenly.fit(x), scale="0..1")
    assert torch.equal(layer(x), Normalize.fit(x)(x))


def test_unit_scale_travels_in_the_state_dict_and_in_buffers():
    layer, x = Normalize.from_moments(IMAGES, scale="0..1"), PIXELS / 255
    loaded = Normalize(3)
    loaded.load_state_dict(layer.state_dict())
    copied = Normalize(3)
    for mine, new in zip(copied.buffers(), layer.buffers(), strict=True):
        mine.copy_(new)
    for other in (loaded, copied.eval(), nn.Sequential(loaded).to("meta").to_empty(device="cpu")):
        assert torch.equal(other(x), layer(x))
    assert loaded.moments == copied.moments == IMAGES
    assert "0..1" in repr(copied)


@pytest.mark.parametrize(
    ("moments", "message"),
    [
        (evenly.fit(X), r"all of dtype uint8 or all of dtype uint16. Received: dtypes 'float32'"),
        (evenly.fit(PIXELS.int(), feature_axis=1), r"Received: dtypes 'int32'"),
    ],
)
def test_unit_scale_of_data_without_a_known_white_raises(moments, message):
    with pytest.raises(DataError, match=message):
        Normalize.from_moments(moments, scale="0..1")


def test_unknown_scale_raises():
    with pytest.raises(DataError, match=r"scale must be 'data' or '0..1'. Received: '0..255'"):
        Normalize.from_moments(IMAGES, scale="0..255")


def test_layer_on_unit_scale_does_not_learn_and_takes_no_other_statistics():
    layer = Normalize.from_moments(IMAGES, scale="0..1")
    with pytest.raises(DataError, match=r"only learn from an input in the unit.*up to 255"):
        layer.unfreeze()
    layer.moments = evenly.fit(PIXELS[:3], feature_axis=1)
    sixteen = evenly.fit(np.array([[1, 2, 3], [9, 9, 9]], np.uint16))
    with pytest.raises(DataError, match=r"pixels with 255 for white.*Received: 65535 for white"):
        layer.moments = sixteen


@pytest.mark.parametrize(
    ("layer", "x", "message"),
    [
        (
            Normalize.from_moments(IMAGES),
            PIXELS / 255,
            r"uint8, up to 255. Received: values from 0",
        ),
        (
            Normalize.from_moments(IMAGES, scale="0..1"),
            PIXELS,
            r"from 0 to 1. Received: values from 0",
        ),
        (Normalize.fit(PIXELS / 255), PIXELS, r"from 0 to 1.*to 255. Divide pixels by 255"),
        (Normalize.fit(PIXELS / 255), PIXELS.float(), r"Divide pixels by 255"),
    ],
)
def test_input_on_another_scale_than_the_statistics_warns_once(layer, x, message):
    layer(torch.zeros_like(x))  # tells nothing
    with pytest.warns(UserWarning, match=message):
        layer(x)
    layer(x)


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (Normalize.from_moments(IMAGES), PIXELS),
        (Normalize.from_moments(IMAGES), PIXELS.float()),
        (Normalize.from_moments(IMAGES), (PIXELS > 99).float()),
        (Normalize.from_moments(IMAGES), PIXELS[:0].float()),
        (Normalize.from_moments(IMAGES, scale="0..1"), PIXELS / 255),
        (Normalize.fit(PIXELS / 255), PIXELS / 255),
        (Normalize.fit(PIXELS / 255), PIXELS / 255 * 1.5),
        (Normalize.fit(X), X / 255),
        (Normalize.fit(X), X * 255),
        (Normalize.fit(torch.zeros(3, 3)), X),
    ],
)
def test_input_on_the_scale_of_the_statistics_does_not_warn(layer, x):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer(x)


# ---- clip, unfitted, tolerance -----------------------------------------------------------


@pytest.mark.parametrize("tracked", [False, True])
def test_clip_limits_the_output(tracked):
    x = X.clone().requires_grad_(tracked)
    plain, layer = Normalize.fit(X), Normalize.fit(X, clip=1.5)
    assert torch.equal(layer(x), plain(X).clamp(-1.5, 1.5))
    assert torch.equal(compiled(layer)(x), layer(x))
    assert layer(torch.full((1, 3), torch.nan)).isnan().all()
    assert layer(torch.full((1, 3), torch.inf)).eq(1.5).all()
    learning = Normalize(3, clip=2)
    assert learning(X).abs().max() == 2
    assert repr(learning) == "Normalize(3, clip=2)"


@pytest.mark.parametrize("clip", [0, -1, torch.nan, "5", (1, 2)])
def test_invalid_clip_raises(clip):
    with pytest.raises(DataError, match=r"clip must be a positive number, which limits the result"):
        Normalize(3, clip=clip)


def test_unfitted_error_names_the_option():
    with pytest.raises(DataError, match=r'Train it.*or pass unfitted="identity"'):
        Normalize(3).eval()(X)


@pytest.mark.parametrize("run", [lambda layer: layer, compiled])
def test_unfitted_identity_returns_the_input_until_it_learns(run):
    layer = Normalize(3, unfitted="identity")
    model = run(layer)
    layer.eval()  # as Lightning's sanity check does
    assert torch.equal(model(X), X)
    assert model(PIXELS).dtype == torch.float32
    layer.train()
    model(X)
    layer.eval()
    assert torch.equal(model(X), Normalize.fit(X)(X))
    assert layer.moments == evenly.fit(X)


def test_compiled_copy_follows_copied_buffers():
    model, average = Normalize(3), Normalize(3, unfitted="identity").eval()
    function = compiled(average)
    assert torch.equal(function(X), X)
    model(X)
    for mine, new in zip(average.buffers(), model.buffers(), strict=True):
        mine.copy_(new)
    assert torch.equal(function(X), model.eval()(X))


def test_unfitted_layer_exports_as_identity_only_if_asked_for():
    layer = Normalize(3, unfitted="identity").eval()
    assert torch.equal(torch.export.export(layer, (X,)).module()(X), X)
    with pytest.raises(DataError, match=r"needs statistics"):
        torch.export.export(Normalize(3).eval(), (X,))


def test_identity_is_only_for_layers_without_statistics():
    layer = Normalize(3, unfitted="identity", constant="error")
    layer(torch.ones(4, 3))
    with pytest.raises(DataError, match=r"no column may be constant"):
        layer.eval()(X)


@pytest.mark.parametrize("learn", [False, True])
def test_tolerance_treats_nearly_constant_features_as_constant(learn):
    noise = torch.tensor([0.1, np.nextafter(0.1, 1)], dtype=torch.float64)
    x = torch.stack([noise, torch.tensor([1.0, 3.0], dtype=torch.float64)], 1)
    expected = torch.tensor([[0.0, -1.0], [0.0, 1.0]], dtype=torch.float64)
    layer = Normalize(2, tolerance=1e-12) if learn else Normalize.fit(x, tolerance=1e-12)
    assert torch.equal(layer(x), expected)
    assert torch.equal(Normalize.fit(x)(x).abs(), torch.ones_like(x))
    torch.testing.assert_close(layer.inverse()(layer(x)), x)
    assert layer.inverse().tolerance == 1e-12
    with pytest.raises(DataError, match=r"constant"):
        Normalize.fit(x, tolerance=1e-12, constant="error")
    with pytest.raises(DataError, match=r"tolerance must be a number from 0"):
        Normalize(2, tolerance=-1)


# ---- Wrong arguments ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "received"),
    [
        ([0.485, 0.456], "list of length 2"),
        (X, r"Tensor of shape \(50, 3\)"),
        (X.numpy(), r"ndarray of shape \(50, 3\)"),
        (IMAGES, "Moments"),
        ("3", "str of length 1"),
        (True, "True"),
        (None, "None"),
    ],
)
def test_constructor_without_a_number_raises(number, received):
    message = rf"num_features must be an integer.*Received: {received}. .*call .fit\(data\)"
    with pytest.raises(DataError, match=message):
        Normalize(number)


def test_constructor_takes_integers_of_numpy():
    assert repr(Normalize(np.int64(3))) == "Normalize(3)"


@pytest.mark.parametrize("axis", ["channels", 1.0, None])
def test_feature_axis_that_is_no_integer_raises(axis):
    with pytest.raises(DataError, match=rf"the number of an axis\. Received: '?{axis}.*Pass 1 if"):
        Normalize(3, feature_axis=axis)


@pytest.mark.parametrize("layer", [Normalize(3), Normalize.fit(X), Normalize.fit(X).inverse()])
def test_input_that_is_no_tensor_raises(layer):
    for x, received in [(X.numpy(), r"ndarray of shape \(50, 3\)"), ([[1.0, 2.0, 3.0]], "list of")]:
        with pytest.raises(
            DataError, match=rf"must be a torch tensor. Received: {received}.*as_te"
        ):
            layer(x)


def test_from_moments_takes_a_path(tmp_path):
    IMAGES.save(tmp_path / "images.json")
    for path in (tmp_path / "images.json", str(tmp_path / "images.json")):
        assert Normalize.from_moments(path).moments == IMAGES


@pytest.mark.parametrize("given", [X, [1.0, 2.0], None, evenly.fit(X, by=X[:, 0] > 20)])
def test_from_moments_of_something_else_raises(given):
    with pytest.raises(
        DataError, match=r"must be evenly.Moments or the path.*Received:.*fit\(data"
    ):
        Normalize.from_moments(given)
