"""Tests of Hugging Face datasets: views, formats and columns of arrays."""

import io
import logging

import datasets
import numpy as np
import PIL.Image
import pytest

import evenly

V = np.arange(24.0, dtype=np.float32).reshape(6, 2, 2)
FEATURES = {
    "list": datasets.List(datasets.Value("float32"), length=4),
    "sequence": datasets.Sequence(datasets.Value("float32")),
    "nested": datasets.List(datasets.List(datasets.Value("float32"))),
    "Array2D": datasets.Array2D((2, 2), "float32"),
}


def data_set(**columns):
    return datasets.Dataset.from_dict(columns)


def vectors(kind):
    values = V.reshape(6, 4) if kind in ("list", "sequence") else V
    return datasets.Dataset.from_dict(
        {"v": values.tolist()}, features=datasets.Features({"v": FEATURES[kind]})
    ), values


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.shuffle(seed=1),
        lambda x: x.select([3, 3, 0]),
        lambda x: x.filter(lambda row: row["a"] > 1),
        lambda x: x.select(range(2, 5)),
        lambda x: x.select([4, 3, 2, 1, 0]).select([0, 4]),
        lambda x: x.map(lambda row: {"a": row["a"] * 2}).shard(2, 1),
    ],
)
@pytest.mark.parametrize("form", [None, "numpy", "torch", "arrow", "pandas"])
def test_dataset_views_and_formats(view, form):
    x = view(data_set(a=[0.5, 1.5, 2.5, 3.5, 4.5]))
    expected = evenly.Moments.empty(("a",)).update(np.array(x["a"])[:, None])
    assert evenly.fit(x.with_format(form)) == expected


def test_columns_hidden_by_format_are_not_fitted():
    x = data_set(a=[1.0, 2.0], b=[3.0, 4.0]).with_format("numpy", columns=["b"])
    assert evenly.fit(x).columns == ("b",)


@pytest.mark.parametrize("kind", FEATURES)
@pytest.mark.parametrize("view", [lambda x: x, lambda x: x.select([5, 0]), None])
def test_a_column_of_arrays_is_selected(kind, view):
    x, values = vectors(kind)
    axis = None if values.ndim < 3 else -1
    if view is None:
        moments = evenly.fit(x.to_iterable_dataset(), select="v", feature_axis=axis)
        assert moments == evenly.fit(values, feature_axis=axis)
    else:
        rows = values if len(view(x)) == 6 else values[[5, 0]]
        moments = evenly.fit(view(x), select="v", feature_axis=axis)
        assert moments == evenly.fit(rows, feature_axis=axis)


def test_feature_axis_of_array_column():
    x, values = vectors("Array2D")
    assert evenly.fit(x, select="v", feature_axis=1) == evenly.fit(values, feature_axis=1)


def test_missing_numbers_in_lists():
    assert evenly.fit(data_set(v=[[1.0, None], [3.0, 4.0]]), select="v").missing.tolist() == [0, 1]


def test_ragged_lists_are_rejected():
    with pytest.raises(
        evenly.DataError, match=r"have the same length\. Received: 'v' .*from 1 to 2"
    ):
        evenly.fit(data_set(v=[[1.0], [1.0, 2.0]]), select="v")


def test_lists_of_text_are_rejected():
    with pytest.raises(evenly.UnsupportedTypeError, match="must hold lists of numbers, or images"):
        evenly.fit(data_set(v=[["a"]]), select="v")


def test_array_columns_next_to_numbers_log_warning(caplog):
    with caplog.at_level(logging.WARNING, logger="evenly"):
        assert evenly.fit(data_set(v=[[1.0]], a=[2.0])).columns == ("a",)
    assert "not 'v'. Pass select='v'" in caplog.text


def test_array_columns_need_select():
    with pytest.raises(evenly.DataError, match=r"need select=.*'v', 'w'. Pass select='v'"):
        evenly.fit(data_set(v=[[1.0]], w=[[1.0]]))


def test_missing_column_is_rejected():
    with pytest.raises(evenly.ColumnError, match="select='pixel'; the Dataset has 'pixels'"):
        evenly.fit(data_set(pixels=[[1.0]]), select="pixel")
    with pytest.raises(evenly.ColumnError, match=r"be the name of one column\. Received: 0"):
        evenly.fit(data_set(pixels=[[1.0]]), select=0)


def test_dataset_with_transform_is_rejected():
    """The results of the transform are not stored in the dataset."""
    x = data_set(a=[1.0]).with_transform(lambda rows: {"a": [value * 2 for value in rows["a"]]})
    with pytest.raises(evenly.UnsupportedTypeError, match=r"with a transform.*x\.iter\("):
        evenly.fit(x)
    assert evenly.fit(x.iter(batch_size=10), select="a").mean.tolist() == [2]


def png(pixels):
    """Return pixels as a PNG file."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


COLOR = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
GRAY = np.array([[40, 41], [42, 43]], np.uint8)


def images(rows, **options):
    features = datasets.Features({"image": datasets.Image(**options)})
    return datasets.Dataset.from_dict({"image": rows}, features=features)


@pytest.mark.parametrize("options", [{}, {"decode": False}, {"mode": "RGB"}])
@pytest.mark.parametrize("view", [lambda x: x, lambda x: x.select([1, 0]), None])
def test_a_column_of_images_is_selected(tmp_path, options, view):
    path = tmp_path / "gray.png"
    path.write_bytes(png(GRAY))
    x = images([{"bytes": png(COLOR), "path": None}, {"bytes": None, "path": str(path)}], **options)
    x = x.to_iterable_dataset() if view is None else view(x)
    pixels = np.concatenate([COLOR.reshape(-1, 3), np.repeat(GRAY.reshape(-1, 1), 3, axis=1)])
    moments = evenly.fit(x, select="image")
    assert moments.columns == ("red", "green", "blue")
    assert moments.mean.tolist() == pixels.mean(axis=0).tolist()
    assert (moments.min.tolist(), moments.max.tolist()) == ([0, 1, 2], [43, 43, 43])
    assert evenly.fit(x, select="image", mode="L").columns == ("grey",)


def test_images_of_a_dataset_are_read_by_several_threads():
    x = images([PIL.Image.fromarray(COLOR + shift) for shift in range(100)])
    expected = evenly.fit([PIL.Image.fromarray(COLOR + shift) for shift in range(100)])
    for threads in (1, 3):
        assert evenly.fit(x, select="image", threads=threads) == expected


def test_broken_and_missing_images_of_a_dataset(caplog):
    x = images([{"bytes": png(COLOR), "path": None}, {"bytes": b"no", "path": None}, None])
    assert evenly.fit(x, select="image").rows == 4
    assert "2 of 3 images" in caplog.text
    assert "image 1 of the Dataset" in caplog.text
    with pytest.raises(evenly.SourceError, match="image 1 of the Dataset"):
        evenly.fit(x, select="image", broken="error")


def test_images_need_select():
    with pytest.raises(evenly.DataError, match=r"need select=.*'image'"):
        evenly.fit(images([PIL.Image.fromarray(COLOR)]))


def test_dataset_dict_needs_select():
    splits = datasets.DatasetDict(
        {"train": data_set(a=[1.0], v=[[2.0]]), "test": data_set(a=[9.0])}
    )
    with pytest.raises(evenly.DataError, match=r"its values.*'train', 'test'.*select='train'"):
        evenly.fit(splits)
    assert evenly.fit(splits, select="test").mean.tolist() == [9]
    assert evenly.fit(splits, select=("train", "v")).mean.tolist() == [2]


@pytest.mark.parametrize(
    "x",
    [
        data_set(a=[1.0]).select([]),
        data_set(a=[1.0]).filter(lambda row: False),
        data_set(a=[1.0]).to_iterable_dataset().filter(lambda row: False),
    ],
)
def test_empty_source_is_rejected(x):
    with pytest.raises(evenly.DataError, match="At least one row is needed"):
        evenly.fit(x)


def test_iterable_dataset_without_features():
    x = datasets.IterableDataset.from_generator(lambda: ({"a": float(i)} for i in range(5)))
    assert evenly.fit(x).mean.tolist() == [2]


def test_row_count_is_known():
    seen = []
    evenly.fit(data_set(a=[1.0, 2.0]), progress=seen.append)
    assert (seen[-1].rows, seen[-1].total_rows) == (2, 2)


@pytest.mark.parametrize("option", ["checkpoint", "update"])
def test_a_dataset_of_images_is_resumed_from_a_file(tmp_path, option):
    images = [PIL.Image.fromarray(np.full((2, 2, 3), 10 * i, np.uint8)) for i in range(4)]
    dataset = datasets.Dataset.from_dict({"image": images})
    dataset = dataset.cast_column("image", datasets.Image())
    state = {option: str(tmp_path / "state.json")}
    with pytest.raises(evenly.UnsupportedTypeError) as refused:
        evenly.fit(dataset, select="image", **state)
    assert str(refused.value).endswith(
        "Or write a file, and fit it with the same options: dataset.to_parquet(path); images that "
        "it has by path are fitted from a list of their paths."
    )
    dataset.to_parquet(tmp_path / "x.parquet")
    expected = evenly.fit(dataset, select="image")
    assert evenly.fit(tmp_path / "x.parquet", select="image", **state) == expected
