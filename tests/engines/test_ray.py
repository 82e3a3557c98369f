"""Ray datasets on a local Ray: the bits of a local fit, and lazy normalization."""

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


def make_table(rows=300):
    rng = np.random.default_rng(3)
    missing = rng.random(rows) < 0.1
    return pa.table(
        {
            "double": pa.array(rng.normal(1.7e9, 1, rows), mask=missing),
            "float": rng.normal(1e6, 1, rows).astype(np.float32),
            "nan": np.where(missing, np.nan, rng.normal(size=rows)),
            "long": rng.integers(-(2**63), 2**63 - 1, rows),
            "flag": rng.random(rows) < 0.5,
            "constant": np.full(rows, 1234567.1),
            "weight": rng.integers(0, 4, rows),
            "text": ["x"] * rows,
            "utc": pa.array(rng.integers(-(2**52), 2**52, rows), pa.timestamp("us", "UTC")),
            "day": pa.array(rng.integers(0, 2**14, rows).astype(np.int32), pa.date32()),
        }
    )


TABLE = make_table()


def blocks(table, number=3, schema="known"):
    """Return a dataset of the table; after a user function Ray does not know its schema."""
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
        {"columns": ["double", "long"]},
        {"exclude": "double", "weights": "weight"},
        {"columns": ["utc", "day"], "weights": "weight"},
    ],
)
def test_fit_matches_local_bits(options, schema):
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
    assert moments.left_out == here.left_out
    assert moments.sources == ("a Ray Dataset",)


def test_groups_of_rows_are_refused():
    with pytest.raises(UnsupportedTypeError, match=r"without groups or windows.*by=\['column'\]"):
        evenly.fit(blocks(TABLE).groupby("flag"))


@pytest.mark.parametrize("number", [1, 7])
def test_blocks_do_not_change_bits(number):
    assert evenly.fit(blocks(TABLE, number)) == evenly.fit(TABLE)


def test_block_of_nulls_does_not_decide_column_type():
    data = ray.data.from_items([{"a": None, "b": 1.0}, {"a": 2.0, "b": 3.0}], override_num_blocks=2)
    assert evenly.fit(data) == evenly.fit(pa.table({"a": [None, 2.0], "b": [1.0, 3.0]}))


def test_fit_pandas_blocks():
    frame = pd.DataFrame({"a": [1.0, np.nan, 3.0], "n": [1, 2, 3], "text": ["x", None, "y"]})
    assert evenly.fit(ray.data.from_pandas(frame)) == evenly.fit(frame)


def test_reads_only_selected_columns(tmp_path, monkeypatch):
    """The other column of the file is overwritten, so that reading it fails."""
    monkeypatch.setattr(ray.data.DataContext.get_current(), "use_datasource_v2", True)  # default
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


def test_fit_and_normalize_array():
    x = RNG.normal(1.7e9, 1, (50, 3)).astype(np.float32)
    data = ray.data.from_numpy(x).repartition(3)
    moments = evenly.fit(data)
    assert moments == evenly.fit(x)
    back = np.concatenate([b["data"] for b in moments.normalize(data).iter_batches()])
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, moments.normalize(x))


@pytest.mark.parametrize("axis", [-1, 1])
def test_select_images_by_name(axis):
    data = photos(IMAGES)
    moments = evenly.fit(data, select="image", feature_axis=axis)
    assert moments == evenly.fit(IMAGES, feature_axis=axis)
    rows = moments.normalize(data, feature_axis=axis).take_all()
    assert {row["label"] for row in rows} == {"cat"}
    got = sorted((row["image"] for row in rows), key=bytes)  # Ray does not keep the order of blocks
    expected = moments.normalize(IMAGES, feature_axis=axis)
    np.testing.assert_array_equal(got, sorted(expected, key=bytes))


def test_images_of_different_sizes():
    images = [RNG.integers(0, 256, (3 + i, 5, 3)).astype(np.uint8) for i in range(6)]
    data = photos(images).select_columns(["image"]).repartition(2)
    moments = evenly.fit(data, feature_axis=-1)
    assert moments == evenly.fit((image[None] for image in images), feature_axis=-1)
    normal = moments.normalize(data, feature_axis=-1)
    back = moments.denormalize(normal, feature_axis=-1).take_all()
    by_shape = {row["image"].shape: row["image"] for row in back}  # their order may differ
    assert len(back) == len(images)
    for image in images:
        np.testing.assert_allclose(by_shape[image.shape], image, atol=1e-4)


def test_normalize_lists_keeps_nulls():
    data = ray.data.from_items([{"x": [1.0, 2.0]}, {"x": None}, {"x": [4.0, None]}]).repartition(1)
    moments = evenly.fit(data)
    assert moments == evenly.fit(np.array([[1.0, 2.0], [np.nan, np.nan], [4.0, np.nan]]))
    rows = moments.normalize(data).take_all()
    assert [row["x"] for row in rows] == [[-1.0, 0.0], None, [1.0, None]]


def test_vectors_with_weights():
    data = ray.data.from_items([{"x": [1.0, 2.0], "w": 3}, {"x": [4.0, 5.0], "w": 1}])
    x = np.array([[1.0, 2.0], [4.0, 5.0]])
    assert evenly.fit(data, select="x", weights="w") == evenly.fit(x, weights=[3, 1])


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([[1.0], [1.0, 2.0]], r"Received: lengths 1, 2, in column 'x' of a block"),
        ([None, None], "2 null rows and no others"),
        ([[2**62 + 1], [None]], "must fit float64"),
    ],
)
def test_invalid_vectors_raise(items, words):
    with pytest.raises((DataError, UnsupportedTypeError), match=words):
        evenly.fit(ray.data.from_items([{"x": x} for x in items]).repartition(1), select="x")


# ---- Normalization -------------------------------------------------------------------------


@pytest.mark.parametrize("schema", ["known", "unknown"])
@pytest.mark.parametrize("options", [{}, {"dtype": "float64", "missing": "zero", "correction": 1}])
def test_normalize_matches_local_bits(options, schema):
    moments = evenly.fit(TABLE, exclude=["weight"])
    data = blocks(TABLE, schema=schema)
    assert_same(table_of(moments.normalize(data, **options)), moments.normalize(TABLE, **options))


def test_denormalize_restores_constants_exactly():
    moments = evenly.fit(TABLE)
    scaled = moments.normalize(TABLE)
    back = table_of(moments.denormalize(moments.normalize(blocks(TABLE))))
    assert_same(back, moments.denormalize(scaled))
    assert back["constant"].unique().to_pylist() == [1234567.1]


def test_normalize_is_lazy(tmp_path):
    def record_call(table):
        (tmp_path / "ran").touch()
        return table

    data = blocks(TABLE).map_batches(record_call, batch_format="pyarrow")
    lazy = evenly.fit(TABLE).normalize(data)
    assert not (tmp_path / "ran").exists()
    lazy.take(1)
    assert (tmp_path / "ran").exists()


# ---- Groups --------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["flag", ["flag", "text"]])
def test_grouped_fit_matches_local_bits(by):
    options = {"by": by, "columns": ["float", "double"], "weights": "weight"}
    data = ray.data.from_arrow([TABLE[:100], TABLE[100:101], TABLE[101:]])
    moments, here = evenly.fit(data, **options), evenly.fit(TABLE, **options)
    assert moments == here
    assert (moments.by, moments.columns) == (here.by, here.columns)


def test_normalize_by_group():
    moments = evenly.fit(TABLE, by="flag", columns=["double", "long"])
    data = ray.data.from_arrow([TABLE[:100], TABLE[100:]])
    names = ["utc", "double", "long"]
    tables = [ray.get(ref) for ref in moments.normalize(data).to_arrow_refs()]
    ours = pa.concat_tables(tables).select(names).sort_by("utc")
    here = moments.normalize(TABLE).select(names).sort_by("utc")
    assert ours.column("double").equals(here.column("double"))
    assert ours.column("long").equals(here.column("long"))


# ---- Errors --------------------------------------------------------------------------------


def test_infinity_error_names_column_and_row():
    with pytest.raises(DataError, match="infinity in column 'x', row 1 of a block") as error:
        evenly.fit(blocks(pa.table({"x": [1.0, np.inf]}), 1))
    assert error.value.__suppress_context__


@pytest.mark.parametrize("schema", ["known", "unknown"])
@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"columns": "doubel"}, ColumnError, "Did you mean 'double'"),
        ({"columns": "text"}, UnsupportedTypeError, "column 'text' of .*the Ray Dataset"),
        ({"select": "double"}, ColumnError, "select= must name a column of vectors"),
        ({"weights": [1.0]}, UnsupportedTypeError, "must be the name of a column"),
    ],
)
def test_invalid_option_raises(options, kind, words, schema):
    with pytest.raises(kind, match=words):
        evenly.fit(blocks(TABLE, schema=schema), **options)


def test_no_rows_raise():
    empty = blocks(TABLE).map_batches(lambda x: x[:0], batch_format="pyarrow")
    for data in (blocks(TABLE).limit(0), empty):
        with pytest.raises(DataError, match=r"At least one row is needed.*a Ray Dataset"):
            evenly.fit(data)


def test_max_errored_blocks_raises():
    data = blocks(TABLE)
    data.context.max_errored_blocks = 2
    with pytest.raises(DataError, match="max_errored_blocks=2"):
        evenly.fit(data)


def test_user_exception_propagates():
    def broken(table):
        raise ZeroDivisionError("the user's")

    with pytest.raises(ray.exceptions.RayError, match="the user's"):
        evenly.fit(blocks(TABLE).map_batches(broken))


def test_worker_without_evenly_raises():
    def without(table):
        raise ModuleNotFoundError("No module named 'evenly'")

    with pytest.raises(MissingExtraError, match=r"installed for Ray's workers.*without evenly"):
        evenly.fit(blocks(TABLE).map_batches(without))


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"dtype": "float16"}, UnsupportedTypeError, "float32 or float64"),
        ({"out": TABLE}, UnsupportedTypeError, "Omit out="),
    ],
)
def test_normalize_invalid_option_raises_immediately(options, kind, words):
    with pytest.raises(kind, match=words):
        evenly.fit(TABLE).normalize(blocks(TABLE), **options)


def test_normalize_missing_column_raises_immediately():
    with pytest.raises(ColumnError, match="Missing: 'double'"):
        evenly.fit(TABLE).normalize(blocks(TABLE.drop(["double"])))


def test_unnamed_moments_need_one_vector_column():
    with pytest.raises(
        ColumnError, match=r"must have exactly one column of vectors\. Received: none"
    ):
        evenly.fit(np.ones((2, 2))).normalize(blocks(TABLE))


def test_docs_page_session():
    guide = Path(__file__).parents[2] / "docs" / "engines" / "ray.md"
    flags = doctest.NORMALIZE_WHITESPACE
    done = doctest.testfile(str(guide), module_relative=False, optionflags=flags)
    assert (done.failed, done.attempted > 5) == (0, True)


# ---- Killed workers ------------------------------------------------------------------------


def test_worker_killed_in_task_changes_no_bits(tmp_path):
    def kill_once(number):
        with open(tmp_path / "computed", "a") as file:
            file.write(f"{number}\n")
        if number == PARTS // 2 and not (tmp_path / "killed").exists():
            (tmp_path / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)

    moments = evenly.fit(parts(1, kill_once))
    computed = (tmp_path / "computed").read_text().split()
    assert computed.count(str(PARTS // 2)) >= 2  # recomputed, but counted once
    assert moments == whole(1)
    assert moments.rows == whole(1).rows


@pytest.mark.parametrize("seed", [1, 2])
def test_worker_killed_from_outside_changes_no_bits(tmp_path, seed):
    killed_from_outside(tmp_path, seed, 0.4 * seed)


@pytest.mark.filterwarnings("default")  # the engine may warn
def test_benchmark_compares_ray_with_evenly():
    check_engine("ray")
