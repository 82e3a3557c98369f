"""Every source gives the distribution of its values, also with checkpoints and engines."""

import numpy as np
import pytest
import torch
from PIL import Image

import dyadic_histogram
import evenly
from evenly.cli import main
from evenly.errors import DataError, SourceError
from simulated_crash import lives, save_everywhere
from source_factories import NAMED, UNNAMED, make_columns

FILES = ["Parquet row groups", "Arrow stream", "CSV", "folder", "HDF5", "Zarr folder"]


@pytest.fixture
def columns():
    return make_columns(40)


def check(moments, columns, most):
    """Check the distribution of each column against the reference."""
    assert moments.distribution == most
    for index, values in enumerate(columns.values()):
        bins = moments.bins(index if moments.columns is None else moments.columns[index])
        shift, counts = dyadic_histogram.histogram(values.astype(float).tolist(), most)
        assert bins.shift == shift
        assert dict(zip(bins.keys.tolist(), bins.counts.tolist(), strict=True)) == counts


@pytest.mark.parametrize("kind", NAMED | UNNAMED)
def test_every_source(kind, columns, tmp_path):
    source = (NAMED | UNNAMED)[kind](columns, tmp_path)
    moments = evenly.fit(source, distribution=16)
    if isinstance(source, np.memmap):
        del source
    check(moments, columns, 16)


@pytest.mark.parametrize("kind", FILES)
def test_a_fit_that_dies_goes_on_with_the_same_bins(kind, columns, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    path = NAMED[kind](columns, tmp_path / "data")
    (tmp_path / "data" / "plain.csv").unlink(missing_ok=True)
    save_everywhere(monkeypatch)
    state = tmp_path / "state.json"
    moments, number = lives(monkeypatch, path, checkpoint=state, distribution=16)
    assert number > 1
    check(moments, columns, 16)
    check(evenly.load(state), columns, 16)


def test_a_checkpoint_keeps_its_number_of_bins(columns, tmp_path):
    path, state = NAMED["CSV"](columns, tmp_path), tmp_path / "state.json"
    evenly.fit(path, update=state, distribution=16)
    with pytest.raises(DataError, match=r"no distribution=; .* was started with distribution=16"):
        evenly.fit(path, update=state)
    with pytest.raises(DataError, match=r"distribution=32; .* was started with distribution=16"):
        evenly.fit(path, update=state, distribution=32)
    check(evenly.fit(path, update=state, distribution=16), columns, 16)
    text = state.read_text().replace('"distribution": 16, "excl', '"distribution": 17, "excl')
    state.write_text(text)
    message = (
        r"must have the same number of bins. Received: .* moments of 16 bins and options with 17"
    )
    with pytest.raises(SourceError, match=message):
        evenly.fit(path, update=state, distribution=17)


def test_groups_of_a_file_go_on_with_the_same_bins(columns, tmp_path, monkeypatch):
    path = NAMED["CSV"](columns | {"g": np.arange(40) % 3}, tmp_path)
    save_everywhere(monkeypatch)
    state = tmp_path / "state.json"
    groups, _ = lives(monkeypatch, path, checkpoint=state, distribution=16, by="g")
    for key in range(3):
        check(groups[str(key)], {name: x[key::3] for name, x in columns.items()}, 16)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_images_in_any_layout(dtype):
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (6, 3, 20, 30)).astype(dtype)
    expected = {str(i): images[:, i].ravel() for i in range(3)}
    check(evenly.fit(images, feature_axis=1, distribution=True), expected, 1024)
    last = torch.from_numpy(images).permute(0, 2, 3, 1)
    check(evenly.fit(last, feature_axis=-1, distribution=64), expected, 64)


def save_images(folder):
    """Save a color image, a gray one and a 16-bit one."""
    rng = np.random.default_rng(2)
    color, gray = (rng.integers(0, 256, s, np.uint8) for s in ((9, 8, 3), (5, 4)))
    deep = rng.integers(0, 65_536, (6, 7), np.uint16)
    for name, pixels in {"color": color, "gray": gray, "deep": deep}.items():
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return color, gray, deep


def test_image_files(tmp_path):
    color, gray, _ = save_images(tmp_path)
    (tmp_path / "deep.png").unlink()
    moments = evenly.fit(tmp_path, distribution=16, threads=2)
    expected = {
        name: np.concatenate([color[..., i].ravel(), gray.ravel()])
        for i, name in enumerate(("red", "green", "blue"))
    }
    check(moments, expected, 16)
    state = tmp_path / "state.json"
    check(evenly.fit(tmp_path, checkpoint=state, distribution=16), expected, 16)
    check(evenly.load(state), expected, 16)


def test_images_of_different_depth(tmp_path):
    color, gray, deep = save_images(tmp_path)
    moments = evenly.fit(tmp_path, distribution=True)
    expected = {
        name: np.concatenate([257.0 * color[..., i].ravel(), 257.0 * gray.ravel(), deep.ravel()])
        for i, name in enumerate(("red", "green", "blue"))
    }
    check(moments, expected, 1024)
    with pytest.raises(DataError, match="only if they have all 256 values of 8-bit images"):
        evenly.fit(tmp_path, distribution=16)


def test_command_line(columns, tmp_path, capsys):
    path, output = NAMED["CSV"](columns, tmp_path), tmp_path / "x.json"
    assert main(["fit", str(path), "-o", str(output), "--distribution"]) == 0
    check(evenly.load(output), columns, 1024)
    assert main(["fit", str(path), "-o", str(output), "--distribution", "--bins", "16"]) == 0
    check(evenly.load(output), columns, 16)
    capsys.readouterr()
    assert main(["fit", str(path), "--bins", "16"]) == 2
    assert "--bins is the number of bins of a distribution" in capsys.readouterr().err
    assert main(["fit", str(path), "--distribution", "--bins", "1"]) == 1
    assert "a number of bins from 2 to 65,536" in capsys.readouterr().err


def test_partitions_of_dask(columns):
    dask = pytest.importorskip("dask.dataframe")
    pandas = pytest.importorskip("pandas")
    parts = dask.from_pandas(pandas.DataFrame(columns), npartitions=4)
    check(evenly.fit(parts, distribution=16), columns, 16)
    array = pytest.importorskip("dask.array")
    x = array.from_array(np.stack([*columns.values()], 1), chunks=(7, 2))
    check(evenly.fit(x, distribution=16), columns, 16)
