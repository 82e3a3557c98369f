"""Make the scalers of `evenly.sklearn` scikit-learn's only estimators (a pytest plugin)."""

import sklearn.preprocessing
import sklearn.utils
import sklearn.utils.discovery

import evenly.sklearn

NAMES = ("MaxAbsScaler", "MinMaxScaler", "RobustScaler", "StandardScaler")


def all_estimators(type_filter=None):
    """Return what scikit-learn's function would return with these estimators."""
    wanted = [type_filter] if isinstance(type_filter, str) else type_filter
    if wanted and "transformer" not in wanted:
        return []
    return [(name, getattr(evenly.sklearn, name)) for name in NAMES]


def pytest_configure(config):
    """Replace scikit-learn's scalers and list of estimators before tests are imported."""
    for name in NAMES:
        setattr(sklearn.preprocessing, name, getattr(evenly.sklearn, name))
    sklearn.utils.all_estimators = all_estimators
    sklearn.utils.discovery.all_estimators = all_estimators
