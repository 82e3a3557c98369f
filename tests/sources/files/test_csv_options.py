"""Tests of csv=: how CSV files are written, and what errors propose."""

import bz2
import gzip
import io
import logging
import lzma
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evenly
from evenly.sources.files.csv_options import CsvFormat, parse_csv_options
from evenly.sources.files.csv_text import DecodedFile, UncommentedFile
from small_blocks import use_block_sizes

TABLE = "a;b\n1,5;2\n2,5;?\n3,5;4\n"
OPTIONS = {"delimiter": ";", "decimal": ",", "missing": ["?"]}


@pytest.fixture
def written(tmp_path):
    """Return a function that writes a CSV file and returns its path."""

    def write(text, name="x.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


@pytest.fixture
def log(caplog):
    """Return a function that returns the text of the log."""
    caplog.set_level(logging.INFO, "evenly")
    return lambda: caplog.text


def refusal(path, csv=None, error=evenly.DataError, **options):
    with pytest.raises(error) as caught:
        evenly.fit(path, csv=csv, **options)
    return str(caught.value)


def check_table(moments):
    assert moments.columns == ("a", "b")
    assert moments.mean.tolist() == [2.5, 3.0]
    assert moments.missing.tolist() == [0, 1]


# Options


def test_options_are_read_without_a_message(written, log):
    check_table(evenly.fit(written(TABLE), csv=OPTIONS))
    assert log() == ""


@pytest.mark.parametrize(
    ("name", "pack"),
    [("x.csv.gz", gzip.compress), ("x.csv.bz2", bz2.compress), ("x.csv.xz", lzma.compress)],
)
def test_options_hold_for_compressed_files(written, name, pack):
    check_table(evenly.fit(written(pack(TABLE.encode()), name), csv=OPTIONS))


def test_options_hold_for_archives_and_urls(written, tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("x.csv", TABLE)
    check_table(evenly.fit(tmp_path / "x.zip", csv=OPTIONS))
    check_table(evenly.fit(f"file://{written(TABLE)}", csv=OPTIONS))
    check_table(evenly.fit([written(TABLE)], csv=OPTIONS))
    check_table(evenly.fit((path for path in [written(TABLE)]), csv=OPTIONS))


@pytest.mark.parametrize(
    ("csv", "message"),
    [
        ({"delimeter": ";"}, "'thousands'. Received: 'delimeter'. Did you mean 'delimiter'?"),
        (";", "takes a dict of options. Received: ';' of type str. Pass csv={'delimiter'"),
        ({"delimiter": ";;"}, "csv={'delimiter': ...} must be one character"),
        ({"delimiter": "§"}, "must be one ASCII character. Received: '§'."),
        ({"delimiter": "\n"}, "other than a quote or a line break. Received: '\\n'."),
        ({"decimal": ";"}, "csv={'decimal': ...} must be '.' or ','. Received: ';'."),
        ({"missing": {"a": 1}}, "must be texts, as they are written in the file."),
        ({"missing": [True]}, "must be texts, as they are written in the file."),
        ({"encoding": "no such"}, "must be an encoding of text"),
        ({"encoding": "base64"}, "must be an encoding of text"),
        ({"comment": ""}, "must be text without quotes and line breaks. Received: ''."),
        ({"header": -1}, "must be True, False, the number of lines before it, or a list of names"),
        ({"header": ["a", "a"]}, "must be names that differ."),
        ({"thousands": "."}, "must differ. Received: '.' as both."),
        ({"delimiter": "#", "comment": "#"}, "must have no other meaning. Received: '#'."),
    ],
)
def test_invalid_options_are_rejected(written, csv, message):
    assert message in refusal(written("x\n1\n"), csv)


def test_options_of_none_are_defaults():
    options = dict.fromkeys(("delimiter", "decimal", "thousands", "missing", "encoding"))
    assert parse_csv_options(options) == CsvFormat()
    assert parse_csv_options({"header": None}).header is False  # as in pandas
    assert parse_csv_options({"header": 0}).header is True


def test_options_as_json():
    assert CsvFormat().to_json() is None
    assert parse_csv_options({"header": 1}).to_json() == {"header": 1}
    assert parse_csv_options({"header": False}).to_json() == {"header": False}
    assert parse_csv_options({"missing": "?"}).to_json() == {"missing": ["?"]}


@pytest.mark.parametrize("source", [[[1.0]], {"a": [1.0]}])
def test_options_for_data_in_memory_are_rejected(source):
    pyarrow = pytest.importorskip("pyarrow")
    source = pyarrow.table(source) if isinstance(source, dict) else source
    message = refusal(source, OPTIONS)
    assert message.startswith("csv={'decimal': ',', 'delimiter': ';', 'missing': ['?']} is for CSV")


def test_options_for_other_files_are_rejected(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(
        pyarrow.table({"a": [1.0]}), tmp_path / "x.parquet"
    )
    np.save(tmp_path / "x.npy", np.ones((2, 2)))
    for name in ("x.parquet", "x.npy"):
        message = refusal(str(tmp_path / name), OPTIONS)
        assert f"is for CSV files. Received: {tmp_path / name}. Omit it" in message


# Delimiters


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('"time, s";"temp"\n1;20\n2;22\n', ("time, s", "temp")),
        ("time;temp (C, 2 m)\n1;20\n2;22\n", ("time", "temp (C, 2 m)")),
        ("time\ttemp, C\n1\t20\n2\t22\n", ("time", "temp, C")),
        ("time|temp, C\n1|20\n2|22\n", ("time", "temp, C")),
        ('a,b\n"1","x;y;z"\n2,";"\n', ("a",)),
        ("a,b;c\n1,2\n3,4\n", ("a", "b;c")),
        ("sep=;\na;b\n1;2\n", ("a", "b")),
        ('"sep=|"\r\na|b\r\n1|2\r\n', ("a", "b")),
        ('a;"b\n;c"\n1;2\n', ("a", "b\n;c")),
    ],
)
def test_delimiter_is_counted_outside_quotes_over_rows(written, text, names):
    assert evenly.fit(written(text)).columns == names


def test_delimiter_is_named_in_the_log(written, log):
    path = written("a;b\n1;2\n")
    evenly.fit(path)
    assert f"{path}: the fields are separated by a semicolon." in log()


def test_second_possible_delimiter_is_a_warning(written, caplog):
    path = written("time;temp, air\n1;20,5\n2;21,7\n")
    moments = evenly.fit(path)
    assert moments.columns == ("time", "temp, air")
    assert moments.mean.tolist() == pytest.approx([1.5, 21.1])
    assert "separated by a semicolon; a comma would also fit" in caplog.messages[0]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


def test_other_delimiter_is_proposed(written, caplog):
    path = written("a b\n1 2\n3 4\n")
    refusal(path)
    assert "has one column, 'a b'. If its fields are separated by ' ', pass" in caplog.text
    assert evenly.fit(path, csv={"delimiter": " "}).mean.tolist() == [2.0, 3.0]


@pytest.mark.parametrize("name", ["x.csv", "x.tsv"])
def test_given_delimiter_wins(written, name):
    path = written("a|b\n1|2\n", name)
    assert evenly.fit(path, csv={"delimiter": "|"}).columns == ("a", "b")
    assert evenly.fit(written("a\tb\n1\t2\n"), csv={"delimiter": r"\t"}).columns == ("a", "b")


# Headers


@pytest.mark.parametrize(
    ("text", "line", "width"),
    [
        ("Station A\nmore, text\n\nx,y,z\n1,2,3\n3,4,5\n", 2, 1),
        ("# station A\nx,y,z\n1,2,3\n3,4,5\n", 2, 1),
        ("Station A,7\nmore\nx,y,z\n1,2,3\n3,4,5\n", 2, 2),
        ("Station A\rx,y,z\r1,2,3\r3,4,5\r", 2, 1),
    ],
)
def test_lines_before_the_header_propose_the_line(written, text, line, width):
    path = written(text)
    message = refusal(path)
    assert f"as many fields as the header: {width}. Received: " in message
    assert f"in line {line} of {path}" in message
    first = text.replace("\r", "\n").split("\n").index("x,y,z")
    assert f"If line {first + 1} has the names, pass csv={{'header': {first}}}." in message
    moments = evenly.fit(path, csv={"header": first})
    assert (moments.columns, moments.mean.tolist()) == (("x", "y", "z"), [2.0, 3.0, 4.0])


def test_names_of_a_file_without_header(written):
    path = written("1,2\n3,4\n")
    assert evenly.fit(path, csv={"header": ["a", "b"]}).columns == ("a", "b")
    moments = evenly.fit(path, csv={"header": False}, columns=["1"])
    assert (moments.columns, moments.mean.tolist()) == (("1",), [3.0])
    assert "1 names for " in refusal(path, {"header": ["a"]})


def test_lines_after_the_header_are_numbered_in_the_file(written):
    path = written("about\n\nx\n1\noops\n")
    assert "'oops' in line 5, column 'x'" in refusal(path, {"header": 1})


@pytest.mark.parametrize(
    "text",
    [
        "a,b,\n1,2,\n3,4,\n",
        "a,b\n1,2,\n3,4,\n",
        "a,b,,\n1,2,,\n3,4,,\n",
        "a,b,,\n1,2,NA,\n3,4,,\n",
    ],
)
def test_trailing_delimiters_are_no_columns(written, text):
    moments = evenly.fit(written(text))
    assert (moments.columns, moments.mean.tolist()) == (("a", "b"), [2.0, 3.0])


def test_value_after_trailing_delimiters_is_an_error(written, monkeypatch):
    from evenly.sources.files import csv as csv_file
    from evenly.sources.files.csv_chunks import chunks

    monkeypatch.setattr(csv_file, "chunks", lambda file: chunks(file, 64))
    path = written("a,b\n" + "1,2,\n" * 40 + "1,2,3\n")
    assert "A column with values must have a name. Received: '3' in line 42, column ''" in (
        refusal(path)
    )


def test_several_columns_without_names_are_rejected(written):
    path = written("Station,,\na,b,c\n1,2,3\n")
    message = refusal(path, error=evenly.ColumnError)
    assert "no names for columns 2 and 3 in line 1" in message
    assert "pass csv={'header': N}" in message
    assert evenly.fit(path, csv={"header": 1}).mean.tolist() == [1.0, 2.0, 3.0]


def test_only_a_header(written, tmp_path):
    (tmp_path / "days").mkdir()
    written("a;b\n", "days/1.csv")
    written("a;b\n1;2\n", "days/2.csv")
    assert evenly.fit(tmp_path / "days").mean.tolist() == [1.0, 2.0]


# Numbers


@pytest.mark.parametrize("mark", ["?", "-", ".", "--", "*", "–", r"\N"])
@pytest.mark.parametrize("fields", ["{0} 2 4", "2 {0} 4", "2 4 {0}"])
def test_marks_without_letters_and_digits_are_missing_at_any_row(written, caplog, mark, fields):
    rows = fields.format(mark).split()
    path = written("a,b\n" + "".join(f"{field},1\n" for field in rows))
    moments = evenly.fit(path)
    assert moments.columns == ("a", "b")
    assert moments.mean.tolist() == [3.0, 1.0]
    assert moments.missing.tolist() == [1, 0]
    assert f"{path}: {mark!r} in column 'a' counts as a missing value" in caplog.text
    caplog.clear()
    assert evenly.fit(path, csv={"missing": [mark]}) == moments
    assert caplog.text == ""


def test_column_of_marks_has_no_values(written):
    path = written("a,b\n-,1\n-,2\n")
    assert evenly.fit(path).columns == ("b",)
    assert evenly.fit(path, columns=["a"]).missing.tolist() == [2]


def test_word_among_numbers_proposes_missing(written, caplog):
    path = written("a,b\nunknown,1\n2,2\n4,3\n")
    assert evenly.fit(path).columns == ("b",)
    assert "column 'a' is left out as text: it begins with 'unknown', and has n" in caplog.text
    assert "pass csv={'missing': ['unknown']}" in caplog.text
    assert evenly.fit(path, csv={"missing": ["unknown"]}).mean.tolist() == [3.0, 2.0]
    message = refusal(written("a\n2\nunknown\n"))
    assert "if it means a missing value, pass csv={'missing': ['unknown']}" in message


@pytest.mark.parametrize("mark", [-999, "-999", "-999.0", -999.0])
def test_number_that_means_missing_is_compared_by_value(written, mark):
    path = written("a,b\n-999,-999\n1,0.5\n-999,-999.00\n")
    moments = evenly.fit(path, csv={"missing": [mark]})
    assert moments.missing.tolist() == [2, 2]
    assert moments.mean.tolist() == [1.0, 0.5]


def test_booleans_among_numbers_are_0_and_1(written):
    for rows in ("1 true 4", "true 1 4", "4 false 2"):
        moments = evenly.fit(written("a\n" + "\n".join(rows.split()) + "\n"))
        assert moments.sum[0] == 6


@pytest.mark.parametrize(
    ("text", "mean"),
    [
        ("a;b\n1,5;2\n2,5;4\n", [2.0, 3.0]),
        ("a\n1,5\n2,5\n", [2.0]),
        ("a\tb\n-1,5e1\t1\n-,\t1\n,5\t1\n", [-7.25, 1.0]),
        ("a;b\n1.234,5;1\n1,5;1\n", [618.0, 1.0]),
    ],
)
def test_decimal_commas_are_read_and_logged(written, caplog, text, mean):
    text = text.replace("-,", "?")
    moments = evenly.fit(written(text))
    assert moments.mean.tolist() == mean
    assert "are read with a decimal comma" in caplog.text


def test_decimal_comma_beside_decimal_points_is_left_out(written, caplog):
    path = written("a;b\n1,5;1.5\n2,5;2.5\n")
    assert evenly.fit(path).columns == ("b",)
    assert "column 'a' is left out as text. If fields such as '1,5' are numbers, pass csv={'d" in (
        caplog.text
    )


def test_number_with_two_readings_is_left_out_and_logged(written, caplog):
    path = written("a;b\n1,234;1\n2,345;3\n")
    assert evenly.fit(path).columns == ("b",)
    assert "pass csv={'decimal': ','} or csv={'thousands': ','}" in caplog.text
    assert evenly.fit(path, csv={"decimal": ","}).mean.tolist() == [1.7895, 2.0]
    assert evenly.fit(path, csv={"thousands": ","}).mean.tolist() == [1789.5, 2.0]


def test_thousands(written, caplog):
    path = written('a,b\n"1,234.5",1\n"12,345,678",1\n7,1\n')
    assert float(evenly.fit(path).sum[0]) == 1234.5 + 12345678 + 7
    assert "are read with commas between thousands" in caplog.text
    path = written("a;b\n1.234,5;1\n12.345.678;1\n-7;1\n")
    moments = evenly.fit(path, csv={"decimal": ",", "thousands": "."})
    assert float(moments.sum[0]) == 1234.5 + 12345678 - 7
    path = written("a;b\n1;1\n1.23;1\n")
    assert "'1.23' in line 3, column 'a'" in refusal(path, {"decimal": ",", "thousands": "."})
    assert "pass csv={'decimal': ',', 'thousands': '.'}" in refusal(path, {"decimal": ","})


def test_later_decimal_comma_proposes_the_option(written):
    path = written("a;b\n1;1\n2,5;1\n")
    message = refusal(path)
    assert "'2,5' in line 3, column 'a'" in message
    assert "if it is a number, pass csv={'decimal': ','}" in message
    message = refusal(written("a,b\n1,5,2\n"))
    assert "If the comma is a decimal mark, pass csv={'delimiter': ';', 'decimal': ','}" in message


BIG = 9007199254740993  # 2**53 + 1, which float64 rounds to 2**53


@given(
    st.lists(
        st.one_of(
            st.sampled_from([BIG, -BIG, 2**63 - 1, -(2**63), 2**53]),
            st.integers(-(2**63), 2**63 - 1),
            st.sampled_from([0.5, 1e300, None]),
        ),
        min_size=1,
        max_size=30,
    ),
    st.randoms(),
)
def test_integers_beside_decimals_are_exact_in_any_order(tmp_path_factory, values, random):
    path = tmp_path_factory.getbasetemp() / "order.csv"
    values = [*values, 0.25, BIG]

    def fit():
        path.write_text("a,b\n" + "".join(f"{'' if v is None else v},1\n" for v in values))
        return evenly.fit(path, columns=["a"])

    first = fit()
    random.shuffle(values)
    assert fit() == first
    from fractions import Fraction

    assert first.sum[0] == sum(Fraction(v) for v in values if v is not None)


# Types


@pytest.mark.parametrize(
    ("first", "later"),
    [
        ("2020-01-01", "noon"),
        ("2020-01-01", "1"),
        ("12:30:00", "2020-01-01"),
        ("2020-01-01 05:00:00", "2020-01-01 05:00:00.5"),
    ],
)
def test_conversion_error_is_not_a_wrong_number_of_columns(written, monkeypatch, first, later):
    from evenly.sources.files import csv as csv_file
    from evenly.sources.files.csv_chunks import chunks

    monkeypatch.setattr(csv_file, "chunks", lambda file: chunks(file, 64))
    path = written("when,b\n" + f"{first},1\n" * 9 + f"{later},2\n")
    message = refusal(path, columns=["when"])
    assert "A column must have one type, as its first values have it" in message
    assert f"Received: {later!r} in line 11, column 'when' of {path}" in message


def test_numbers_of_other_scripts_are_text(written):
    assert "'１２' in line 3, column 'a'" in refusal(written("a,b\n1,2\n１２,2\n"))


# Text


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_comments_are_removed_and_lines_kept(monkeypatch, size):

    use_block_sizes(monkeypatch, csv_text_bytes=size)
    text = b'# head, "open\na,b # note\n1,"#2"\n#\n"3 ""#""",4#end\r\n5,6\n# last'
    read = UncommentedFile(io.BytesIO(text), b"#")
    if size == 1000:
        text = text.replace(b', "open', b"")
        read = UncommentedFile(io.BytesIO(text), b"#")
    found = b"".join(iter(lambda: read.read(4), b""))
    assert found == b'\na,b \n1,"#2"\n\n"3 ""#""",4\r\n5,6\n'


def test_converted_files_are_read_to_their_end(written, monkeypatch):
    """A chunk has several blocks of text; a short chunk was taken for the end of the file."""
    use_block_sizes(monkeypatch, csv_text_bytes=64, csv_chunk_bytes=1000)
    text = "x,y\n" + "".join(f"{row},1\n" for row in range(2000))
    assert evenly.fit(written(text, "a.csv"), csv={"comment": "#"}).rows == 2000
    assert evenly.fit(written(text.encode("utf-16"), "b.csv")).rows == 2000
    both = evenly.fit(written(text.encode("utf-16"), "c.csv"), csv={"comment": "#"})
    assert both.mean.tolist() == [999.5, 1.0]


def test_comment_option(written):
    path = written("// about\na,b\n1,2 // note\n\n3,4\noops,5\n", "y.csv")
    moments = evenly.fit(written("// about\na,b\n1,2 // x\n3,4\n"), csv={"comment": "//"})
    assert moments.mean.tolist() == [2.0, 3.0]
    assert "'oops' in line 6" in refusal(path, {"comment": "//"})
    assert "pass csv={'comment': '//'}" in refusal(path)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-32-be", "shift_jis", "cp1252"])
def test_encoding_option(written, encoding):
    name = {"shift_jis": "温度", "cp1252": "größe"}.get(encoding, "größe €")
    path = written(f"{name},y\n1,2\n".encode(encoding))
    assert evenly.fit(path, csv={"encoding": encoding}).columns == (name, "y")


def test_wrong_encoding_is_rejected(written):
    path = written("größe\n1\n".encode("latin-1"))
    message = refusal(path, {"encoding": "shift_jis"}, evenly.SourceError)
    assert f"Received: {path}, which contains the byte 0x" in message
    message = refusal(written(b"a\0b\0\n\0"), error=evenly.SourceError)
    assert "if it is text in UTF-16, pass csv={'encoding': 'utf-16-le'}" in message


@given(st.text(st.characters(codec="utf-8"), max_size=50), st.integers(1, 9))
def test_decoded_file_is_the_text_in_utf8(text, size):
    with pytest.MonkeyPatch.context() as patch:
        use_block_sizes(patch, csv_text_bytes=size)
        read = DecodedFile(io.BytesIO(text.encode("utf-16-le")), "utf-16-le", "x.csv")
        assert b"".join(iter(lambda: read.read(3), b"")).decode() == text


def test_every_line_end(written):
    for end in ("\n", "\r\n", "\r"):
        path = written(f'a,note{end}1,"x{end}y"{end}3,z{end}')
        assert evenly.fit(path).mean.tolist() == [2.0]


@pytest.mark.parametrize(
    ("text", "options", "only"),
    [
        ("\n\r\n", {}, "empty lines"),
        ("\r", {"header": False}, "empty lines"),
        ("# a\n\n#b", {"comment": "#"}, "empty lines and comments"),
        ("a\n", {"header": 3}, "empty lines and the 3 lines before the header"),
    ],
)
def test_file_without_a_line_to_read(text, options, only, tmp_path):
    # The readers found no delimiter: "not enough values to unpack".
    (tmp_path / "x.csv").write_text(text, newline="")
    with pytest.raises(evenly.SourceError) as refused:
        evenly.fit(tmp_path / "x.csv", csv=options)
    assert str(refused.value) == (
        "A CSV file must have a line with the names of its columns. Received: "
        f"{tmp_path / 'x.csv'}, which has only {only}. Get it again, or leave it out."
    )


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_utf_16_without_a_byte_order_mark(encoding, tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes("a,b\n1,2\n".encode(f"{encoding}-le"))
    advice = f"Pass the order of its bytes: csv={{'encoding': '{encoding}-le'}}, for example"
    with pytest.raises(evenly.SourceError, match="must begin with a byte order mark") as refused:
        evenly.fit(path, csv={"encoding": encoding})
    assert advice in str(refused.value)
    assert evenly.fit(path, csv={"encoding": f"{encoding}-le"}).mean.tolist() == [1, 2]
