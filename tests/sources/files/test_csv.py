"""Tests of CSV files: type inference, widening types, and line numbers in errors."""

import io
import zipfile
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evenly
from evenly.sources import open_source
from evenly.sources.files import csv as csv_file
from evenly.sources.files.csv_chunks import chunks


@pytest.fixture
def written(tmp_path):
    """Return a function that writes a CSV file and returns its path."""

    def write(text, name="x.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.fixture
def small_chunks(monkeypatch):
    """Use chunks of 64 bytes instead of 8 MB."""
    monkeypatch.setattr(csv_file, "chunks", lambda file: chunks(file, 64))


def numbers(count):
    return "".join(f"{i}\n" for i in range(count))


def refusal(error, path, **options):
    """Return the message of a fit that must fail."""
    with pytest.raises(error) as caught:
        evenly.fit(path, **options)
    return str(caught.value)


def test_text_columns_are_left_out(written):
    source = open_source(written("x,name,when\n1,UA,2013-01-01 05:00:00\n"))
    assert evenly.fit(source).columns == ("x",)
    assert source.left_out == {"name": "text", "when": "timestamp"}


def test_missing_value_spellings(written):
    path = written("x,y\n1,1\nNA,1\nNaN,1\n,1\nnull,1\nN/A,1\nNone,1\n<NA>,1\n3, NA\n")
    moments = evenly.fit(path)
    assert moments.count.tolist() == [2, 8]
    assert moments.missing.tolist() == [7, 1]


def test_booleans_are_0_and_1(written):
    assert evenly.fit(written("x\ntrue\nfalse\nTrue\ntrue\n")).mean.tolist() == [0.75]


def test_selected_times(written):
    path = written("x,when,day\n1,1970-01-01 00:01:40,1970-01-03\n")
    moments = evenly.fit(path, columns=["when", "day"])
    assert moments.mean.tolist() == [100.0, 2.0]


def test_integers_followed_by_decimals(written, small_chunks):
    path = written("x\n" + numbers(100) + "0.5\n" + numbers(100))
    moments = evenly.fit(path)
    assert moments.count.tolist() == [201]
    assert float(moments.sum[0]) == 2 * 4950 + 0.5
    assert moments.dtypes == ("float64|int64",)


def test_integers_beyond_53_bits_are_exact(written, small_chunks):
    path = written(f"x\n{2**60 + 1}\n" + "1\n" * 100 + "0.5\n")
    assert evenly.fit(path).sum[0] == 2**60 + 1 + 100 + Fraction(1, 2)


@pytest.mark.parametrize(("late", "mean"), [("7", 7.0), ("0.5", 0.5), ("true", 1.0)])
def test_type_of_column_that_is_empty_at_first(written, small_chunks, late, mean):
    path = written("x,y\n" + "1,\n" * 200 + f"1,{late}\n" + "1,\n" * 200)
    moments = evenly.fit(path)
    assert moments.columns == ("x", "y")
    assert moments.count.tolist() == [401, 1]
    assert moments.missing.tolist() == [0, 400]
    assert moments.mean[1] == mean


@pytest.mark.parametrize(("late", "reason"), [("text", "text"), ("2013-01-01", "date")])
def test_column_that_is_empty_and_then_text_is_left_out(written, small_chunks, late, reason):
    source = open_source(written("x,y\n" + "1,\n" * 200 + f"1,{late}\n" + "2,\n" * 200))
    moments = evenly.fit(source)
    assert moments.columns == ("x",)
    assert moments.count.tolist() == [401]
    assert source.left_out == {"y": reason}


def test_selected_column_that_is_empty_and_then_text_is_rejected(written, small_chunks):
    path = written("x,y\n" + "1,\n" * 200 + "1,text\n")
    assert "column 'y'" in refusal(evenly.UnsupportedTypeError, path, columns=["x", "y"])


def test_empty_column_is_left_out(written):
    source = open_source(written("x,y\n1,\n2,NA\n"))
    assert evenly.fit(source).columns == ("x",)
    assert source.left_out == {"y": "no values"}


def test_selected_empty_column_is_kept(written):
    moments = evenly.fit(written("x,y\n1,\n2,NA\n"), columns=["y"])
    assert moments.missing.tolist() == [2]


@given(
    st.lists(
        st.sampled_from(["1", "-2", "0.25", "", "NA", "1e3", "9007199254740993"]),
        min_size=1,
        max_size=60,
    ),
    st.integers(16, 64),
)
def test_chunk_size_does_not_change_moments(fields, size):
    text = "x,y\n" + "".join(f"5,{field}\n" for field in fields)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_file, "chunks", lambda file: chunks(file, size))
        cut = _fit_text(text)
    assert cut == _fit_text(text)


def _fit_text(text):
    from evenly.sources.files.streams import Stream
    from evenly.sources.table_source import TableSource

    table = csv_file.CsvTable(Stream(io.BytesIO(text.encode()), "x.csv"), "x.csv", None)
    source = TableSource([table], csv_file_choice(), description="x.csv")
    return evenly.fit(source)


def csv_file_choice():
    from evenly.sources.selection import ColumnSelection

    return ColumnSelection(columns=("x", "y"))


def test_text_in_numeric_column_names_line(written):
    path = written("x,y\n1,2\n\n3,oops\n5,6\n")
    assert refusal(evenly.DataError, path) == (
        "A numeric column must hold numbers; missing values are empty, NA, NaN or null. "
        f"Received: 'oops' in line 4, column 'y' of {path}. Fix it; if it means a missing value, "
        "pass csv={'missing': ['oops']}, or exclude the column: exclude=['y']."
    )


def test_text_in_later_chunk_names_line(written, small_chunks):
    message = refusal(evenly.DataError, written("x\n" + numbers(500) + "12a\n"))
    assert "'12a' in line 502, column 'x'" in message


def test_line_numbers_count_line_breaks_inside_quotes(written, small_chunks):
    path = written('x,note\n1,"two\nlines"\n' + '2,"a\n\nb"\n' * 50 + "oops,y\n")
    assert "'oops' in line 154, column 'x'" in refusal(evenly.DataError, path)


def test_text_in_excluded_column_is_ignored(written):
    path = written("x,y\n1,2\n3,oops\n")
    assert evenly.fit(path, columns=["x"]).mean.tolist() == [2.0]
    assert evenly.fit(path, exclude=["y"]).mean.tolist() == [2.0]


def test_column_with_text_first_is_text(written):
    source = open_source(written("x,ticket\n1,A/5\n2,113803\n"))
    assert source.left_out == {"ticket": "text"}


@pytest.mark.parametrize("text", ["x,y\n1,2\n3\n", "x,y\n1,2\n3,4,5\n"])
def test_ragged_line_names_line(written, text):
    path = written(text)
    message = refusal(evenly.DataError, path)
    number = text.splitlines()[2].count(",") + 1
    assert f"as many fields as the header: 2. Received: {number} in line 3 of {path}" in message


def test_ragged_line_in_later_chunk_names_line(written, small_chunks):
    message = refusal(evenly.DataError, written("x,y\n" + "1,2\n" * 500 + "3\n"))
    assert "Received: 1 in line 502" in message


def test_quotes_within_text(written):
    path = written('x,size\n1,5" pipe\n2,"a, ""b"""\n')
    assert evenly.fit(path).mean.tolist() == [1.5]


def test_crlf_line_endings_and_byte_order_mark(written):
    moments = evenly.fit(written(b"\xef\xbb\xbfx,y\r\n1,2\r\n3,4"))
    assert moments.columns == ("x", "y")
    assert moments.mean.tolist() == [2.0, 3.0]


def test_cr_line_endings(written, small_chunks):
    assert evenly.fit(written("x\r" + "1\r" * 99 + "3\r")).count.tolist() == [100]


@pytest.mark.parametrize(
    ("name", "text"), [("x.tsv", "x\ty\n1\t2\n"), ("x.csv", "x;y\n1;2\n"), ("x.csv", "x|y\n1|2\n")]
)
def test_delimiter_detection(written, name, text):
    assert evenly.fit(written(text, name)).columns == ("x", "y")


def test_empty_file_is_rejected(written):
    path = written("")
    message = refusal(evenly.SourceError, path)
    assert message == f"A file must not be empty. Received: {path}, of 0 bytes."


@pytest.mark.parametrize("text", ["x,y\n", "x,y"])
def test_header_without_rows_is_rejected(written, text):
    path = written(text)
    assert refusal(evenly.DataError, path) == (
        f"At least one row is needed. Received: {path}, with none."
    )


def test_file_without_numeric_columns_is_rejected(written):
    message = refusal(evenly.DataError, written("name,when\nUA,2013-01-01\n"))
    assert "with 'name' (text), 'when' (date). Times are fitted when named" in message


def test_file_without_header_is_rejected(written):
    path = written("1,2\n3,4\n")
    message = refusal(evenly.DataError, path)
    assert "must begin with the names of its columns. Received: numbers (1, 2) in line 1" in message
    assert "pass csv={'header': False}" in message
    assert evenly.fit(path, csv={"header": False}).mean.tolist() == [2.0, 3.0]


def test_duplicate_column_name_is_rejected_unless_excluded(written):
    path = written("x,y,x\n1,2,3\n")
    message = refusal(evenly.ColumnError, path)
    assert f"'x' 2 times in {path}. Rename one, or pass exclude=['x']." in message
    assert evenly.fit(path, exclude=["x"]).mean.tolist() == [2.0]
    assert evenly.fit(path, columns=["y"]).mean.tolist() == [2.0]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_byte_order_mark_tells_the_encoding(written, encoding):
    path = written("größe,y\n1,2\n3,6\n".encode(encoding))
    assert evenly.fit(path).columns == ("größe", "y")
    assert evenly.fit(path).mean.tolist() == [2.0, 4.0]


def test_header_that_is_not_utf8_proposes_an_encoding(written):
    path = written("größe\n1\n".encode("latin-1"))
    message = refusal(evenly.SourceError, path)
    assert "its header contains the byte 0xf6. Pass its encoding: csv={'encoding': 'lat" in message
    assert evenly.fit(path, csv={"encoding": "latin-1"}).columns == ("größe",)


def test_text_that_is_not_utf8_is_left_out(written):
    source = open_source(written("x,name\n1,Zoë\n".encode("latin-1")))
    assert evenly.fit(source).mean.tolist() == [1.0]
    assert source.left_out == {"name": "text"}


def test_binary_data_is_rejected(written):
    assert "contains null bytes" in refusal(evenly.SourceError, written(b"ab\0\1\2\n"))


def test_infinity_names_row(written):
    path = written("x\n1\ninf\n")
    message = refusal(evenly.DataError, path)
    assert f"infinity in column 'x', row 1 of {path}" in message


def test_truncated_gzip_file_is_rejected(written):
    import gzip

    data = gzip.compress(("x\n" + numbers(50_000)).encode())
    path = written(data[: len(data) // 2], "x.csv.gz")
    message = refusal(evenly.SourceError, path)
    assert message.startswith(f"A file must be complete and valid. Received: {path}")


def test_corrupt_zip_file_is_rejected(written, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.csv", "x\n" + numbers(5_000))
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[500:520] = b"\xff" * 20
    assert "cannot be read" in refusal(evenly.SourceError, written(bytes(data), "b.csv.zip"))


def test_zip_with_several_members(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("b/two.csv", "y,x\n4,3\n")
        archive.writestr("one.csv", "x,y\n1,2\n")
        archive.writestr("README.md", "no data")
        archive.writestr("__MACOSX/._one.csv", "no data")
    moments = evenly.fit(tmp_path / "a.zip")
    assert sorted(zip(moments.columns, moments.mean.tolist(), strict=True)) == [("x", 2), ("y", 3)]


def test_zip_without_data_files_is_rejected(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("README.md", "no data")
    message = refusal(evenly.SourceError, tmp_path / "a.zip")
    assert "must hold data files" in message
    assert "'README.md'" in message


def test_weights_column(written):
    path = written("x,w\n1,2\n5,0\n3,1\n")
    assert evenly.fit(path, weights="w") == evenly.fit(written("x\n1\n1\n3\n", "y.csv"))


@pytest.mark.parametrize(("weight", "shown"), [("-1", "-1.0"), ("NA", "nan"), ("inf", "inf")])
def test_invalid_weight_names_row(written, weight, shown):
    path = written(f"x,w\n1,2\n5,{weight}\n")
    message = refusal(evenly.DataError, path, weights="w")
    assert f"Received: {shown} in row 1 of column 'w' of {path}" in message


def test_progress_counts_file_bytes(written, small_chunks):
    path = written("x\n" + numbers(10_000))
    seen = []
    evenly.fit(path, progress=seen.append)
    assert seen[-1].rows == 10_000
    assert seen[-1].bytes == seen[-1].total_bytes == path.stat().st_size
    assert np.all(np.diff([p.bytes for p in seen]) >= 0)
