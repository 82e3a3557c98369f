"""`evenly apply`: normalize a file into another one, atomically."""

import csv
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest

import evenly
from evenly.cli import main

SUFFIXES = [".parquet", ".feather", ".arrow", ".csv"]


def read(path):
    """Read a table in any format."""
    return {
        ".parquet": pa.parquet.read_table,
        ".feather": pa.feather.read_table,
        ".arrow": lambda file: pa.ipc.open_file(file).read_all(),
        ".csv": pa.csv.read_csv,
    }[path.suffix](path)


def write(table, path):
    {
        ".parquet": pa.parquet.write_table,
        ".feather": pa.feather.write_feather,
        ".arrow": pa.feather.write_feather,
        ".csv": pa.csv.write_csv,
    }[path.suffix](table, path)


@pytest.fixture
def table():
    rng = np.random.default_rng(2013)
    delay = rng.normal(1.7e9, 30.0, 1_000)
    delay[7] = np.nan
    columns = {
        "year": np.full(1_000, 2013),
        "delay": pa.array(delay, from_pandas=True),
        "carrier": ["UA", "AA"] * 500,
    }
    return pa.table(columns)


@pytest.fixture
def statistics(tmp_path, table):
    path = tmp_path / "statistics.json"
    evenly.fit(table).save(path)
    return path


def apply(*arguments):
    """Run the command, which must succeed."""
    assert main(["apply", *map(str, arguments)]) == 0


@pytest.mark.parametrize("source", SUFFIXES)
@pytest.mark.parametrize("output", SUFFIXES)
def test_any_input_format_to_any_output_format(tmp_path, table, statistics, source, output):
    before, after = tmp_path / f"before{source}", tmp_path / f"after{output}"
    write(table, before)
    apply(statistics, before, "-o", after)
    moments = evenly.fit(read(after), columns=["year", "delay"])
    assert moments.constant.tolist() == [True, False]
    assert moments.count.tolist() == [1_000, 999]
    np.testing.assert_allclose(moments.mean, 0, atol=1e-7)
    np.testing.assert_allclose(moments.variance(), [0, 1], atol=1e-6)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_columns_keep_order_and_others_are_copied(tmp_path, table, statistics, suffix):
    before, after = tmp_path / f"before{suffix}", tmp_path / f"after{suffix}"
    write(table, before)
    apply(statistics, before, "-o", after)
    assert read(after).column_names == table.column_names
    assert read(after)["carrier"].to_pylist() == table["carrier"].to_pylist()


def test_csv_text_is_copied_unchanged(tmp_path):
    """'007', 'NA' and empty fields must not be converted."""
    source, output = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text('id,x,note\n007,1,NA\n008,3,\n1e5,2,"a, ""b"""\n')
    statistics = tmp_path / "x.json"
    evenly.fit(source, columns=["x"]).save(statistics)
    apply(statistics, source, "-o", output)
    with output.open(newline="") as file:
        rows = [(row["id"], row["note"]) for row in csv.DictReader(file)]
    assert rows == [("007", "NA"), ("008", ""), ("1e5", 'a, "b"')]


def test_result_matches_normalize(tmp_path, table, statistics):
    before, after = tmp_path / "before.parquet", tmp_path / "after.parquet"
    write(table, before)
    apply(statistics, before, "-o", after)
    assert read(after).equals(evenly.load(statistics).normalize(table))


def test_inverse_restores_values(tmp_path, table, statistics):
    paths = [tmp_path / f"{name}.parquet" for name in ("before", "between", "after")]
    write(table, paths[0])
    apply(statistics, paths[0], "-o", paths[1], "--dtype", "float64")
    apply(statistics, paths[1], "-o", paths[2], "--inverse")
    before, after = (read(path)["delay"].to_pylist() for path in (paths[0], paths[2]))
    np.testing.assert_allclose(np.array(after, float), np.array(before, float), rtol=1e-15, atol=0)


def test_missing_zero(tmp_path, table, statistics):
    before, after = tmp_path / "before.parquet", tmp_path / "after.parquet"
    write(table, before)
    apply(statistics, before, "-o", after, "--missing", "zero")
    assert read(after)["delay"][7].as_py() == 0.0


def test_dtype_option(tmp_path, table, statistics):
    before, after = tmp_path / "before.parquet", tmp_path / "after.parquet"
    write(table, before)
    apply(statistics, before, "-o", after, "--dtype", "float32")
    assert read(after)["delay"].type == pa.float32()


def test_many_row_groups(tmp_path, table, statistics):
    before, after = tmp_path / "before.parquet", tmp_path / "after.parquet"
    pa.parquet.write_table(table, before, row_group_size=64)
    apply(statistics, before, "-o", after)
    assert read(after).num_rows == table.num_rows


@pytest.mark.parametrize("shape", [(5, 3), (4, 2, 3), (2_000_000, 3)])
def test_npy_to_npy_keeps_shape(tmp_path, shape):
    rng = np.random.default_rng(len(shape))
    values = rng.normal(100.0, 5.0, shape).astype(np.float32)
    np.save(tmp_path / "x.npy", values)
    evenly.fit(rng.normal(100.0, 5.0, (9, 3))).save(tmp_path / "x.json")
    arguments = (tmp_path / "x.json", tmp_path / "x.npy", "-o", tmp_path / "y.npy")
    apply(*arguments, "--feature-axis", "-1")
    expected = evenly.load(tmp_path / "x.json").normalize(values, feature_axis=-1)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), expected, strict=True)


@pytest.mark.parametrize("axis", ["1", "0"])
def test_images_with_feature_axis(tmp_path, axis):
    images = np.arange(3 * 3 * 4 * 4, dtype=np.uint8).reshape(3, 3, 4, 4)
    np.save(tmp_path / "x.npy", images)
    evenly.fit(images, feature_axis=int(axis)).save(tmp_path / "x.json")
    arguments = (tmp_path / "x.json", tmp_path / "x.npy", "-o", tmp_path / "y.npy")
    apply(*arguments, "--feature-axis", axis)
    moments = evenly.fit(np.load(tmp_path / "y.npy"), feature_axis=int(axis))
    np.testing.assert_allclose(moments.mean, 0, atol=1e-6)


def test_array_to_table_numbers_columns(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(6.0).reshape(3, 2))
    evenly.fit(tmp_path / "x.npy").save(tmp_path / "x.json")
    apply(tmp_path / "x.json", tmp_path / "x.npy", "-o", tmp_path / "y.parquet")
    assert read(tmp_path / "y.parquet").column_names == ["0", "1"]


def error_message(capsys, *arguments):
    assert main(["apply", *map(str, arguments)]) == 1
    return capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
def test_no_rows_raise(tmp_path, table, statistics, capsys, suffix):
    np.save(tmp_path / "x.npy", np.zeros((0, 2)))
    write(table.slice(0, 0), tmp_path / "x.parquet")
    message = error_message(
        capsys, statistics, tmp_path / f"x{suffix}", "-o", tmp_path / "y.parquet"
    )
    assert "At least one row" in message
    assert not (tmp_path / "y.parquet").exists()


def test_arrays_with_different_shapes_raise(tmp_path, capsys):
    (tmp_path / "x").mkdir()
    for side in (2, 3):
        np.save(tmp_path / "x" / f"{side}.npy", np.ones((1, side, side, 3)))
    evenly.fit(tmp_path / "x", feature_axis=-1).save(tmp_path / "x.json")
    arguments = (tmp_path / "x.json", tmp_path / "x", "-o", tmp_path / "y.npy")
    message = error_message(capsys, *arguments, "--feature-axis", "-1")
    assert "the same shape" in message
    assert not (tmp_path / "y.npy").exists()


def test_tables_with_different_columns_raise(tmp_path, table, statistics, capsys):
    (tmp_path / "x").mkdir()
    write(table, tmp_path / "x" / "a.parquet")
    write(table.rename_columns(["year", "delay", "line"]), tmp_path / "x" / "b.parquet")
    message = error_message(capsys, statistics, tmp_path / "x", "-o", tmp_path / "y.parquet")
    assert "the same columns" in message
    assert not (tmp_path / "y.parquet").exists()


def test_tables_with_columns_in_another_order(tmp_path, table, statistics):
    (tmp_path / "x").mkdir()
    write(table, tmp_path / "x" / "a.parquet")
    write(table.select(["carrier", "delay", "year"]), tmp_path / "x" / "b.parquet")
    apply(statistics, tmp_path / "x", "-o", tmp_path / "y.parquet")
    assert read(tmp_path / "y.parquet")["carrier"].to_pylist() == ["UA", "AA"] * 1_000


@pytest.mark.parametrize("suffix", [".parquet", ".feather", ".csv"])
def test_categories_are_copied(tmp_path, table, statistics, suffix):
    """Each file has its own dictionary, but an Arrow file has one per column."""
    (tmp_path / "x").mkdir()
    for name, carriers in (("a", ["UA", "AA"] * 500), ("b", ["AA", "UA"] * 500)):
        column = pa.array(carriers).dictionary_encode()
        write(table.set_column(2, "carrier", column), tmp_path / "x" / f"{name}.parquet")
    apply(statistics, tmp_path / "x", "-o", tmp_path / f"y{suffix}")
    carriers = read(tmp_path / f"y{suffix}")["carrier"].to_pylist()
    assert carriers == ["UA", "AA"] * 500 + ["AA", "UA"] * 500


def test_format_that_cannot_represent_column_raises(tmp_path, table, statistics, capsys):
    write(table.append_column("list", pa.array([[1, 2]] * 1_000)), tmp_path / "x.parquet")
    message = error_message(capsys, statistics, tmp_path / "x.parquet", "-o", tmp_path / "y.csv")
    assert "Received: column 'list': " in message
    assert "Write another format" in message
    assert not (tmp_path / "y.csv").exists()


def test_decimal_scale_that_parquet_does_not_have_raises(tmp_path, table, statistics, capsys):
    """A fuzzer found this: PyArrow reports it as an error of the file."""
    hundreds = pa.array([Decimal(100)] * 1_000, pa.decimal128(5, -2))
    write(table.append_column("hundreds", hundreds), tmp_path / "x.arrow")
    arguments = statistics, tmp_path / "x.arrow", "-o"
    message = error_message(capsys, *arguments, tmp_path / "y.parquet")
    assert "Received: column 'hundreds': Scale must be a non-negative integer" in message
    assert not (tmp_path / "y.parquet").exists()
    apply(*arguments, tmp_path / "y.arrow")
    assert read(tmp_path / "y.arrow")["hundreds"].to_pylist() == hundreds.to_pylist()


def test_text_column_to_npy_raises(tmp_path, table, statistics, capsys):
    write(table, tmp_path / "x.parquet")
    message = error_message(capsys, statistics, tmp_path / "x.parquet", "-o", tmp_path / "y.npy")
    assert "'carrier'" in message
    assert not (tmp_path / "y.npy").exists()


def test_missing_column_raises_and_writes_nothing(tmp_path, table, statistics, capsys):
    write(table.drop_columns(["delay"]), tmp_path / "x.parquet")
    message = error_message(
        capsys, statistics, tmp_path / "x.parquet", "-o", tmp_path / "y.parquet"
    )
    assert "'delay'" in message
    assert not (tmp_path / "y.parquet").exists()


def test_unknown_output_suffix_raises(tmp_path, table, statistics, capsys):
    write(table, tmp_path / "x.parquet")
    assert ".parquet" in error_message(
        capsys, statistics, tmp_path / "x.parquet", "-o", tmp_path / "y.xls"
    )


def test_folder_to_one_file(tmp_path, table, statistics):
    (tmp_path / "days").mkdir()
    for day in ("monday", "tuesday"):
        write(table, tmp_path / "days" / f"{day}.parquet")
    output = tmp_path / "days" / "all.parquet"
    apply(statistics, tmp_path / "days", "-o", output)
    assert read(output).num_rows == 2_000


def test_truncated_file_keeps_old_output(tmp_path, table, statistics, capsys):
    source, output = tmp_path / "x.parquet", tmp_path / "y.parquet"
    write(table, source)
    source.write_bytes(source.read_bytes()[:-100])
    output.write_bytes(b"old")
    error_message(capsys, statistics, source, "-o", output)
    assert output.read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "statistics.json",
        "x.parquet",
        "y.parquet",
    ]
