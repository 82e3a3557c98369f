"""Escape names from data and files for terminals."""

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
def test_control_characters_are_escaped(name, escaped):
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
def test_names_in_any_script_are_unchanged(name):
    assert printable(name) == name


def test_keep_line_breaks():
    assert printable("a\r\nb", keep="\n") == "a\\r\nb"


@given(st.text(st.characters()))
def test_no_control_characters_remain(text):
    left = {
        unicodedata.category(c) for c in printable(text).replace("\u200c", "").replace("\u200d", "")
    }
    assert not left & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(st.dictionaries(st.text(st.characters()), st.text(st.characters())))
def test_printable_json_is_the_same_document(document):
    text = printable_json(json.dumps(document, indent=2, ensure_ascii=False))
    assert json.loads(text) == document
    assert not re.search(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\ud800-\udfff]", text
    )


def test_error_text_is_escaped_and_args_are_not():
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
