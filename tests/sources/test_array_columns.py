"""Columns of vectors and images in files and frames, chosen by ``select=``."""

import io

import numpy as np
import pandas as pd
import PIL.Image
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

import evenly

VECTORS = np.arange(24.0, dtype=np.float32).reshape(6, 4)
LISTS = [row.tolist() for row in VECTORS]
FIXED = pa.FixedSizeListArray.from_arrays(pa.array(VECTORS.ravel()), 4)
VARIABLE = pa.array(LISTS, pa.list_(pa.float32()))
LARGE = pa.array(LISTS, pa.large_list(pa.float32()))


def table_of(column):
    return pa.table({"index": range(len(column)), "observation.state": column})


def parquet(tmp_path, table):
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=4)
    return tmp_path / "x.parquet"


def arrow_file(tmp_path, table):
    pyarrow.feather.write_feather(table, tmp_path / "x.arrow", chunksize=4)
    return tmp_path / "x.arrow"


SOURCES = {
    "parquet": parquet,
    "arrow": arrow_file,
    "table": lambda _, table: table,
    "batch": lambda _, table: table.combine_chunks().to_batches()[0],
    "reader": lambda _, table: table.to_reader(max_chunksize=4),
    "polars": lambda _, table: pl.from_arrow(table),
    "lazy": lambda _, table: pl.from_arrow(table).lazy(),
    "pandas": lambda _, table: table.to_pandas(),
    "pandas with Arrow": lambda _, table: table.to_pandas(types_mapper=pd.ArrowDtype),
}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("column", [FIXED, VARIABLE, LARGE], ids=["fixed", "variable", "large"])
def test_a_column_of_vectors_is_selected(tmp_path, kind, column):
    source = SOURCES[kind](tmp_path, table_of(column))
    moments = evenly.fit(source, select="observation.state")
    assert moments == evenly.fit(VECTORS)
    assert moments.dtypes == ("float32",) * 4


@pytest.mark.parametrize("kind", SOURCES)
def test_missing_lists_and_numbers_are_missing(tmp_path, kind):
    rows = [None, [1.0, None], None, [3.0, 4.0], [5.0, 8.0], None]
    source = SOURCES[kind](tmp_path, table_of(pa.array(rows, pa.list_(pa.float64()))))
    moments = evenly.fit(source, select="observation.state")
    assert moments.missing.tolist() == [3, 4]
    assert moments.mean.tolist() == [3.0, 6.0]


@pytest.mark.parametrize("kind", SOURCES)
def test_ragged_lists_are_refused(tmp_path, kind):
    rows = [[1.0, 2.0]] * 4 + [[1.0], [2.0]]
    source = SOURCES[kind](tmp_path, table_of(pa.array(rows)))
    with pytest.raises(evenly.DataError, match=r"must have the same length.*from 1 to 2"):
        evenly.fit(source, select="observation.state")


def test_columns_of_the_vectors_and_axes_of_matrices():
    matrices = np.arange(12.0).reshape(2, 2, 3)
    frame = pd.DataFrame({"m": [None, *matrices]})
    moments = evenly.fit(frame, select="m", feature_axis=-1)
    assert moments.mean.tolist() == matrices.mean(axis=(0, 1)).tolist()
    assert moments.missing.tolist() == [2, 2, 2]
    assert evenly.fit(table_of(FIXED), select="observation.state", columns=[3]) == evenly.fit(
        VECTORS, columns=[3]
    )


def test_weights_for_each_vector():
    weights = np.arange(6.0)
    moments = evenly.fit(table_of(VARIABLE), select="observation.state", weights=weights)
    assert moments == evenly.fit(VECTORS, weights=weights)


def test_only_missing_lists_are_refused():
    with pytest.raises(evenly.DataError, match=r"needs at least one list.*with 2 missing ones"):
        evenly.fit(
            table_of(pa.array([None, None], pa.list_(pa.float64()))), select="observation.state"
        )


@pytest.mark.parametrize("rows", [[[2**60 + 1], None], [[2**60 + 1, None]]])
def test_large_integers_beside_missing_ones_are_refused(rows):
    source = table_of(pa.array(rows, pa.list_(pa.int64())))
    with pytest.raises(evenly.DataError, match=r"Integers beyond 2\*\*53 with missing"):
        evenly.fit(source, select="observation.state")


def test_lists_of_large_integers_are_exact():
    source = table_of(pa.array([[2**60 + 1], [2**60 + 3]], pa.list_(pa.int64())))
    assert evenly.fit(source, select="observation.state").std().tolist() == [1.0]


def test_several_files_and_partitions(tmp_path):
    for number in (0, 1):
        folder = tmp_path / f"part={number}"
        folder.mkdir()
        parquet(folder, table_of(FIXED))
    moments = evenly.fit(tmp_path, select="observation.state")
    assert moments == evenly.fit(np.concatenate([VECTORS, VECTORS]))
    parquet(tmp_path / "part=1", pa.table({"index": [1]}))
    with pytest.raises(evenly.ColumnError, match=r"must have the selected column.*part=1"):
        evenly.fit(tmp_path, select="observation.state")


def test_a_column_of_vectors_is_resumed(tmp_path):
    path, state = parquet(tmp_path, table_of(FIXED)), tmp_path / "state.json"
    fitted = evenly.fit(path, select="observation.state", checkpoint=state)
    assert fitted == evenly.fit(VECTORS)
    assert evenly.fit(path, select="observation.state", checkpoint=state) == fitted


def test_named_columns_of_lists_mention_select(tmp_path):
    with pytest.raises(evenly.UnsupportedTypeError, match=r"pass select='observation.state'"):
        evenly.fit(table_of(FIXED), columns=["observation.state"])


def test_mixed_objects_are_refused():
    frame = pd.DataFrame({"v": [[1.0], "text"]})
    with pytest.raises(evenly.UnsupportedTypeError, match=r"must hold lists of numbers, or images"):
        evenly.fit(frame, select="v")


@pytest.mark.parametrize("kind", SOURCES)
def test_a_column_of_images_is_selected(tmp_path, kind):
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, "PNG")
    images = pa.array([{"bytes": buffer.getvalue(), "path": "a.png"}] * 5)
    source = SOURCES[kind](tmp_path, pa.table({"image": images, "label": range(5)}))
    moments = evenly.fit(source, select="image")
    assert moments.columns == ("red", "green", "blue")
    assert moments.rows == 20
    assert moments.mean.tolist() == pixels.mean(axis=(0, 1)).tolist()


def test_paths_of_images_in_a_file_are_not_opened(tmp_path):
    PIL.Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    image = {"bytes": None, "path": str(tmp_path / "a.png")}
    images = pa.array([image], pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    path = parquet(tmp_path, pa.table({"image": images}))
    with pytest.raises(evenly.SourceError, match="paths in a file or frame are not opened"):
        evenly.fit(path, select="image", broken="error")


def test_images_as_bytes_in_frames_of_polars():
    encoded = []
    for value in (10, 30):
        file = io.BytesIO()
        PIL.Image.new("L", (2, 2), value).save(file, "PNG")
        encoded.append(file.getvalue())
    frame = pl.DataFrame({"image": encoded, "k": ["a", "b"]})
    table = pa.table({"image": pa.array(encoded, pa.binary_view())})
    for x in (frame, frame.lazy(), table):
        assert evenly.fit(x, select="image", mode="L").mean.tolist() == [20.0]
    groups = evenly.fit(frame, select="image", mode="L", by="k")
    assert {key: group.mean.item() for key, group in groups.items()} == {"a": 10.0, "b": 30.0}
