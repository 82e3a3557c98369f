"""Iterables: generators, lists, PyTorch's loaders; which part of a batch; what a fault keeps."""

import collections
import dataclasses
import logging
import types

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import evenly
from evenly.sources import open_source

X = torch.arange(20.0).reshape(10, 2)
Y = torch.arange(10)
EXPECTED = evenly.fit(X)


def refusal(error, x, **options):
    with pytest.raises(error) as caught:
        evenly.fit(x, **options)
    return str(caught.value)


def test_a_loader_with_a_smaller_last_batch():
    loader = DataLoader(TensorDataset(X), batch_size=4)
    assert evenly.fit(loader) == EXPECTED


def test_shuffling_changes_nothing():
    loader = DataLoader(TensorDataset(X, Y), batch_size=3, shuffle=True)
    assert evenly.fit(loader, select=0) == EXPECTED


def test_the_first_part_is_fitted_with_one_remark(caplog):
    loader = DataLoader(TensorDataset(X, Y), batch_size=4)
    with caplog.at_level(logging.WARNING, logger="evenly"):
        assert evenly.fit(loader) == EXPECTED
    assert [record.message for record in caplog.records] == [
        "Batch 0 has 2 parts; the first one is fitted. Pass select= to choose, select=0 to be "
        "silent about it."
    ]


def test_a_part_that_is_selected_is_not_remarked(caplog):
    loader = DataLoader(TensorDataset(X, Y), batch_size=4)
    with caplog.at_level(logging.INFO, logger="evenly"):
        assert evenly.fit(loader, select=1).mean.tolist() == [4.5]
    assert caplog.records == []


BATCH = {"image": (X, Y), "label": Y, "nested": {"deep": [Y, X]}}


@pytest.mark.parametrize("select", [("image", 0), ("image", -2), ("nested", "deep", 1)])
def test_a_part_may_be_nested(select):
    assert evenly.fit([BATCH], select=select) == EXPECTED
    assert evenly.fit(BATCH, select=select) == EXPECTED


class Record:
    """A batch with attributes."""

    pixels = X


def test_a_part_may_be_an_attribute():
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
def test_a_part_that_is_not_there_is_refused(batch, select, message):
    expected = f"select= must name a part of every batch. Received: {message}"
    assert refusal(evenly.ColumnError, iter([batch]), select=select) == expected


def test_of_a_dict_a_part_must_be_selected():
    message = refusal(evenly.DataError, [{"image": X, "label": Y}])
    assert message == (
        "Of a dict one part must be selected. Received: batch 0 with keys 'image', 'label'. "
        "Pass select='image', for example."
    )
    assert "Received: the dict with keys" in refusal(evenly.DataError, {"image": X})


class Images(Dataset):
    """A map-style dataset of samples without an axis of rows."""

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
    """A dataset that torch knows nothing of."""

    def __init__(self):
        self.data = Images()

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return self.data[index]


@pytest.mark.parametrize("kind", [Images, Stream, Plain])
def test_samples_are_fitted_as_a_loader_would_batch_them(kind):
    """The axis of features counts with the axis of rows that samples do not have."""
    expected = evenly.fit(DataLoader(Images(), batch_size=3), select=0, feature_axis=1)
    assert evenly.fit(kind(), select=0, feature_axis=1) == expected
    assert evenly.fit(kind(), select=0, feature_axis=1).num_features == 3


def test_samples_of_one_number_are_rows_of_one_column():
    assert evenly.fit(TensorDataset(Y)).mean.tolist() == [4.5]


def test_a_batch_of_one_dimension_is_one_column():
    moments = evenly.fit(iter([np.arange(3), np.arange(3, 7)]))
    assert (moments.num_features, moments.rows) == (1, 7)


def test_numbers_alone_are_no_batches():
    assert "must have rows. Received: a single number" in refusal(
        evenly.DataError, (float(x) for x in range(3))
    )


def test_rows_as_lists_are_batches_of_one_column_too():
    """As arrays of one dimension are: a row of a table must be written ``[row]``."""
    assert evenly.fit(iter([[1.0, 2.0], [3.0]])).num_features == 1


def test_batches_may_be_of_any_kinds(tmp_path):
    (tmp_path / "x.csv").write_text("y,x\n3,2\n")
    parts = [pd.DataFrame({"x": [0.0], "y": [1.0]}), pa.table({"x": [1.0], "y": [2.0]})]
    moments = evenly.fit([*parts, tmp_path / "x.csv"])
    assert moments.mean.tolist() == [1.0, 2.0]


def test_batches_of_other_widths_are_refused_by_number():
    message = refusal(evenly.DataError, [X, X, X[:, :1]])
    assert message == (
        "All batches must have the same columns. Received: batch 2 (batch 2) with 1 column; those "
        "before it have 2 columns."
    )


def test_batches_of_other_names_are_refused_by_number():
    message = refusal(evenly.ColumnError, [pa.table({"a": [1.0]}), pa.table({"b": [1.0]})])
    assert "Received: batch 1 (batch 1), missing: 'a'; unknown: 'b'." in message


def test_names_after_no_names_are_refused():
    message = refusal(evenly.DataError, [np.ones((2, 1)), pa.table({"a": [1.0]})])
    assert "batch 1 (batch 1) with 1 column ('a'); those before it have 1 column." in message


def test_what_is_left_out_of_all_batches_is_told():
    parts = [pa.table({"x": [1], "t": ["a"], "n": [None], "m": pa.array([None], pa.null())})] * 2
    parts += [pa.table({"x": [1], "t": ["a"], "n": pa.array([2]), "m": [None]})]
    source = open_source(parts)
    assert evenly.fit(source).columns == ("x", "n")
    assert source.left_out == {"t": "text", "m": "no values"}


def test_an_exception_of_the_iterable_comes_through_with_a_note():
    def broken():
        yield X
        yield X
        raise OSError("the disk is on fire")

    with pytest.raises(OSError, match="the disk is on fire") as caught:
        evenly.fit(broken())
    assert type(caught.value) is OSError
    assert caught.value.__notes__ == [
        "evenly: raised by a generator when asked for batch 2, after 20 rows. Nothing of it was "
        "kept."
    ]


def test_a_failed_update_leaves_moments_as_they_were():
    moments = evenly.fit(X)

    def broken():
        yield X
        raise RuntimeError

    with pytest.raises(RuntimeError):
        moments.update(broken())
    assert moments == EXPECTED
    assert moments.rows == 10


def test_an_infinity_names_its_batch():
    x = X.clone()
    x[1, 1] = torch.inf
    message = refusal(evenly.DataError, [X, x])
    assert "infinity in column 1, row 1 of batch 1" in message


def test_an_empty_iterable_is_refused():
    assert "Received: a generator, with none." in refusal(evenly.DataError, (x for x in ()))
    assert "Received: an empty list" in refusal(evenly.DataError, [])


def test_empty_batches_do_no_harm():
    assert evenly.fit([X[:0], X, X[:0]]) == EXPECTED


def test_arrays_of_a_tuple_are_batches_and_not_x_and_y():
    assert evenly.fit((X[:5], X[5:])) == EXPECTED
    assert "batch 1" in refusal(evenly.DataError, (X, Y))


def test_weights_go_over_all_batches():
    weights = np.arange(10.0)
    whole = evenly.fit(X, weights=weights)
    assert evenly.fit([X[:3], X[3:3], X[3:]], weights=weights) == whole
    assert evenly.fit(iter([X]), weights=torch.from_numpy(weights).requires_grad_()) == whole


@pytest.mark.parametrize(("wrong", "shown"), [(-1, "-1.0"), (np.nan, "nan"), (np.inf, "inf")])
def test_a_wrong_weight_is_named_by_its_row(wrong, shown):
    weights = np.ones(10)
    weights[7] = wrong
    assert refusal(evenly.DataError, [X], weights=weights) == (
        f"Weights must be finite, and 0 or more. Received: {shown} in row 7 of weights=. "
        "A weight of 0 leaves a row out."
    )


@pytest.mark.parametrize(
    "weights", [np.ones((10, 1)), np.array(["a"] * 10), 2.0], ids=["2-D", "text", "a number"]
)
def test_what_can_be_no_weights_is_refused(weights):
    message = refusal(evenly.UnsupportedTypeError, X, weights=weights)
    assert "weights must be numbers in one dimension, or the name of a column" in message


@pytest.mark.parametrize(("number", "text"), [(9, "at least 10"), (11, "10")])
def test_weights_of_a_wrong_number_are_refused_when_it_shows(number, text):
    message = refusal(evenly.DataError, iter([X[:5], X[5:]]), weights=np.ones(number))
    assert f"Received: {number} weights for {text} rows of" in message


# batches with parts in parts


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
def test_a_part_of_nested_batches_is_selected(kind):
    make, select = NESTED[kind]
    x = np.arange(12.0).reshape(6, 2)
    moments = evenly.fit((make(part) for part in (x[:3], x[3:])), select=select)
    expected = evenly.fit(x)
    assert (moments.mean.tolist(), moments.rows) == (expected.mean.tolist(), 6)


def test_a_part_of_one_object_is_selected():
    assert evenly.fit(Scan(np.ones((2, 3)), "a"), select="pixels").rows == 2


def test_an_object_with_arrays_says_how_to_select_one():
    with pytest.raises(evenly.UnsupportedTypeError, match=r"parts 'pixels' pass select='pixels'"):
        evenly.fit([Scan(np.ones(2), "a")])


def test_images_of_unlike_sizes_are_a_list_in_a_batch():
    """As torchvision's detectors take them: the batch is a list, or a tuple of lists."""
    images = [torch.ones(3, 4, 5), torch.zeros(3, 2, 2)]
    batches = [(images, ["label", "label"])] * 2
    moments = evenly.fit(batches, select=0, feature_axis=0)
    assert (moments.rows, moments.mean.tolist()) == (48, [20 / 24] * 3)
