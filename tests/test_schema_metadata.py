"""Normalized tables of Arrow have their new types in the metadata of pandas and Spark."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import evenly
from evenly.apply import apply

SPARK = b"org.apache.spark.sql.parquet.row.metadata"
FRAME = pd.DataFrame(
    {
        "nullable": pd.array([1, None, 4], "Int64"),
        "small": pd.array([1, 2, 4], "Int8"),
        "flag": pd.array([True, None, False], "boolean"),
        "single": pd.array([1.5, 2, None], "Float32"),
        "arrow": pd.Series([1, 2, 4], dtype="int64[pyarrow]"),
        "category": pd.Categorical([1, 2, 1]),
        "time": pd.date_range("2020", periods=3),
        "plain": [1, 2, 4],
        "copied": pd.array([1, None, 4], "Int64"),
    }
).set_index(pd.Index(["a", "b", "c"], name="id"))
COLUMNS = list(FRAME.columns[:-1])


@pytest.mark.parametrize("dtype", [None, "float32", "float64"])
def test_arrow_tables_convert_to_the_dtypes_of_a_normalized_frame(dtype):
    # PyArrow converted columns of float64 to the Int64 that the metadata had: an error.
    table = pa.Table.from_pandas(FRAME)
    moments = evenly.fit(table, columns=COLUMNS)
    expected = moments.normalize(FRAME, dtype=dtype)
    pd.testing.assert_frame_equal(moments.normalize(table, dtype=dtype).to_pandas(), expected)
    every = moments.normalize(table.select(COLUMNS), dtype=dtype).to_pandas(ignore_metadata=False)
    assert every.dtypes.tolist() == expected[COLUMNS].dtypes.tolist()


@pytest.mark.parametrize("by", [None, "copied"])
def test_files_of_pandas_are_read_after_apply(by, tmp_path):
    FRAME.to_parquet(tmp_path / "x.parquet")
    moments = evenly.fit(tmp_path / "x.parquet", columns=COLUMNS, by=by)
    apply(moments, str(tmp_path / "x.parquet"), str(tmp_path / "y.parquet"))
    options = {} if by is None else {"by": by}
    expected = moments.normalize(FRAME, **options)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "y.parquet"), expected)


def test_types_that_spark_recorded_are_those_of_the_file(tmp_path):
    fields = [{"name": name, "type": "integer", "nullable": True} for name in ("x", "y")]
    record = {"type": "struct", "fields": [{**field, "metadata": {}} for field in fields]}
    table = pa.table({"x": pa.array([1, 3], pa.int32()), "y": pa.array([1, 2], pa.int32())})
    table = table.replace_schema_metadata({SPARK: json.dumps(record), b"other": b"kept"})
    pq.write_table(table, tmp_path / "x.parquet")
    moments = evenly.fit(tmp_path / "x.parquet", columns=["x"])
    apply(moments, str(tmp_path / "x.parquet"), str(tmp_path / "y.parquet"))
    schema = pq.read_schema(tmp_path / "y.parquet")
    written = json.loads(schema.metadata[SPARK])
    assert [field["type"] for field in written["fields"]] == ["double", "integer"]
    assert schema.metadata[b"other"] == b"kept"


@pytest.mark.parametrize("text", [b"{", b"[]", b"null", b'{"columns": [1]}', b"[" * 100_000])
def test_metadata_in_another_form_is_kept(text):
    table = pa.table({"x": [1, 3]}).replace_schema_metadata({b"pandas": text, SPARK: text})
    result = evenly.fit(pa.table({"x": [1, 3]})).normalize(table)
    assert result.schema.metadata == {b"pandas": text, SPARK: text}
    np.testing.assert_array_equal(result["x"], [-1, 1])
