"""Ray data sets, on a real local Ray: the bits of one machine; lazily normalised."""

import doctest
import os
import signal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
import ray.data
import ray.exceptions

import evenly
from benchmark_runner import check_engine
from evenly.errors import ColumnError, DataError, MissingExtraError, UnsupportedTypeError
from kill_ray import PARTS, cluster, killed_from_outside, parts, whole

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:ray", "ignore::FutureWarning:ray"
)


@pytest.fixture(scope="module", autouse=True)
def _ray():
    with cluster():
        yield


def made(rows=300):
    rng = np.random.default_rng(3)
    some = rng.random(rows) < 0.1
    return pa.table(
        {
            "double": pa.array(rng.normal(1.7e9, 1, rows), mask=some),
            "float": rng.normal(1e6, 1, rows).astype(np.float32),
            "nan": np.where(some, np.nan, rng.normal(size=rows)),
            "long": rng.integers(-(2**63), 2**63 - 1, rows),
            "flag": rng.random(rows) < 0.5,
            "constant": np.full(rows, 1234567.1),
            "weight": rng.integers(0, 4, rows),
            "text": ["x"] * rows,
            "utc": pa.array(rng.integers(-(2**52), 2**52, rows), pa.timestamp("us", "UTC")),
            "day": pa.array(rng.integers(0, 2**14, rows).astype(np.int32), pa.date32()),
        }
    )


TABLE = made()


def blocks(table, number=3, schema="known"):
    """A data set of the table; after a function of the user's, Ray does not know its columns."""
    edges = np.linspace(0, len(table), number + 1).astype(int)
    data = ray.data.from_arrow([table[a:b] for a, b in pairwise(edges)])
    return data if schema == "known" else data.map_batches(lambda x: x, batch_format="pyarrow")


def table_of(data):
    return pa.concat_tables(ray.get(data.to_arrow_refs()))


def assert_same(got, expected):
    assert got.schema.types == expected.schema.types
    pd.testing.assert_frame_equal(got.to_pandas(), expected.to_pandas(), check_exact=True)


# ---- Fitting -------------------------------------------------------------------------------


@pytest.mark.parametrize("schema", ["known", "unknown"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"columns": [0, "long"]},
        {"exclude": "double", "weights": "weight"},
        {"columns": ["utc", "day"], "weights": "weight"},
    ],
)
def test_the_bits_are_those_of_one_machine(options, schema):
    moments, here = (
        evenly.fit(blocks(TABLE, schema=schema), **options),
        evenly.fit(TABLE, **options),
    )
    assert moments == here
    assert (moments.columns, moments.dtypes, moments.rows) == (
        here.columns,
        here.dtypes,
        here.rows,
    )
    assert moments.sources == ("a Ray Dataset",)


@pytest.mark.parametrize("number", [1, 7])
def test_any_blocks_give_the_same_bits(number):
    assert evenly.fit(blocks(TABLE, number)) == evenly.fit(TABLE)


def test_a_block_of_only_nulls_has_no_say_on_the_column():
    data = ray.data.from_items([{"a": None, "b": 1.0}, {"a": 2.0, "b": 3.0}], override_num_blocks=2)
    assert evenly.fit(data) == evenly.fit(pa.table({"a": [None, 2.0], "b": [1.0, 3.0]}))


def test_pandas_blocks_are_fitted():
    frame = pd.DataFrame({"a": [1.0, np.nan, 3.0], "n": [1, 2, 3], "text": ["x", None, "y"]})
    assert evenly.fit(ray.data.from_pandas(frame)) == evenly.fit(frame)


def test_only_the_columns_to_be_fitted_are_read(tmp_path):
    """The bytes of the file's other column are gone: whoever reads them fails."""
    path = tmp_path / "x.parquet"
    pq.write_table(TABLE.select(["text", "float"]), path)
    chunk = pq.read_metadata(path).row_group(0).column(0)
    content = bytearray(path.read_bytes())
    end = chunk.dictionary_page_offset + chunk.total_compressed_size
    content[chunk.dictionary_page_offset : end] = bytes(chunk.total_compressed_size)
    path.write_bytes(content)
    with pytest.raises(OSError, match=r"(?i)thrift|page|data"):
        pq.read_table(path)
    data = ray.data.read_parquet(str(path))
    assert evenly.fit(data) == evenly.fit(TABLE, columns="float")


# ---- Tensors -------------------------------------------------------------------------------

RNG = np.random.default_rng(5)
IMAGES = RNG.integers(0, 256, (12, 4, 5, 3)).astype(np.uint8)


def photos(images):
    return ray.data.from_items([{"image": x, "label": "cat", "size": 3} for x in images])


def test_an_array_is_fitted_and_normalised_as_an_array():
    x = RNG.normal(1.7e9, 1, (50, 3)).astype(np.float32)
    data = ray.data.from_numpy(x).repartition(3)
    moments = evenly.fit(data)
    assert moments == evenly.fit(x)
    back = np.concatenate([b["data"] for b in moments.normalize(data).iter_batches()])
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, moments.normalize(x))


@pytest.mark.parametrize("axis", [-1, 1])
def test_images_are_selected_by_name(axis):
    data = photos(IMAGES)
    moments = evenly.fit(data, select="image", feature_axis=axis)
    assert moments == evenly.fit(IMAGES, feature_axis=axis)
    rows = moments.normalize(data, feature_axis=axis).take_all()
    assert {row["label"] for row in rows} == {"cat"}
    got = np.stack([row["image"] for row in rows])
    np.testing.assert_array_equal(got, moments.normalize(IMAGES, feature_axis=axis))


def test_images_of_any_size_have_the_moments_of_their_pixels():
    images = [RNG.integers(0, 256, (3 + i, 5, 3)).astype(np.uint8) for i in range(6)]
    data = photos(images).select_columns(["image"]).repartition(2)
    moments = evenly.fit(data)
    assert moments == evenly.fit(image[None] for image in images)
    back = moments.denormalize(moments.normalize(data)).take_all()
    assert [row["image"].shape for row in back] == [image.shape for image in images]
    np.testing.assert_allclose(back[5]["image"], images[5], atol=1e-4)


def test_lists_are_vectors_and_their_nulls_stay():
    data = ray.data.from_items([{"x": [1.0, 2.0]}, {"x": None}, {"x": [4.0, None]}]).repartition(1)
    moments = evenly.fit(data)
    assert moments == evenly.fit(np.array([[1.0, 2.0], [np.nan, np.nan], [4.0, np.nan]]))
    rows = moments.normalize(data).take_all()
    assert [row["x"] for row in rows] == [[-1.0, 0.0], None, [1.0, None]]


def test_vectors_have_weights():
    data = ray.data.from_items([{"x": [1.0, 2.0], "w": 3}, {"x": [4.0, 5.0], "w": 1}])
    x = np.array([[1.0, 2.0], [4.0, 5.0]])
    assert evenly.fit(data, select="x", weights="w") == evenly.fit(x, weights=[3, 1])


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([[1.0], [1.0, 2.0]], r"Received: lengths 1, 2, in column 'x' of a block"),
        ([None, None], "2 null rows and no other"),
        ([[2**62 + 1], [None]], "must fit float64"),
    ],
)
def test_vectors_that_are_no_array_are_an_error(items, words):
    with pytest.raises((DataError, UnsupportedTypeError), match=words):
        evenly.fit(ray.data.from_items([{"x": x} for x in items]).repartition(1), select="x")


# ---- Normalising ---------------------------------------------------------------------------


@pytest.mark.parametrize("schema", ["known", "unknown"])
@pytest.mark.parametrize("options", [{}, {"dtype": "float64", "missing": "zero", "correction": 1}])
def test_normalize_gives_the_bits_of_one_machine(options, schema):
    moments = evenly.fit(TABLE, exclude=["weight"])
    data = blocks(TABLE, schema=schema)
    assert_same(table_of(moments.normalize(data, **options)), moments.normalize(TABLE, **options))


def test_denormalize_undoes_it_and_constants_come_back_exactly():
    moments = evenly.fit(TABLE)
    scaled = moments.normalize(TABLE)
    back = table_of(moments.denormalize(moments.normalize(blocks(TABLE))))
    assert_same(back, moments.denormalize(scaled))
    assert back["constant"].unique().to_pylist() == [1234567.1]


def test_normalize_is_lazy(tmp_path):
    def noted(table):
        (tmp_path / "ran").touch()
        return table

    data = blocks(TABLE).map_batches(noted, batch_format="pyarrow")
    lazy = evenly.fit(TABLE).normalize(data)
    assert not (tmp_path / "ran").exists()
    lazy.take(1)
    assert (tmp_path / "ran").exists()


# ---- Groups --------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["flag", ["flag", "text"]])
def test_groups_have_the_bits_of_one_machine(by):
    options = {"by": by, "columns": ["float", "double"], "weights": "weight"}
    data = ray.data.from_arrow([TABLE[:100], TABLE[100:101], TABLE[101:]])
    moments, here = evenly.fit(data, **options), evenly.fit(TABLE, **options)
    assert moments == here
    assert (moments.by, moments.columns) == (here.by, here.columns)


def test_each_row_is_normalised_by_its_own_group():
    moments = evenly.fit(TABLE, by="flag", columns=["double", "long"])
    data = ray.data.from_arrow([TABLE[:100], TABLE[100:]])
    names = ["utc", "double", "long"]
    tables = [ray.get(ref) for ref in moments.normalize(data).to_arrow_refs()]
    ours = pa.concat_tables(tables).select(names).sort_by("utc")
    here = moments.normalize(TABLE).select(names).sort_by("utc")
    assert ours.column("double").equals(here.column("double"))
    assert ours.column("long").equals(here.column("long"))


# ---- Mistakes ------------------------------------------------------------------------------


def test_an_infinity_is_named_with_its_column_and_row():
    with pytest.raises(DataError, match="infinity in column 'x', row 1 of a block") as error:
        evenly.fit(blocks(pa.table({"x": [1.0, np.inf]}), 1))
    assert error.value.__suppress_context__


@pytest.mark.parametrize("schema", ["known", "unknown"])
@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"columns": "doubel"}, ColumnError, "Did you mean 'double'"),
        ({"columns": "text"}, UnsupportedTypeError, "column 'text' of .*the Ray Dataset"),
        ({"select": "double"}, ColumnError, "select= chooses a column of vectors"),
        ({"weights": [1.0]}, UnsupportedTypeError, "one of its columns, by name"),
    ],
)
def test_a_wrong_choice_is_explained(options, kind, words, schema):
    with pytest.raises(kind, match=words):
        evenly.fit(blocks(TABLE, schema=schema), **options)


def test_no_rows_are_an_error():
    nothing = blocks(TABLE).map_batches(lambda x: x[:0], batch_format="pyarrow")
    for data in (blocks(TABLE).limit(0), nothing):
        with pytest.raises(DataError, match=r"At least one row is needed.*a Ray Dataset"):
            evenly.fit(data)


def test_a_data_set_that_may_lose_blocks_is_not_fitted():
    data = blocks(TABLE)
    data.context.max_errored_blocks = 2
    with pytest.raises(DataError, match="max_errored_blocks=2"):
        evenly.fit(data)


def test_the_users_own_error_comes_through():
    def broken(table):
        raise ZeroDivisionError("the user's")

    with pytest.raises(ray.exceptions.RayError, match="the user's"):
        evenly.fit(blocks(TABLE).map_batches(broken))


def test_a_worker_without_evenly_is_named():
    def without(table):
        raise ModuleNotFoundError("No module named 'evenly'")

    with pytest.raises(MissingExtraError, match=r"sent to Ray's workers.*without evenly"):
        evenly.fit(blocks(TABLE).map_batches(without))


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"dtype": "float16"}, UnsupportedTypeError, "float32 or float64"),
        ({"out": TABLE}, UnsupportedTypeError, "Omit out="),
    ],
)
def test_normalize_refuses_here_and_now(options, kind, words):
    with pytest.raises(kind, match=words):
        evenly.fit(TABLE).normalize(blocks(TABLE), **options)


def test_a_missing_column_is_named_here_and_now():
    with pytest.raises(ColumnError, match="Missing: 'double'"):
        evenly.fit(TABLE).normalize(blocks(TABLE.drop(["double"])))


def test_moments_without_names_need_one_column_of_vectors():
    with pytest.raises(ColumnError, match=r"must have one column of vectors\. Received: none"):
        evenly.fit(np.ones((2, 2))).normalize(blocks(TABLE))


def test_the_guide_says_what_happens():
    guide = Path(__file__).parents[2] / "docs" / "engines" / "ray.md"
    flags = doctest.NORMALIZE_WHITESPACE
    done = doctest.testfile(str(guide), module_relative=False, optionflags=flags)
    assert (done.failed, done.attempted > 5) == (0, True)


# ---- Deaths --------------------------------------------------------------------------------


def test_a_worker_that_dies_in_a_task_changes_no_bit(tmp_path):
    def dies_once(number):
        with open(tmp_path / "made", "a") as file:
            file.write(f"{number}\n")
        if number == PARTS // 2 and not (tmp_path / "dead").exists():
            (tmp_path / "dead").touch()
            os.kill(os.getpid(), signal.SIGKILL)

    moments = evenly.fit(parts(1, dies_once))
    made = (tmp_path / "made").read_text().split()
    assert made.count(str(PARTS // 2)) >= 2  # it was made again, and counted once
    assert moments == whole(1)
    assert moments.rows == whole(1).rows


@pytest.mark.parametrize("seed", [1, 2])
def test_a_worker_killed_from_outside_changes_no_bit(tmp_path, seed):
    killed_from_outside(tmp_path, seed, 0.4 * seed)


@pytest.mark.filterwarnings("default")  # the engine may warn
def test_benchmark_compares_ray_with_evenly():
    check_engine("ray")
