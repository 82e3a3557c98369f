"""Tests of Hive partitions: columns in the names of folders."""

import logging

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evenly
from evenly.cli import main
from evenly.sources import open_source


def write(folder, parts, suffix=".parquet"):
    """Write one file for each partition, with the numbers of its rows."""
    for number, (part, values) in enumerate(parts.items()):
        path = folder / part / f"{number}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pa.table({"v": np.asarray(values, float)})
        if suffix == ".csv":
            path.write_text("v\n" + "\n".join(map(str, values)) + "\n")
        elif suffix == ".arrow":
            with pa.ipc.new_file(path, table.schema) as writer:
                writer.write_table(table)
        else:
            pq.write_table(table, path)
    return folder


YEARS = {"year=2020/month=01": [1, 2], "year=2020/month=12": [3], "year=2021/month=01": [7, 8]}


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".arrow"])
@pytest.mark.parametrize("pattern", ["", "*/*/*", "**", "year=*/month=*"])
def test_partitions_are_keys_of_groups(tmp_path, suffix, pattern):
    source = write(tmp_path, YEARS, suffix) / pattern
    groups = evenly.fit(source, by="year")
    assert {key: groups[key].mean.tolist() for key in groups} == {2020: [2], 2021: [7.5]}
    both = evenly.fit(source, by=["year", "month"])
    assert set(both) == {(2020, 1), (2020, 12), (2021, 1)}


def test_partitions_are_columns_if_they_are_named(tmp_path):
    moments = evenly.fit(write(tmp_path, YEARS), columns=["year", "v", "month"])
    assert moments.columns == ("year", "v", "month")
    assert moments.mean.tolist() == [(3 * 2020 + 2 * 2021) / 5, 21 / 5, 16 / 5]
    assert moments.dtypes == ("int32", "float64", "int32")
    assert evenly.fit(tmp_path, columns=["year"]).rows == 5
    weighted = evenly.fit(tmp_path, columns=["v"], weights="month")
    assert weighted.mean.tolist() == [(1 + 2 + 36 + 7 + 8) / 16]


def test_partitions_are_left_out_visibly(tmp_path):
    source = open_source(write(tmp_path, YEARS))
    assert evenly.fit(source).columns == ("v",)
    assert source.left_out == {"year": "partition", "month": "partition"}
    assert evenly.fit(tmp_path, exclude=["year", "month"]).columns == ("v",)


def test_text_cannot_be_fitted(tmp_path):
    write(tmp_path, {"city=Rome": [1], "city=Oslo": [2]})
    assert set(evenly.fit(tmp_path, by="city")) == {"Oslo", "Rome"}
    with pytest.raises(evenly.UnsupportedTypeError, match=r"'city'.*partition\[string\]"):
        evenly.fit(tmp_path, columns=["city"])


def test_folders_without_a_value_have_missing_keys(tmp_path):
    write(tmp_path, {"year=__HIVE_DEFAULT_PARTITION__": [1], "year=2020": [2], "": [3]})
    groups = evenly.fit(tmp_path, by="year")
    assert groups[None].mean.tolist() == [2]
    assert evenly.fit(tmp_path, columns=["year"]).missing.tolist() == [2]


SEGMENTS = st.one_of(
    st.integers(-(2**33), 2**33).map(str),
    st.sampled_from(["007", "+5", "1.5", "-0", "", "a b", "São", "x%2Fy", "é=1", "1_0"]),
)


@given(st.lists(SEGMENTS, min_size=1, max_size=4, unique=True))
def test_types_and_values_are_those_of_pyarrow(tmp_path_factory, segments):
    segments = [segment for segment in segments if segment]
    folder = tmp_path_factory.mktemp("x")
    write(folder, {f"k={segment}": [1.0] for segment in segments})
    if not segments:
        return
    dataset = pyarrow.dataset.dataset(folder, partitioning="hive")
    right = dataset.to_table().column("k").to_pylist()
    found = evenly.fit(folder, by="k")
    assert sorted(found, key=str) == sorted(set(right), key=str)
    assert {type(key) for key in found} == {type(key) for key in right}


def test_the_folders_above_the_source_are_not_partitions(tmp_path):
    """As in PyArrow and Spark; also for a file that is named."""
    write(tmp_path / "run=5", {"year=2020": [1]})
    assert open_source(tmp_path / "run=5").left_out == {"year": "partition"}
    assert open_source(tmp_path / "run=5" / "year=2020" / "0.parquet").left_out == {}


def test_a_column_in_the_file_has_priority(tmp_path, caplog):
    write(tmp_path, {"v=5": [1, 2], "v=6": [3]})
    with caplog.at_level(logging.WARNING, "evenly"):
        assert evenly.fit(tmp_path).mean.tolist() == [2]
    assert caplog.text.count("has the columns 'v', which are also in the names of folders") == 1


def test_remote_partitions():
    memory = fsspec.filesystem("memory")
    for year, value in ((2020, 1.0), (2021, 5.0)):
        with memory.open(f"/lake/year={year}/a.parquet", "wb") as file:
            pq.write_table(pa.table({"v": [value]}), file)
    groups = evenly.fit("memory://lake", by="year")
    assert groups[2021].mean.tolist() == [5]
    assert set(evenly.fit("memory://lake/*/*.parquet", by="year")) == {2020, 2021}
    memory.rm("/lake", recursive=True)


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".arrow"])
@pytest.mark.parametrize("output", ["y.parquet", "y.csv"])
def test_apply_keeps_partitions(tmp_path, suffix, output):
    source = write(tmp_path / "x", YEARS | {"month=3": [9]}, suffix)
    evenly.fit(source).save(tmp_path / "x.json")
    command = ["apply", str(tmp_path / "x.json"), str(source), "-o", str(tmp_path / output), "-q"]
    assert main(command) == 0
    path = tmp_path / output
    table = pq.read_table(path) if output == "y.parquet" else pa.csv.read_csv(path)
    rows = {(row["year"], row["month"]) for row in table.to_pylist()}
    assert rows == {(2020, 1), (2020, 12), (2021, 1), (None, 3)}
    assert table.column_names[0] == "v"


def test_apply_normalizes_by_partition(tmp_path):
    source = write(tmp_path / "x", YEARS)
    evenly.fit(source, by="year").save(tmp_path / "x.json")
    output = tmp_path / "y.parquet"
    assert main(["apply", str(tmp_path / "x.json"), str(source), "-o", str(output), "-q"]) == 0
    table = pq.read_table(output)
    for year in (2020, 2021):
        values = table.filter(pyarrow.compute.field("year") == year)["v"].to_numpy()
        assert abs(values.mean()) < 1e-12


def test_checkpoint_of_partitions(tmp_path):
    """A new folder joins the groups of those before it."""
    source = write(tmp_path / "x", YEARS)
    evenly.fit(source, by="year", checkpoint=tmp_path / "c.json")
    write(source, {"year=2022/month=05": [4]})
    groups = evenly.fit(source, by="year", checkpoint=tmp_path / "c.json")
    assert groups == evenly.fit(source, by="year")
    assert set(groups) == {2020, 2021, 2022}


def test_checkpoint_of_a_partition_that_becomes_text(tmp_path):
    source = write(tmp_path / "x", YEARS)
    evenly.fit(source, by="year", checkpoint=tmp_path / "c.json")
    write(source, {"year=later/month=05": [4]})
    with pytest.raises((evenly.EvenlyError), match="year"):
        evenly.fit(source, by="year", checkpoint=tmp_path / "c.json")


def test_value_that_does_not_fit_the_others():
    from evenly.sources.files.partitions import Partitions

    with pytest.raises(evenly.DataError, match=r"must be integers in all folders.*year=x"):
        Partitions({"year": True}).of("year=x/a.csv")


def test_stores_and_arrays_have_no_partitions(tmp_path):
    (tmp_path / "year=1").mkdir()
    np.save(tmp_path / "year=1" / "a.npy", np.ones((2, 3)))
    assert evenly.fit(tmp_path).columns is None
