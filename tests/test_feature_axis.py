"""The axis of the columns: the last one of two, and required for three and more dimensions."""

import logging

import numpy as np
import pandas as pd
import polars as pl
import pytest

import evenly
from evenly.cli import main

IMAGES = np.arange(4 * 3 * 5 * 7, dtype=np.uint8).reshape(4, 3, 5, 7)
RULE = (
    r"three or more dimensions needs feature_axis=.*Received: {} of shape \(4, 3, 5, 7\). Pass "
    r"feature_axis=1 for N×C×H×W \(3 columns\), or feature_axis=-1 for N×H×W×C \(7 columns\)"
)


def columns_of(x, axis):
    return np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis])


@pytest.mark.parametrize("make", [lambda x: x, lambda x: [x], lambda x: iter([x])])
def test_images_need_a_feature_axis(make):
    with pytest.raises(evenly.DataError, match=RULE.format("(the array|batch 0)")):
        evenly.fit(make(IMAGES))


@pytest.mark.parametrize("axis", [1, -1, 0])
def test_columns_are_those_of_the_feature_axis(axis):
    moments = evenly.fit(IMAGES, feature_axis=axis)
    assert moments == evenly.fit(columns_of(IMAGES, axis))
    result = moments.normalize(IMAGES, feature_axis=axis)
    np.testing.assert_array_equal(
        columns_of(result, axis), moments.normalize(columns_of(IMAGES, axis))
    )
    back = moments.denormalize(result, feature_axis=axis)
    np.testing.assert_allclose(back, IMAGES, atol=1e-4)


def test_one_and_two_dimensions_need_none():
    assert evenly.fit([1.0, 3.0]).num_features == 1
    assert evenly.fit([[1.0, 3.0]]).num_features == 2


def test_normalize_and_update_need_a_feature_axis_too():
    moments = evenly.fit(IMAGES, feature_axis=1)
    for function in (moments.normalize, moments.denormalize, moments.update):
        with pytest.raises(evenly.DataError, match=RULE.format("(x|the array)")):
            function(IMAGES)
    assert moments.update(IMAGES, feature_axis=1).rows == 2 * 4 * 5 * 7
    with pytest.raises(evenly.DataError, match="three or more dimensions"):
        moments.update(IMAGES)  # also when the last update had the same type


def test_groups_need_a_feature_axis_too():
    with pytest.raises(evenly.DataError, match=RULE.format("the array")):
        evenly.fit(IMAGES, by=[1, 1, 2, 2])
    moments = evenly.fit(IMAGES, by=[1, 1, 2, 2], feature_axis=1)
    with pytest.raises(evenly.DataError, match=RULE.format("x")):
        moments.normalize(IMAGES, by=[1, 1, 2, 2])


def test_other_numbers_of_dimensions_have_other_layouts():
    with pytest.raises(evenly.DataError, match=r"N×C×L \(3 columns\).*N×L×C \(5 columns\)"):
        evenly.fit(np.zeros((4, 3, 5)))
    with pytest.raises(evenly.DataError, match=r"N×C×D×H×W \(3 columns\).*N×D×H×W×C \(2 col"):
        evenly.fit(np.zeros((4, 3, 5, 6, 2)))
    with pytest.raises(evenly.DataError, match=r"N×C×… \(3 columns\).*N×…×C \(1 columns\)"):
        evenly.fit(np.zeros((4, 3, 5, 6, 2, 1)))


def test_tensors_and_files_need_a_feature_axis(tmp_path):
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(IMAGES.copy())
    with pytest.raises(evenly.DataError, match=RULE.format("the array")):
        evenly.fit(x)
    moments = evenly.fit(x, feature_axis=1)
    with pytest.raises(evenly.DataError, match=RULE.format("x")):
        moments.normalize(x)
    np.save(tmp_path / "x.npy", IMAGES)
    with pytest.raises(evenly.DataError, match=RULE.format(r".*x\.npy")):
        evenly.fit(tmp_path / "x.npy")
    assert evenly.fit(tmp_path / "x.npy", feature_axis=1) == moments


def test_samples_of_a_dataset_count_the_axis_of_the_batch():
    data = pytest.importorskip("torch.utils.data")

    class Images(data.Dataset):
        def __len__(self):
            return len(IMAGES)

        def __getitem__(self, index):
            return IMAGES[index]

    message = r"sample 0, with the axis of the batch first, of shape \(1, 3, 5, 7\).*=1 for N×C×H×W"
    with pytest.raises(evenly.DataError, match=message):
        evenly.fit(Images())
    with pytest.raises(evenly.DataError, match=r"Received: 4, and sample 0, with the axis of"):
        evenly.fit(Images(), feature_axis=4)
    assert evenly.fit(Images(), feature_axis=1) == evenly.fit(IMAGES, feature_axis=1)


def test_name_of_a_dimension_is_for_xarray():
    with pytest.raises(evenly.DataError, match=r"as in xarray. Received: 'level', and the array"):
        evenly.fit(IMAGES, feature_axis="level")


@pytest.mark.parametrize("axis", [0, 2, "x"])
def test_features_of_tables_are_their_columns(axis, tmp_path):
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [4.0, 5.0, 7.0]})
    path = tmp_path / "x.csv"
    frame.to_csv(path, index=False)
    moments = evenly.fit(frame, feature_axis=1)
    keys = np.array(["a", "a", "b"])
    groups = evenly.fit(frame, by=keys)
    columns = {"x": np.ones(3), "y": np.ones(3)}
    message = rf"so feature_axis= is for arrays. Received: feature_axis={axis!r} for .*Omit it"
    for table in (frame, pl.DataFrame(columns), columns, frame["x"], path):
        with pytest.raises(evenly.DataError, match=message):
            evenly.fit(table, feature_axis=axis)
    for table in (frame, pl.DataFrame(columns), columns):
        with pytest.raises(evenly.DataError, match=message):
            moments.normalize(table, feature_axis=axis)
        with pytest.raises(evenly.DataError, match=message):
            moments.denormalize(table, feature_axis=axis)
        with pytest.raises(evenly.DataError, match=message):
            groups.normalize(table, by=keys, feature_axis=axis)


def test_command_line_needs_a_feature_axis(tmp_path, capsys):
    path, statistics = str(tmp_path / "x.npy"), str(tmp_path / "x.json")
    np.save(path, IMAGES)
    assert main(["fit", path]) == 1
    assert "Pass --feature-axis 1 for N×C×H×W (3 columns)" in capsys.readouterr().err
    assert main(["fit", path, "--feature-axis", "1", "-o", statistics]) == 0
    assert main(["apply", statistics, path, "-o", str(tmp_path / "y.npy")]) == 1
    assert "--feature-axis -1 for N×H×W×C (7 columns)" in capsys.readouterr().err
    arguments = ["apply", statistics, path, "-o", str(tmp_path / "y.npy"), "--feature-axis", "1"]
    assert main(arguments) == 0
    expected = evenly.fit(IMAGES, feature_axis=1).normalize(IMAGES, feature_axis=1)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), expected)


def test_checkpoint_of_an_older_version_is_resumed(tmp_path, caplog):
    """The default was -1 before it was None; for two dimensions both mean the same."""
    np.save(tmp_path / "x.npy", np.ones((3, 2)))
    state = tmp_path / "state.json"
    with caplog.at_level(logging.ERROR):
        evenly.fit(tmp_path / "x.npy", checkpoint=state)
    assert '"feature_axis": -1' in state.read_text()
    assert evenly.fit(tmp_path / "x.npy", checkpoint=state, feature_axis=-1).rows == 3
