"""Run scikit-learn's own tests of its scalers on evenly's.

The test modules come with scikit-learn's wheel. Each is loaded while the classes of
``sklearn.preprocessing`` are replaced, and every test that names one of them, or is
parametrized with an instance, is collected here. `EXCEPTIONS` lists the excluded tests, with
reasons.
"""

import importlib.util
import inspect

import numpy as np
import pytest
import sklearn.preprocessing

import evenly.sklearn

pytestmark = pytest.mark.filterwarnings("ignore")  # scikit-learn's tests warn

MODULES = (
    "sklearn.preprocessing.tests.test_data",
    "sklearn.preprocessing.tests.test_common",
    "sklearn.preprocessing.tests.test_function_transformer",
    "sklearn.tests.test_pipeline",
    "sklearn.compose.tests.test_column_transformer",
    "sklearn.utils.tests.test_set_output",
)

SCALERS = ("MaxAbsScaler", "MinMaxScaler", "RobustScaler", "StandardScaler")

_PARAMETERS = "It compares all parameters with those of scikit-learn, without tolerance=."

EXCEPTIONS = {
    "test_data_standard_scaler_near_constant_features": "It expects a column to be constant if it "
    "varies by less than a bound, which grows with the number of rows. Here a column is constant "
    "only if all its values are equal: test_peer_numbers.py has the same columns.",
    "test_common_missing_value_handling": "It passes all parameters of the scaler to the function "
    "scale, which has no tolerance=.",
    "test_transformer_column_transformer_get_set_params": _PARAMETERS,
    "test_transformer_column_transformer_get_set_params_with_remainder": _PARAMETERS,
}


def load_with_evenly(name):
    """Load a fresh copy of a test module with the scaler replaced."""
    spec = importlib.util.spec_from_file_location(
        f"with_evenly.{name}", importlib.util.find_spec(name).origin
    )
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        for scaler in SCALERS:
            patch.setattr(sklearn.preprocessing, scaler, getattr(evenly.sklearn, scaler))
        spec.loader.exec_module(module)
    return module


def marks(test):
    """Yield a test's marks; pytest needs parameters in lists, not in generators."""
    for mark in getattr(test, "pytestmark", []):
        if mark.name == "parametrize":
            names, values, *rest = mark.args
            yield pytest.mark.parametrize(names, list(values), *rest, **mark.kwargs).mark
        else:
            yield mark


def is_about_the_scaler(test):
    """Return whether a test's source or parameters contain the scaler."""
    arguments = [mark.args for mark in getattr(test, "pytestmark", [])]
    text = inspect.getsource(test) + repr(arguments)
    return any(scaler in text for scaler in SCALERS)


def collect():
    """Yield the names and functions of the tests; a name contains the module's."""
    for name in MODULES:
        for test, function in vars(load_with_evenly(name)).items():
            if not test.startswith("test_"):
                continue
            function.pytestmark = list(marks(function))
            if is_about_the_scaler(function):
                yield f"test_{name.rpartition('_')[2]}{test.removeprefix('test')}", function


globals().update((name, function) for name, function in collect() if name not in EXCEPTIONS)


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_excluded_tests_exist(name):
    assert name in dict(collect())


@pytest.fixture
def global_random_seed():
    """Return the default seed of scikit-learn's tests."""
    return 42


@pytest.fixture
def global_dtype():
    return np.float64
