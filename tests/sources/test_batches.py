"""Tests of iterables: generators, lists, PyTorch loaders, and selected parts of batches."""

import collections
import dataclasses
import logging
import re
import types

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    SequentialSampler,
    TensorDataset,
)

import evenly
from evenly.sources import open_source

X = torch.arange(20.0).reshape(10, 2)
Y = torch.arange(10)
EXPECTED = evenly.fit(X)


def refusal(error, x, **options):
    with pytest.raises(error) as caught:
        evenly.fit(x, **options)
    return str(caught.value)


def test_data_loader_with_smaller_last_batch():
    loader = DataLoader(TensorDataset(X), batch_size=4)
    assert evenly.fit(loader) == EXPECTED


def test_shuffling_does_not_change_result():
    loader = DataLoader(TensorDataset(X, Y), batch_size=3, shuffle=True)
    assert evenly.fit(loader, select=0) == EXPECTED


def test_first_part_is_fitted_with_one_warning(caplog):
    loader = DataLoader(TensorDataset(X, Y), batch_size=4)
    with caplog.at_level(logging.WARNING, logger="evenly"):
        assert evenly.fit(loader) == EXPECTED
    assert [record.message for record in caplog.records] == [
        "Batch 0 has 2 parts; the first one is fitted. Pass select= to choose one, or select=0 to "
        "suppress this message."
    ]


def test_selected_part_logs_no_warning(caplog):
    loader = DataLoader(TensorDataset(X, Y), batch_size=4)
    with caplog.at_level(logging.INFO, logger="evenly"):
        assert evenly.fit(loader, select=1).mean.tolist() == [4.5]
    assert caplog.records == []


BATCH = {"image": (X, Y), "label": Y, "nested": {"deep": [Y, X]}}


@pytest.mark.parametrize("select", [("image", 0), ("image", -2), ("nested", "deep", 1)])
def test_select_nested_part(select):
    assert evenly.fit([BATCH], select=select) == EXPECTED
    assert evenly.fit(BATCH, select=select) == EXPECTED


class Record:
    """A batch with attributes."""

    pixels = X


def test_select_attribute():
    assert evenly.fit([Record()], select="pixels") == EXPECTED


@pytest.mark.parametrize(
    ("batch", "select", "message"),
    [
        ({"image": X}, "imag", "'imag'; batch 0 has keys 'image'. Did you mean 'image'?"),
        ((X, Y), 2, "2; batch 0 has 2 parts, from 0 to 1."),
        ((X, Y), "x", "'x'; batch 0 has a tuple, without names."),
        (X, 0, "0; batch 0 has a Tensor, without parts."),
    ],
)
def test_missing_part_is_rejected(batch, select, message):
    expected = f"select= must name a part of every batch. Received: {message}"
    assert refusal(evenly.ColumnError, iter([batch]), select=select) == expected


def test_dict_needs_select():
    message = refusal(evenly.DataError, [{"image": X, "label": Y}])
    assert message == (
        "A dict needs select= to choose one of its values, unless they are columns: "
        "one-dimensional and of the same length. Received: batch 0 with keys 'image', 'label'. "
        "Pass select='image', for example."
    )
    assert "Received: the dict with keys" in refusal(evenly.DataError, {"image": X})


class Images(Dataset):
    """A map-style dataset of samples without a row axis."""

    def __init__(self, length=4):
        self.images = torch.arange(length * 3 * 2 * 2.0).reshape(length, 3, 2, 2)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index], index


class Stream(IterableDataset):
    """A dataset that yields its samples."""

    def __iter__(self):
        yield from Images()


class Plain:
    """A dataset that does not derive from a class of PyTorch."""

    def __init__(self):
        self.data = Images()

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return self.data[index]


@pytest.mark.parametrize("kind", [Images, Stream, Plain])
def test_map_style_dataset_equals_data_loader(kind):
    """The feature axis includes the row axis that samples do not have."""
    expected = evenly.fit(DataLoader(Images(), batch_size=3), select=0, feature_axis=1)
    assert evenly.fit(kind(), select=0, feature_axis=1) == expected
    assert evenly.fit(kind(), select=0, feature_axis=1).num_features == 3


def test_scalar_samples():
    assert evenly.fit(TensorDataset(Y)).mean.tolist() == [4.5]


ROWS = [np.arange(3.0), np.arange(3.0, 6.0)]


class Rows(IterableDataset):
    """A dataset that yields rows of one dimension."""

    def __iter__(self):
        yield from map(torch.from_numpy, ROWS)


@pytest.mark.parametrize(
    "items",
    [
        lambda: iter(ROWS),
        lambda: ROWS,
        lambda: (row.tolist() for row in ROWS),
        lambda: ((row, 1) for row in ROWS),
        lambda: DataLoader(Rows(), batch_size=None),
    ],
    ids=["iterator", "list", "lists", "tuples", "loader"],
)
def test_one_dimensional_items_are_asked_for(items):
    assert refusal(evenly.DataError, items()) == (
        "A one-dimensional item of an iterable may be one row or one column. Received: batch 0 of "
        "shape (3,). Pass feature_axis=0 for a row of 3 columns, or feature_axis=1 for 3 rows of "
        "one column."
    )
    assert evenly.fit(items(), feature_axis=0) == evenly.fit(np.stack(ROWS))
    assert evenly.fit(items(), feature_axis=1) == evenly.fit(np.concatenate(ROWS))


def test_one_number_is_a_row_and_a_column():
    assert evenly.fit(iter([np.ones(1), [3.0]])).mean.tolist() == [2.0]


def test_series_and_batches_of_a_loader_are_columns():
    assert evenly.fit(iter([pd.Series([1.0, 3.0])])).mean.tolist() == [2.0]
    loader = DataLoader(TensorDataset(torch.arange(4.0)), batch_size=2)
    assert evenly.fit(loader).mean.tolist() == [1.5]


def test_loader_without_batches_equals_its_dataset():
    data = TensorDataset(torch.from_numpy(np.stack(ROWS)))
    assert evenly.fit(DataLoader(data, batch_size=None)) == evenly.fit(data)
    images = DataLoader(Images(), batch_size=None)
    assert evenly.fit(images, select=0, feature_axis=1) == evenly.fit(
        Images(), select=0, feature_axis=1
    )


def test_loader_with_batches_of_its_sampler():
    """Its sampler yields lists of indices, so the dataset returns batches."""
    data = torch.utils.data.dataset.TensorDataset(torch.arange(4.0))
    sampler = BatchSampler(SequentialSampler(data), 2, drop_last=False)
    loader = DataLoader(data, sampler=sampler, batch_size=None)
    assert evenly.fit(loader).mean.tolist() == [1.5]


def test_iterable_of_numbers_is_rejected():
    assert "must have rows. Received: a single number" in refusal(
        evenly.DataError, (float(x) for x in range(3))
    )


def test_batches_of_different_types(tmp_path):
    (tmp_path / "x.csv").write_text("y,x\n3,2\n")
    parts = [pd.DataFrame({"x": [0.0], "y": [1.0]}), pa.table({"x": [1.0], "y": [2.0]})]
    moments = evenly.fit([*parts, tmp_path / "x.csv"])
    assert moments.mean.tolist() == [1.0, 2.0]


def test_batches_with_different_widths_are_rejected():
    message = refusal(evenly.DataError, [X, X, X[:, :1]])
    assert message == (
        "All batches must have the same columns. Received: batch 2 with 1 column; those "
        "before it have 2 columns."
    )


def test_batches_with_different_columns_are_rejected():
    message = refusal(evenly.ColumnError, [pa.table({"a": [1.0]}), pa.table({"b": [1.0]})])
    assert "Received: batch 1, missing: 'a'; unknown: 'b'." in message


def test_a_column_that_is_text_in_a_later_batch_is_named_with_the_reason():
    batches = [pa.table({"a": [1.0], "b": [1.0]}), pa.table({"a": [1.0], "b": ["x"]})]
    message = refusal(evenly.ColumnError, batches)
    assert "batch 1, missing: 'b'; unknown: none. Column 'b' is text there. Select" in message


def test_named_batch_after_unnamed_is_rejected():
    message = refusal(evenly.DataError, [np.ones((2, 1)), pa.table({"a": [1.0]})])
    assert "batch 1 with 1 column ('a'); those before it have 1 column." in message


def test_left_out_columns_of_batches():
    parts = [pa.table({"x": [1], "t": ["a"], "n": [None], "m": pa.array([None], pa.null())})] * 2
    parts += [pa.table({"x": [1], "t": ["a"], "n": pa.array([2]), "m": [None]})]
    source = open_source(parts)
    assert evenly.fit(source).columns == ("x", "n")
    assert source.left_out == {"t": "text", "m": "no values"}


def test_iterable_exception_has_note():
    def broken():
        yield X
        yield X
        raise OSError("the disk is on fire")

    with pytest.raises(OSError, match="the disk is on fire") as caught:
        evenly.fit(broken())
    assert type(caught.value) is OSError
    assert caught.value.__notes__ == [
        "evenly: raised by a generator when asked for batch 2, after 20 rows. None of them "
        "were kept."
    ]


def test_failed_update_leaves_moments_unchanged():
    moments = evenly.fit(X)

    def broken():
        yield X
        raise RuntimeError

    with pytest.raises(RuntimeError):
        moments.update(broken())
    assert moments == EXPECTED
    assert moments.rows == 10


def test_infinity_names_batch():
    x = X.clone()
    x[1, 1] = torch.inf
    message = refusal(evenly.DataError, [X, x])
    assert "infinity in column 1, row 1 of batch 1" in message


def test_empty_iterable_is_rejected():
    assert "Received: a generator, with none." in refusal(evenly.DataError, (x for x in ()))
    assert "Received: an empty list" in refusal(evenly.DataError, [])


def test_empty_batches_are_ignored():
    assert evenly.fit([X[:0], X, X[:0]]) == EXPECTED


def test_tuple_of_arrays_is_a_list_of_batches():
    assert evenly.fit((X[:5], X[5:])) == EXPECTED
    assert "batch 1" in refusal(evenly.DataError, (X, Y))


def test_weights_array_spans_all_batches():
    weights = np.arange(10.0)
    whole = evenly.fit(X, weights=weights)
    assert evenly.fit([X[:3], X[3:3], X[3:]], weights=weights) == whole
    assert evenly.fit(iter([X]), weights=torch.from_numpy(weights).requires_grad_()) == whole


@pytest.mark.parametrize(("wrong", "shown"), [(-1, "-1.0"), (np.nan, "nan"), (np.inf, "inf")])
def test_invalid_weight_names_row(wrong, shown):
    weights = np.ones(10)
    weights[7] = wrong
    assert refusal(evenly.DataError, [X], weights=weights) == (
        f"Weights must be finite and not negative. Received: {shown} in row 7 of weights=. "
        "A weight of 0 omits a row."
    )


@pytest.mark.parametrize("weights", [np.array(["a"] * 10), 2.0], ids=["text", "a number"])
def test_invalid_weights_are_rejected(weights):
    message = refusal(evenly.UnsupportedTypeError, X, weights=weights)
    assert "weights must be a one-dimensional numeric array or a column name" in message


def test_weights_array_with_an_axis_of_one_column():
    weights = np.arange(10.0)
    assert evenly.fit(X, weights=weights[:, None]) == evenly.fit(X, weights=weights)


@pytest.mark.parametrize(("number", "text"), [(9, "at least 10"), (11, "10")])
def test_wrong_number_of_weights_is_rejected(number, text):
    message = refusal(evenly.DataError, iter([X[:5], X[5:]]), weights=np.ones(number))
    assert f"Received: {number} weights for {text} rows of" in message


# batches with nested parts


@dataclasses.dataclass
class Scan:
    pixels: np.ndarray
    name: str


Pair = collections.namedtuple("Pair", ["x", "y"])

NESTED = {
    "dict of tuple of dict": (lambda x: {"views": ({"image": x}, x * 2)}, ("views", 0, "image")),
    "list of dicts": (lambda x: [{"image": x}], (0, "image")),
    "named tuple by name": (lambda x: Pair(x * 2, x), "y"),
    "named tuple by position": (lambda x: Pair(x * 2, x), 1),
    "data class": (lambda x: Scan(x, "a"), "pixels"),
    "object in a dict": (lambda x: {"scan": types.SimpleNamespace(x=x)}, ("scan", "x")),
    "packed sequence": (
        lambda x: torch.nn.utils.rnn.pack_sequence([torch.from_numpy(x)]),
        "data",
    ),
    "frame in a dict": (lambda x: {"frame": pd.DataFrame(x)}, "frame"),
    "tensors of unlike lengths": (lambda x: [torch.from_numpy(p) for p in (x[:1], x[1:])], ()),
    "a list of these in a tuple": (lambda x: ([x[:1], x[1:]], ["a", "b"]), 0),
}


@pytest.mark.parametrize("kind", NESTED)
def test_select_part_of_nested_batches(kind):
    make, select = NESTED[kind]
    x = np.arange(12.0).reshape(6, 2)
    moments = evenly.fit((make(part) for part in (x[:3], x[3:])), select=select)
    expected = evenly.fit(x)
    assert (moments.mean.tolist(), moments.rows) == (expected.mean.tolist(), 6)


def test_select_part_of_single_object():
    assert evenly.fit(Scan(np.ones((2, 3)), "a"), select="pixels").rows == 2


def test_object_with_arrays_suggests_select():
    with pytest.raises(
        evenly.UnsupportedTypeError, match=r"attributes are 'pixels': pass select='pixels'"
    ):
        evenly.fit([Scan(np.ones(2), "a")])


def test_batches_of_images_of_different_sizes():
    """As in torchvision's detection models: a batch is a list, or a tuple of lists."""
    images = [torch.ones(3, 4, 5), torch.zeros(3, 2, 2)]
    batches = [(images, ["label", "label"])] * 2
    moments = evenly.fit(batches, select=0, feature_axis=0)
    assert (moments.rows, moments.mean.tolist()) == (48, [20 / 24] * 3)


PARTS = {
    "x": np.arange(12.0).reshape(4, 3),
    "images": np.arange(48.0).reshape(4, 3, 2, 2),
    "w": np.array([1, 2, 0, 1]),
    "g": np.array(["a", "b", "a", "b"]),
}
REPEATED = [0, 1, 1, 3]


def as_list(part):
    return part.tolist()


@pytest.mark.parametrize("convert", [np.asarray, torch.tensor, as_list])
def test_weights_are_named_beside_a_selected_array(convert):
    parts = {name: convert(PARTS[name]) for name in ("x", "w")}
    expected = evenly.fit(PARTS["x"][REPEATED])
    assert evenly.fit(parts, select="x", weights="w") == expected
    assert evenly.fit([parts, parts], select="x", weights="w") == expected + expected


def test_a_weight_of_an_image_is_that_of_each_of_its_pixels():
    fitted = evenly.fit(PARTS, select="images", weights="w", feature_axis=1)
    assert fitted == evenly.fit(PARTS["images"][REPEATED], feature_axis=1)


def test_weights_and_keys_are_named_beside_a_selected_array():
    fitted = evenly.fit(PARTS, select="x", weights="w", by="g")
    assert fitted["a"] == evenly.fit(PARTS["x"][[0]])
    assert fitted["b"] == evenly.fit(PARTS["x"][[1, 1, 3]])


def test_samples_have_a_weight_each():
    samples = [{"x": x, "w": w} for x, w in zip(PARTS["x"], PARTS["w"].tolist(), strict=True)]

    class Samples(torch.utils.data.Dataset):
        def __len__(self):
            return len(samples)

        def __getitem__(self, index):
            return samples[index]

    expected = evenly.fit(PARTS["x"][REPEATED])
    assert evenly.fit(Samples(), select="x", weights="w") == expected
    loader = torch.utils.data.DataLoader(Samples(), batch_size=3)
    assert evenly.fit(loader, select="x", weights="w") == expected


def test_weights_of_a_dict_must_be_one_of_its_parts():
    message = (
        "weights= must name a part of the dict. Received: 'v'; the dict has 'x', 'images', 'w', "
        "'g'."
    )
    with pytest.raises(evenly.ColumnError, match=re.escape(message)):
        evenly.fit(PARTS, select="x", weights="v")


def test_weights_of_columns_need_rows():
    with pytest.raises(evenly.DataError, match=r"weights must be along axes of rows\."):
        evenly.fit(PARTS, select="x", weights="w", feature_axis=0)


def test_item_that_cannot_be_read_is_named():
    with pytest.raises(evenly.UnsupportedTypeError, match=r"NoneType as batch 1\.$"):
        evenly.fit(iter([np.ones((2, 1)), None]))
    with pytest.raises(evenly.UnsupportedTypeError, match=r"NoneType\.$"):
        evenly.fit(None)


def test_dict_proposes_a_part_that_is_an_array():
    sample = {"__key__": "0001", "json": {}, "x": np.ones((2, 3))}
    with pytest.raises(evenly.DataError, match=r"Pass select='x', for example\."):
        evenly.fit(sample)
    with pytest.raises(evenly.DataError, match="the dict, which is empty"):
        evenly.fit({})
