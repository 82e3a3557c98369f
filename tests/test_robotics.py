"""The layouts of LeRobot and openpi."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evenly
from evenly.robotics import lerobot_stats, openpi_norm_stats, read_stats

RNG = np.random.default_rng(3)
STATE = RNG.normal(size=(500, 2))
IMAGE = RNG.integers(0, 256, (30, 3, 4, 4), np.uint8)
SELECT = {"state": ("observation", "state"), "cam": ("observation", "images", "top")}


def fitted(image: Any = IMAGE, **options: Any) -> evenly.MomentsByKey:
    batch = {"observation": {"state": STATE, "images": {"top": image}}}
    return evenly.fit([batch], select=SELECT, feature_axis={"cam": 1}, **options)


def test_layout_of_lerobot() -> None:
    """The same keys, shapes and numbers as LeRobot's ``compute_stats`` has for one episode."""
    stats = lerobot_stats(fitted(distribution=4096))
    assert list(stats) == ["observation.images.top", "observation.state"]
    names = ["min", "max", "mean", "std", "count", "q01", "q10", "q50", "q90", "q99"]
    state = stats["observation.state"]
    assert list(state) == names
    assert state["min"] == STATE.min(axis=0).tolist()
    assert state["max"] == STATE.max(axis=0).tolist()
    assert state["mean"] == pytest.approx(STATE.mean(axis=0), rel=1e-12)
    assert state["std"] == pytest.approx(STATE.std(axis=0), rel=1e-12)
    assert state["count"] == [500]
    for name, q in (("q01", 0.01), ("q10", 0.1), ("q50", 0.5), ("q90", 0.9), ("q99", 0.99)):
        assert state[name] == np.quantile(STATE, q, axis=0).tolist(), name
    image, scaled = stats["observation.images.top"], IMAGE / 255
    for name, value in (
        ("min", scaled.min(axis=(0, 2, 3))),
        ("max", scaled.max(axis=(0, 2, 3))),
        ("mean", scaled.mean(axis=(0, 2, 3))),
        ("std", scaled.std(axis=(0, 2, 3))),
        ("q50", np.quantile(scaled, 0.5, axis=(0, 2, 3))),
    ):
        assert np.shape(image[name]) == (3, 1, 1), name
        assert np.ravel(image[name]) == pytest.approx(value, rel=1e-12), name
    assert image["count"] == [30 * 16]
    json.dumps(stats, allow_nan=False)


def test_without_distribution_there_are_no_quantiles() -> None:
    names = ["min", "max", "mean", "std", "count"]
    assert list(lerobot_stats(fitted())["observation.state"]) == names


def test_images_on_the_unit_scale_are_not_scaled_again() -> None:
    stats = lerobot_stats(fitted((IMAGE / 255).astype(np.float32)))
    assert np.ravel(stats["observation.images.top"]["max"]).max() <= 1


def test_images_can_be_named() -> None:
    stats = lerobot_stats(fitted(), images=[])
    assert np.shape(stats["observation.images.top"]["max"]) == (3,)
    assert max(stats["observation.images.top"]["max"]) > 1
    with pytest.raises(evenly.ColumnError, match=r"must be keys of the moments\. Received: 'top'"):
        lerobot_stats(fitted(), images=["top"])
    wide = evenly.fit([{"image": np.array([[1000], [2]])}], select={"image": "image"})
    with pytest.raises(evenly.DataError, match="The unit scale requires pixels"):
        lerobot_stats(wide)


def test_two_keys_of_one_feature() -> None:
    part = evenly.fit([[1.0]])
    moments = evenly.MomentsByKey({"x": part, "y": part}, select={"x": "a.b", "y": ("a", "b")})
    with pytest.raises(evenly.DataError, match=r"two keys of the feature 'a.b'. Choose keys with"):
        lerobot_stats(moments)


def test_columns_without_values_have_no_statistics() -> None:
    moments = evenly.fit([{"x": np.array([[1.0, np.nan]])}], select={"x": "x"})
    for convert in (lerobot_stats, openpi_norm_stats):
        with pytest.raises(evenly.DataError, match=r"Every column needs a value\. Received: 'x'"):
            convert(moments)


def test_statistics_without_keys_are_refused() -> None:
    for convert in (lerobot_stats, openpi_norm_stats):
        with pytest.raises(evenly.DataError, match=r"need statistics by key. Received: Moments\."):
            convert(evenly.fit([[1.0]]))  # type: ignore[arg-type]


def test_layout_of_openpi() -> None:
    moments = evenly.fit([{"s": STATE}], select={"state": "s"}, distribution=4096)
    stats = openpi_norm_stats(moments)
    assert list(stats) == ["norm_stats"]
    assert list(stats["norm_stats"]["state"]) == ["mean", "std", "q01", "q99"]
    assert stats["norm_stats"]["state"]["q99"] == np.quantile(STATE, 0.99, axis=0).tolist()
    without = openpi_norm_stats(evenly.fit([{"s": STATE}], select={"state": "s"}))
    assert without["norm_stats"]["state"]["q01"] is None


def test_read_both_layouts(tmp_path: Path) -> None:
    moments = fitted(distribution=True)
    (tmp_path / "stats.json").write_text(json.dumps(lerobot_stats(moments)))
    stats = read_stats(tmp_path / "stats.json")["observation.images.top"]
    assert stats.mean == pytest.approx(IMAGE.mean(axis=(0, 2, 3)) / 255)
    assert stats.count == 480
    assert list(stats.quantiles) == ["q01", "q10", "q50", "q90", "q99"]
    (tmp_path / "norm_stats.json").write_text(json.dumps(openpi_norm_stats(moments)))
    stats = read_stats(tmp_path / "norm_stats.json")["state"]
    assert stats.std.tolist() == moments["state"].std().tolist()
    assert (stats.min, stats.max, stats.count) == (None, None, None)
    assert list(stats.quantiles) == ["q01", "q99"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1]", "Received: no object"),
        ('{"norm_stats": 3}', "Received: no object of features"),
        ('{"a": 3}', "Received: 'a' without mean and std"),
        ('{"a": {"mean": [1]}}', "Received: 'a' without mean and std"),
        ('{"a": {"mean": [1], "std": [1, 2]}}', "whose statistics have different lengths"),
        ('{"a": {"mean": [1], "std": [1], "count": [1, 2]}}', "have different lengths"),
        ('{"a": {"mean": ["x"], "std": [1]}}', "whose statistics are not numbers"),
        ('{"a": {"mean": [1], "std": [[1], [2, 3]]}}', "whose statistics are not numbers"),
        ('{"a": {"mean": [NaN], "std": [1]}}', "whose statistics are not finite"),
        ("{", "which is not JSON"),
        ("[" * 200_000, "which is not JSON"),
    ],
)
def test_other_files_are_refused(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "stats.json").write_text(content)
    with pytest.raises(evenly.DataError, match=f"{message}.*Check that it is such a file"):
        read_stats(tmp_path / "stats.json")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(evenly.SourceError, match=r"Cannot read .*no such file.*Check the path"):
        read_stats(tmp_path / "none.json")


def test_a_layer_with_statistics_of_lerobot() -> None:
    torch = pytest.importorskip("torch")
    stats = read_stats(lerobot_stats(fitted()))["observation.state"]
    layer = evenly.torch.Normalize(2)
    layer.hi.copy_(torch.from_numpy(stats.mean))
    layer.scale.copy_(torch.from_numpy(1 / stats.std))
    layer.freeze().eval()
    expected = fitted()["state"].normalize(STATE)
    assert layer(torch.from_numpy(STATE)).numpy() == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_a_layer_takes_the_moments_of_one_key() -> None:
    pytest.importorskip("torch")
    with pytest.raises(evenly.EvenlyError, match=r"of several keys, moments\[key\]"):
        evenly.torch.Normalize.from_moments(fitted())  # type: ignore[arg-type]
    assert evenly.torch.Normalize.from_moments(fitted()["state"]).num_features == 2


@pytest.mark.parametrize("source", [[1], None, 3, evenly.fit([[1.0]])])
def test_read_stats_refuses_what_is_neither_a_path_nor_a_dict(source: Any) -> None:
    with pytest.raises(evenly.UnsupportedTypeError, match=r"given by its path.*or json.load"):
        read_stats(source)
