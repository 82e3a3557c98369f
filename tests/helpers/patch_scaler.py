"""Make `evenly.sklearn.StandardScaler` scikit-learn's only estimator (a pytest plugin)."""

import sklearn.preprocessing
import sklearn.utils
import sklearn.utils.discovery

from evenly.sklearn import StandardScaler


def all_estimators(type_filter=None):
    """Return what scikit-learn's function would return with one estimator."""
    wanted = [type_filter] if isinstance(type_filter, str) else type_filter
    return [("StandardScaler", StandardScaler)] if not wanted or "transformer" in wanted else []


def pytest_configure(config):
    """Replace scikit-learn's scaler and list of estimators before tests are imported."""
    sklearn.preprocessing.StandardScaler = StandardScaler
    sklearn.utils.all_estimators = all_estimators
    sklearn.utils.discovery.all_estimators = all_estimators
