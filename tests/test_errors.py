"""Errors: few classes, each also a builtin; their text prints plainly."""

import pickle

import pytest

from evenly import errors, extras

BUILTINS = {
    "DataError": ValueError,
    "ColumnError": KeyError,
    "SourceError": OSError,
    "StatisticsFileError": ValueError,
    "UnsupportedTypeError": TypeError,
    "MissingExtraError": ImportError,
}


@pytest.mark.parametrize(("name", "builtin"), BUILTINS.items())
def test_each_error_is_also_a_builtin(name, builtin):
    assert issubclass(getattr(errors, name), builtin)
    assert issubclass(getattr(errors, name), errors.EvenlyError)


@pytest.mark.parametrize("name", BUILTINS)
def test_the_message_is_printed_as_it_is(name):
    error = getattr(errors, name)("It's the 'rule'.")
    assert str(error) == "It's the 'rule'."
    assert str(pickle.loads(pickle.dumps(error))) == "It's the 'rule'."


def test_every_error_has_a_builtin_here():
    classes = [x for x in vars(errors).values() if isinstance(x, type) and issubclass(x, Exception)]
    assert {x.__name__ for x in classes} == {*BUILTINS, "EvenlyError"}


def test_a_package_that_is_broken_says_so_itself(tmp_path, monkeypatch):
    """Installing it again may not help, so our message must not hide what is wrong."""
    (tmp_path / "broken_package.py").write_text("import no_such_dependency")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"):
        extras.require("broken_package", extra="files", feature="Reading")


def test_a_package_that_is_there_is_imported():
    import json.decoder

    assert extras.require("json.decoder", extra="files", feature="Reading") is json.decoder
