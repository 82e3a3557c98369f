"""scikit-learn's own tests of its scaler, which its wheel brings, with ours in its place.

Each module of them is loaded while ``sklearn.preprocessing.StandardScaler`` is ours, and every
test that names the class, or is parametrized with one of it, is collected here. What is left out
stands in `EXCEPTIONS`, with its reason.
"""

import importlib.util
import inspect

import numpy as np
import pytest
import sklearn.preprocessing

import evenly.sklearn

pytestmark = pytest.mark.filterwarnings("ignore")  # scikit-learn's tests have rules of their own

MODULES = (
    "sklearn.preprocessing.tests.test_data",
    "sklearn.preprocessing.tests.test_common",
    "sklearn.preprocessing.tests.test_function_transformer",
    "sklearn.tests.test_pipeline",
    "sklearn.compose.tests.test_column_transformer",
    "sklearn.utils.tests.test_set_output",
)

EXCEPTIONS = {
    "test_data_standard_scaler_near_constant_features": "It asks that columns which vary by less "
    "than a bound (which grows with the number of rows) are called constant. Ours are constant "
    "when they are: test_peer_numbers.py has the same columns.",
}


def with_ours(name):
    """Load a module of tests anew, in which the scaler is ours."""
    spec = importlib.util.spec_from_file_location(
        f"with_evenly.{name}", importlib.util.find_spec(name).origin
    )
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sklearn.preprocessing, "StandardScaler", evenly.sklearn.StandardScaler)
        spec.loader.exec_module(module)
    return module


def marks(test):
    """A test's marks as our pytest takes them: parametrized by lists, not by generators."""
    for mark in getattr(test, "pytestmark", []):
        if mark.name == "parametrize":
            names, values, *rest = mark.args
            yield pytest.mark.parametrize(names, list(values), *rest, **mark.kwargs).mark
        else:
            yield mark


def is_about_the_scaler(test):
    """Whether a test's source, or what it is parametrized with, has the scaler in it."""
    given = [mark.args for mark in getattr(test, "pytestmark", [])]
    return "StandardScaler" in inspect.getsource(test) + repr(given)


def collected():
    """The tests, by a name that says where each is from."""
    for name in MODULES:
        for test, function in vars(with_ours(name)).items():
            if not test.startswith("test_"):
                continue
            function.pytestmark = list(marks(function))
            if is_about_the_scaler(function):
                yield f"test_{name.rpartition('_')[2]}{test.removeprefix('test')}", function


globals().update((name, function) for name, function in collected() if name not in EXCEPTIONS)


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_what_is_left_out_is_there(name):
    assert name in dict(collected())


@pytest.fixture
def global_random_seed():
    """The one that scikit-learn's tests take unless told otherwise."""
    return 42


@pytest.fixture
def global_dtype():
    return np.float64
