"""A pytest plugin that makes evenly's StandardScaler the only estimator of scikit-learn."""

import sklearn.preprocessing
import sklearn.utils
import sklearn.utils.discovery

from evenly.sklearn import StandardScaler


def all_estimators(type_filter=None):
    """What scikit-learn's function would return."""
    wanted = [type_filter] if isinstance(type_filter, str) else type_filter
    return [("StandardScaler", StandardScaler)] if not wanted or "transformer" in wanted else []


def pytest_configure(config):
    """Put ours in the place of all, before any test is imported."""
    sklearn.preprocessing.StandardScaler = StandardScaler
    sklearn.utils.all_estimators = all_estimators
    sklearn.utils.discovery.all_estimators = all_estimators
