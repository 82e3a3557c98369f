"""Error classes: each is also a builtin, and the message is printed unchanged."""

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
def test_error_is_subclass_of_builtin(name, builtin):
    assert issubclass(getattr(errors, name), builtin)
    assert issubclass(getattr(errors, name), errors.EvenlyError)


@pytest.mark.parametrize("name", BUILTINS)
def test_str_is_the_message(name):
    error = getattr(errors, name)("It's the 'rule'.")
    assert str(error) == "It's the 'rule'."
    assert str(pickle.loads(pickle.dumps(error))) == "It's the 'rule'."


def test_all_errors_are_tested():
    classes = [x for x in vars(errors).values() if isinstance(x, type) and issubclass(x, Exception)]
    assert {x.__name__ for x in classes} == {*BUILTINS, "EvenlyError"}


def test_require_broken_package_raises_its_error(tmp_path, monkeypatch):
    """Reinstalling may not help, so the original error must be visible."""
    (tmp_path / "broken_package.py").write_text("import no_such_dependency")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"):
        extras.require("broken_package", extra="files", feature="Reading")


def test_require_imports_package():
    import json.decoder

    assert extras.require("json.decoder", extra="files", feature="Reading") is json.decoder
