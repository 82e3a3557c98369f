"""`evenly.fit` with a dict for ``select=``: the bits of separate fits, from one pass."""

import logging
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evenly
from evenly.progress import Progress

RNG = np.random.default_rng(7)
STATE = RNG.normal(size=(40, 3)).astype(np.float32)
IMAGE = RNG.integers(0, 256, (40, 3, 2, 5), np.uint8)
REWARD = RNG.normal(1e6, 1, size=40)
SELECT = {"state": ("observation", "state"), "image": ("observation", "image"), "reward": "reward"}
AXES = {"image": 1, "reward": 1}
EXPECTED = {
    "image": evenly.fit(IMAGE, feature_axis=1),
    "reward": evenly.fit(REWARD),
    "state": evenly.fit(STATE),
}


def batch(start: int, stop: int) -> dict[str, Any]:
    observation = {"state": STATE[start:stop], "image": IMAGE[start:stop]}
    return {"observation": observation, "reward": REWARD[start:stop], "task": "stack"}


def samples() -> list[dict[str, Any]]:
    return [
        {"observation": {"state": s, "image": i}, "reward": float(r)}
        for s, i, r in zip(STATE, IMAGE, REWARD, strict=True)
    ]


def table() -> pa.Table:
    state = pa.FixedSizeListArray.from_arrays(pa.array(STATE.ravel()), 3)
    return pa.table({"observation.state": state, "reward": REWARD, "task": ["stack"] * 40})


TABLE_SELECT = {"state": "observation.state", "reward": "reward"}


def assert_expected(moments: evenly.MomentsByKey) -> None:
    """Assert that the moments are those of separate fits, with the same distributions."""
    assert isinstance(moments, evenly.MomentsByKey)
    for key, part in moments.items():
        expected = EXPECTED[key]
        expected = expected if part.columns is None else expected.select([0])
        assert list(part.exact_sums()) == list(expected.exact_sums()), key
        assert part.min.tolist() == expected.min.tolist()
        assert part.rows == expected.rows


@given(
    st.lists(st.integers(1, 39), max_size=5).map(lambda cuts: sorted({0, 40, *cuts})),
    st.randoms(use_true_random=False),
)
def test_any_batches_in_any_order_equal_separate_fits(cuts: list[int], random: Any) -> None:
    batches = [batch(*ends) for ends in pairwise(cuts)]
    random.shuffle(batches)
    moments = evenly.fit(iter(batches), select=SELECT, feature_axis=AXES, distribution=64)
    assert list(moments) == ["image", "reward", "state"]
    assert_expected(moments)
    state = evenly.fit(STATE, distribution=64)
    assert moments["state"].quantile(0.5).tolist() == state.quantile(0.5).tolist()


def test_an_iterable_is_read_once() -> None:
    asked = []

    def batches() -> Iterator[Any]:
        for start in range(0, 40, 10):
            asked.append(start)
            yield batch(start, start + 10)

    assert_expected(evenly.fit(batches(), select=SELECT, feature_axis=AXES))
    assert asked == [0, 10, 20, 30]


def test_one_dict_and_a_list_of_tuples() -> None:
    assert_expected(evenly.fit(batch(0, 40), select=SELECT, feature_axis={"image": 1}))
    pairs = [(STATE[:9], REWARD[:9]), (STATE[9:], REWARD[9:])]
    moments = evenly.fit(pairs, select={"state": 0, "reward": 1}, feature_axis={"reward": 1})
    assert_expected(moments)
    assert moments.paths == {"reward": (1,), "state": (0,)}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_torch_data_loader_and_its_data_set(
    workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    torch = pytest.importorskip("torch")

    class Episodes(torch.utils.data.Dataset):  # type: ignore[misc,name-defined]
        def __len__(self) -> int:
            return 40

        def __getitem__(self, index: int) -> Any:
            if index >= 40:
                raise IndexError
            return samples()[index]

    data = Episodes()
    loader = torch.utils.data.DataLoader(
        data, batch_size=7, num_workers=workers, drop_last=False, shuffle=True
    )
    assert_expected(evenly.fit(loader, select=SELECT, feature_axis={"image": 1}))
    assert_expected(evenly.fit(data, select=SELECT, feature_axis={"image": 1}))
    loader = torch.utils.data.DataLoader(data, batch_size=7, num_workers=workers, drop_last=True)
    caplog.clear()
    with caplog.at_level(logging.WARNING, "evenly"):
        evenly.fit(loader, select=SELECT, feature_axis={"image": 1})
    assert len([x for x in caplog.records if "drop_last" in x.message]) == 1


@pytest.mark.parametrize(
    "make",
    [
        table,
        lambda: table().to_pandas(),
        lambda: pl.from_arrow(table()),
        lambda: pl.from_arrow(table()).lazy(),  # type: ignore[union-attr]
        lambda: table().to_reader(max_chunksize=9),
        lambda: iter(table().to_batches(max_chunksize=9)),
        lambda: [table().slice(0, 11), table().slice(11)],
    ],
    ids=["pyarrow", "pandas", "polars", "lazy", "reader", "batches", "list"],
)
def test_tables_with_columns_of_vectors(make: Callable[[], Any]) -> None:
    moments = evenly.fit(make(), select=TABLE_SELECT)
    assert_expected(moments)
    assert moments["reward"].columns == ("reward",)


def test_parquet_files(tmp_path: Path) -> None:
    pq.write_table(table().slice(0, 15), tmp_path / "episode_000.parquet")
    pq.write_table(table().slice(15), tmp_path / "episode_001.parquet")
    assert_expected(evenly.fit(tmp_path / "episode_*.parquet", select=TABLE_SELECT))


def test_npz_files(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", state=STATE, image=IMAGE)
    select = {"state": "state", "image": "image"}
    assert_expected(evenly.fit(tmp_path / "x.npz", select=select, feature_axis={"image": 1}))


def test_hugging_face_data_sets() -> None:
    datasets = pytest.importorskip("datasets")
    data = datasets.Dataset(table())
    assert_expected(evenly.fit(data, select=TABLE_SELECT))
    assert_expected(evenly.fit(data.shuffle(seed=3), select=TABLE_SELECT))
    assert_expected(evenly.fit(data.to_iterable_dataset(), select=TABLE_SELECT))
    split = datasets.DatasetDict({"train": data})
    select = {key: ("train", path) for key, path in TABLE_SELECT.items()}
    assert_expected(evenly.fit(split, select=select))
    moments = evenly.fit(data, select=TABLE_SELECT)
    scaled = data.map(moments.normalize, batched=True, batch_size=16)
    assert scaled["task"][0] == "stack"
    expected = EXPECTED["state"].normalize(STATE)
    assert np.array_equal(np.array(scaled["observation.state"], np.float32), expected)


def test_images_of_a_hugging_face_data_set() -> None:
    datasets = pytest.importorskip("datasets")
    image_module = pytest.importorskip("PIL.Image")
    images = [image_module.fromarray(x.transpose(1, 2, 0)) for x in IMAGE]
    data = datasets.Dataset.from_dict({"image": images, "state": STATE.tolist()})
    data = data.cast_column("image", datasets.Image())
    moments = evenly.fit(data, select={"image": "image", "state": "state"})
    assert moments["image"].mean.tolist() == EXPECTED["image"].mean.tolist()
    assert moments["image"].columns == ("red", "green", "blue")
    assert moments["state"].mean.tolist() == EXPECTED["state"].mean.tolist()


def test_progress_of_each_key() -> None:
    seen: list[Progress] = []
    evenly.fit([batch(0, 40)], select=SELECT, feature_axis=AXES, progress=seen.append)
    assert sorted(x.rows for x in seen) == [40, 40, 400]


def test_options_of_fit_apply_to_each_key() -> None:
    data = [{"a": np.array([[1.0], [np.inf]]), "b": np.array([[2.0], [4.0]])}]
    moments = evenly.fit(data, select={"a": "a", "b": "b"}, infinite="missing", threads=1)
    assert moments["a"].missing.tolist() == [1]
    with pytest.raises(evenly.DataError, match=r"select='a': .*infinit"):
        evenly.fit(data, select={"a": "a", "b": "b"})


def test_columns_of_text_are_left_out_of_one_key() -> None:
    frames = [pd.DataFrame({"x": [1.0, 2.0], "city": ["a", "b"]})]
    moments = evenly.fit([{"t": frame} for frame in frames], select={"t": "t"})
    assert moments["t"].left_out == {"city": "text"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"select": {}}, "needs at least one key. Received: an empty dict"),
        ({"select": {1: "x"}}, "are strings, which name the statistics. Received: 1 of type int"),
        ({"select": {"x": 1.5}}, r"a key, a position, or a tuple of these. Received: 1.5 for 'x'"),
        ({"select": {"x": ("x", None)}}, "a key, a position, or a tuple of these"),
        ({"select": {"x": True}}, "a key, a position, or a tuple of these"),
        ({"select": {"x": (0,) * 33}}, "has at most 32 steps. Received: 33 for 'x'"),
        ({"select": {"x": 2**63}}, "a key, a position, or a tuple of these"),
        ({"select": {"x": "x", "y": "x"}}, r"separate parts. Received: \('x',\) for 'x' and"),
        ({"select": {"x": "x", "y": ("x", 0)}}, "must lead to separate parts"),
        ({"by": "k"}, r"cannot be combined with by=. Received: both. Fit each key by itself"),
        ({"weights": [1, 2]}, "cannot be combined with weights=.*Fit each key by itself"),
        ({"columns": [0]}, r"cannot be combined with columns=.*moments\[key\].select"),
        ({"exclude": [0]}, r"cannot be combined with exclude=.*moments\[key\].select"),
        ({"checkpoint": "c.json"}, r"cannot be combined with checkpoint=.*add their moments"),
        ({"update": "c.json"}, r"cannot be combined with update=.*add their moments"),
        ({"feature_axis": {"z": 1}}, "has keys of select=. Received: 'z'; the keys are 'x'"),
        ({"select": "x", "feature_axis": {"x": 1}}, "A dict for feature_axis= needs a dict for"),
    ],
)
def test_options_that_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises((evenly.DataError, evenly.ColumnError), match=message):
        evenly.fit([{"x": [[1.0], [2.0]]}], **{"select": {"x": "x"}, **options})


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ([{"x": [[1.0]]}, {"y": 1}], evenly.ColumnError, "select='x': select= must name a part"),
        ([{"x": [[1.0]]}, {"x": [[1.0, 2.0]]}], evenly.DataError, "select='x': All batches must"),
        ([{"x": np.ones(3)}], evenly.DataError, "select='x': A one-dimensional item"),
        ([{"x": np.ones((0, 2))}], evenly.DataError, "select='x': At least one row is needed"),
        ({"x": "a.csv"}, evenly.SourceError, "select='x': A source must be a file"),
        (np.ones((2, 2)), evenly.DataError, "select='x': select= chooses a part of batches"),
    ],
)
def test_errors_name_the_key(data: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        evenly.fit(data, select={"x": "x"})


def test_distributed_data_is_refused() -> None:
    dask_array = pytest.importorskip("dask.array")
    with pytest.raises(evenly.DataError, match=r"that this process reads.*pass the results to"):
        evenly.fit(dask_array.ones((4, 2)), select={"x": "x"})


def test_an_error_of_the_iterable_propagates() -> None:
    def batches() -> Iterator[Any]:
        yield batch(0, 10)
        raise RuntimeError("camera lost")

    with pytest.raises(RuntimeError, match="camera lost") as caught:
        evenly.fit(batches(), select=SELECT, feature_axis=AXES)
    assert "batch 1" in caught.value.__notes__[0]
