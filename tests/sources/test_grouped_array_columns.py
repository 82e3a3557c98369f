"""Columns of vectors and images whose rows are grouped or weighted by columns of the table."""

import datetime
import io
from fractions import Fraction

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import evenly
import oracle
from evenly.cli import evenly as cli
from image_files import encoded, noise

STATIONS = ["EWR", "JFK", None, "JFK", "EWR", "LGA", "JFK", None]
WEIGHTS = [1.0, 2.0, 0.5, 0.0, 3.0, 1.0, 1.0, 2.0]
VECTORS = np.random.default_rng(3).normal(1e6, 1e-3, (8, 3))
LISTS = [None if row == 4 else VECTORS[row].tolist() for row in range(8)]
VALUES = np.where(np.arange(8)[:, None] == 4, np.nan, VECTORS)


def parquet(tmp_path, table):
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=3)
    return tmp_path / "x.parquet"


def arrow_file(tmp_path, table):
    pyarrow.feather.write_feather(table, tmp_path / "x.arrow", chunksize=3)
    return tmp_path / "x.arrow"


def arrow_stream(tmp_path, table):
    with pa.ipc.new_stream(tmp_path / "x.arrows", table.schema) as writer:
        writer.write_table(table, max_chunksize=3)
    return tmp_path / "x.arrows"


def chunked(table):
    return pa.Table.from_batches(table.to_batches(max_chunksize=3))


SOURCES = {
    "parquet": parquet,
    "arrow": arrow_file,
    "stream": arrow_stream,
    "table": lambda _, table: chunked(table),
    "batch": lambda _, table: table.combine_chunks().to_batches()[0],
    "reader": lambda _, table: table.to_reader(max_chunksize=3),
    "polars": lambda _, table: pl.from_arrow(table),
    "lazy": lambda _, table: pl.from_arrow(table).lazy(),
    "pandas": lambda _, table: table.to_pandas(),
    "pandas with Arrow": lambda _, table: table.to_pandas(types_mapper=pd.ArrowDtype),
    "Hugging Face": lambda _, table: datasets.Dataset(chunked(table)),
    "selected rows": lambda _, table: datasets.Dataset(table).select(range(8)),
    "iterable": lambda _, table: datasets.Dataset(table).to_iterable_dataset(),
}
each_source = pytest.mark.parametrize("kind", SOURCES)


def vectors(**columns):
    lists = pa.array(LISTS, pa.list_(pa.float64()))
    return pa.table({"station": STATIONS, "w": WEIGHTS, "v": lists, **columns})


def expected(rows, weights=None):
    """Return the exact statistics of each column of some rows."""
    return oracle.columns(VALUES[rows], None if weights is None else [weights[i] for i in rows])


def check(moments, exact):
    assert moments.count.tolist() == [float(column.count) for column in exact]
    assert moments.missing.tolist() == [float(column.missing) for column in exact]
    means = [oracle.rounded(column.mean() if column.count else None) for column in exact]
    np.testing.assert_array_equal(moments.mean, means)
    stds = [oracle.rounded_root(column.variance()) for column in exact]
    np.testing.assert_array_equal(moments.std(), stds)


def rows_of(keys):
    return {key: [i for i, other in enumerate(keys) if other == key] for key in set(keys)}


@each_source
def test_vectors_are_grouped_by_a_column_of_the_table(tmp_path, kind):
    moments = evenly.fit(SOURCES[kind](tmp_path, vectors()), select="v", by="station")
    assert moments.by == "station"
    assert list(moments) == ["EWR", "JFK", "LGA", None]
    for station, rows in rows_of(STATIONS).items():
        check(moments[station], expected(rows))


@each_source
def test_vectors_are_weighted_by_a_column_of_the_table(tmp_path, kind):
    moments = evenly.fit(SOURCES[kind](tmp_path, vectors()), select="v", weights="w")
    check(moments, expected(range(8), WEIGHTS))


@each_source
def test_vectors_are_grouped_by_several_columns_and_weighted(tmp_path, kind):
    days = [datetime.date(2013, 1, 1 + row % 2) for row in range(8)]
    table = vectors(day=pa.array(days, pa.date32()))
    source = SOURCES[kind](tmp_path, table)
    moments = evenly.fit(source, select="v", by=["station", "day"], weights="w")
    assert moments.by == ("station", "day")
    for key, rows in rows_of(list(zip(STATIONS, days, strict=True))).items():
        check(moments[key], expected(rows, WEIGHTS))


@each_source
def test_images_are_grouped_by_a_column_of_the_table(tmp_path, kind):
    pixels = [noise(row, 3 + row, 4, 3) for row in range(8)]
    images = pa.array([{"bytes": encoded(image, "PNG"), "path": None} for image in pixels])
    source = SOURCES[kind](tmp_path, vectors(image=images))
    moments = evenly.fit(source, select="image", by="station")
    assert moments.by == "station"
    assert moments.columns == ("red", "green", "blue")
    assert moments.rows == sum(image.size // 3 for image in pixels)
    for station, rows in rows_of(STATIONS).items():
        together = np.concatenate([pixels[row].reshape(-1, 3) for row in rows])
        check(moments[station], oracle.columns(together))


def test_gray_and_16_bit_images_of_groups_are_scaled_alike():
    gray, deep = noise(1, 2, 2), noise(2, 2, 2, dtype=np.uint16)
    images = [encoded(gray, "PNG"), encoded(deep, "PNG")]
    frame = pd.DataFrame({"image": images, "kind": ["gray", "deep"]})
    moments = evenly.fit(frame, select="image", by="kind", mode="L")
    assert moments["gray"].mean.tolist() == [float(Fraction(int(gray.sum()) * 257, 4))]
    assert moments["deep"].mean.tolist() == [float(Fraction(int(deep.astype(int).sum()), 4))]
    assert moments.dtypes == ("uint16",)


def test_distributions_of_grouped_images():
    images = [encoded(np.full((2, 2), value, np.uint8), "PNG") for value in (3, 5, 9)]
    frame = pd.DataFrame({"image": images, "k": [1, 2, 1]})
    moments = evenly.fit(frame, select="image", by="k", mode="L", distribution=True)
    assert moments[1].quantile([0.0, 1.0]).tolist() == [[3.0], [9.0]]
    assert moments[2].quantile(0.5).tolist() == [5.0]


def test_images_have_no_weights():
    frame = pd.DataFrame({"image": [encoded(noise(0, 2, 2), "PNG")], "w": [1.0]})
    with pytest.raises(evenly.DataError, match="Images cannot have weights"):
        evenly.fit(frame, select="image", weights="w")


def test_images_without_a_table_have_no_groups():
    frame = pd.DataFrame({"image": [encoded(noise(0, 2, 2), "PNG")], "k": [1]})
    with pytest.raises(evenly.DataError, match="Images cannot have groups: they have no key"):
        evenly.fit(frame, select="image", by=np.array([1]))


def test_matrices_have_one_key_and_weight_for_all_rows_of_each():
    matrices = np.arange(24.0).reshape(4, 2, 3)
    frame = pd.DataFrame({"m": [*matrices], "k": ["a", "b", "a", "b"], "w": [1.0, 2.0, 3.0, 4.0]})
    moments = evenly.fit(frame, select="m", by="k", weights="w", feature_axis=-1)
    rows = matrices[[0, 2]].reshape(4, 3)
    exact = oracle.columns(rows, [1.0, 1.0, 3.0, 3.0])
    check(moments["a"], exact)
    with pytest.raises(evenly.DataError, match=r"must be rows.*feature_axis=0.*from 1"):
        evenly.fit(frame, select="m", by="k", feature_axis=0)


def test_partitions_are_keys_and_weights_of_vectors(tmp_path):
    for year in (2012, 2013):
        folder = tmp_path / f"year={year}"
        folder.mkdir()
        parquet(folder, vectors())
    moments = evenly.fit(tmp_path, select="v", by=["year", "station"])
    assert moments.by == ("year", "station")
    check(moments[2012, "JFK"], expected(rows_of(STATIONS)["JFK"]))
    weighted = evenly.fit(tmp_path, select="v", by="station", weights="year")
    twice = [*rows_of(STATIONS)["JFK"]] * 2
    weights = [2012.0] * 3 + [2013.0] * 3
    check(weighted["JFK"], oracle.columns(VALUES[twice], weights))


def test_lists_that_begin_with_missing_ones_keep_their_keys():
    lists = pa.array([None] * 4 + [[1.0], [3.0]], pa.list_(pa.float64()))
    table = chunked(pa.table({"v": lists, "k": ["a", "b", "a", "b", "a", "b"]}))
    moments = evenly.fit(table, select="v", by="k")
    assert moments["a"].mean.tolist() == [1.0]
    assert moments["b"].mean.tolist() == [3.0]
    assert moments["a"].missing.tolist() == [2.0]


def test_a_file_without_the_key_column_is_refused(tmp_path):
    pq.write_table(vectors(), tmp_path / "a.parquet")
    pq.write_table(vectors().drop(["station"]), tmp_path / "b.parquet")
    with pytest.raises(evenly.ColumnError, match=r"'station'.*b\.parquet has"):
        evenly.fit(tmp_path, select="v", by="station")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "statoin"}, "Did you mean 'station'"),
        ({"by": "v"}, r"A group's key must be text.*It is in column 'v'|Received: column 'v'"),
        ({"weights": "station"}, r"Received: column 'station'.*which is text"),
        ({"weights": "w", "by": "w"}, "Each column can be named once"),
    ],
)
def test_columns_that_cannot_be_keys_or_weights_are_refused(options, message):
    with pytest.raises(evenly.EvenlyError, match=message):
        evenly.fit(vectors(), select="v", **options)


def test_invalid_weights_of_vectors_name_their_row():
    table = chunked(vectors().set_column(1, "w", pa.array([1.0] * 6 + [-1.0, 1.0])))
    with pytest.raises(evenly.DataError, match=r"-1\.0 in row 6 of column 'w'"):
        evenly.fit(table, select="v", weights="w")


@each_source
@given(keys=st.lists(st.integers(0, 2), min_size=8, max_size=8))
def test_the_sum_of_the_groups_is_the_whole(kind, keys, tmp_path_factory):
    table = vectors(k=pa.array(keys))
    source = SOURCES[kind](tmp_path_factory.mktemp("x"), table)
    moments = evenly.fit(source, select="v", by="k")
    assert moments.total() == evenly.fit(VALUES)


def test_grouped_vectors_are_resumed(tmp_path):
    path, state = parquet(tmp_path, vectors()), tmp_path / "state.json"
    fitted = evenly.fit(path, select="v", by="station", checkpoint=state)
    assert fitted == evenly.fit(path, select="v", by="station")
    assert evenly.fit(path, select="v", by="station", checkpoint=state) == fitted


def test_vectors_are_grouped_on_the_command_line(tmp_path):
    path, output = parquet(tmp_path, vectors()), tmp_path / "x.json"
    arguments = ["fit", str(path), "--select", "v", "--by", "station", "--columns", "0,2"]
    result = CliRunner().invoke(cli, [*arguments, "-o", str(output)])
    assert result.exit_code == 0, result.output
    moments = evenly.load(output)
    assert moments.num_features == 2
    check(moments["JFK"], [expected(rows_of(STATIONS)["JFK"])[column] for column in (0, 2)])


def test_images_are_grouped_on_the_command_line(tmp_path):
    pixels = noise(0, 2, 2, 3)
    buffer = io.BytesIO(encoded(pixels, "PNG"))
    table = pa.table({"image": [buffer.getvalue()] * 2, "label": ["cat", "dog"]})
    arguments = ["fit", str(parquet(tmp_path, table)), "--select", "image", "--by", "label"]
    result = CliRunner().invoke(cli, [*arguments, "--columns", "red", "--json"])
    assert result.exit_code == 0, result.output
    assert '"cat"' in result.output
