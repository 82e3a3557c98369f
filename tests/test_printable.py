"""Names from data and files, safe for a terminal."""

import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenly import errors
from evenly.printable import printable, printable_json

NAMES = {
    "an escape sequence": ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
    "a carriage return": ("good\rbad", r"good\rbad"),
    "a line feed": ("a\nb", r"a\nb"),
    "a C1 control character": ("\x9b31m", r"\x9b31m"),
    "a bidirectional override": ("\u202egpj.exe", r"\u202egpj.exe"),
    "an isolate": ("\u2066x\u2069", r"\u2066x\u2069"),
    "an invisible space": ("a\u200bb\ufeff", r"a\u200bb\ufeff"),
    "a line separator": ("a\u2028b\u2029", r"a\u2028b\u2029"),
    "a lone surrogate": ("caf\udce9", r"caf\udce9"),
    "tag characters": ("\U000e0041", r"\U000e0041"),
}


@pytest.mark.parametrize(("name", "escaped"), NAMES.values(), ids=NAMES)
def test_what_could_control_a_terminal_is_escaped(name, escaped):
    assert printable(name) == escaped


@pytest.mark.parametrize(
    "name",
    [
        "größe",
        "身長\u3000体重",
        "קומה",
        "می\u200cخواهم",
        "👩\u200d🔬",
        "🏳\ufe0f",
        "e\u0301",
        "a\\b",
        "",
    ],
)
def test_names_of_any_script_stay_as_they_are(name):
    assert printable(name) == name


def test_lines_are_kept_where_a_text_has_some():
    assert printable("a\r\nb", keep="\n") == "a\\r\nb"


@given(st.text(st.characters()))
def test_nothing_is_left_that_a_terminal_would_obey(text):
    left = {
        unicodedata.category(c) for c in printable(text).replace("\u200c", "").replace("\u200d", "")
    }
    assert not left & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(st.dictionaries(st.text(st.characters()), st.text(st.characters())))
def test_a_json_text_stays_the_same_document(document):
    text = printable_json(json.dumps(document, indent=2, ensure_ascii=False))
    assert json.loads(text) == document
    assert not re.search(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\ud800-\udfff]", text
    )


def test_the_text_of_an_error_can_be_printed_and_its_message_is_exact():
    name = "\x1b[31mx\ncaf\udce9"
    for kind in (
        errors.DataError,
        errors.ColumnError,
        errors.SourceError,
        errors.MissingExtraError,
    ):
        error = kind(f"Received: {name}.")
        assert str(error) == r"Received: \x1b[31mx\ncaf\udce9."
        assert error.args == (f"Received: {name}.",)
