"""Run scikit-learn's common estimator tests with evenly's scalers as the only estimators."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

MODULES = (
    "sklearn.tests.test_common",
    "sklearn.tests.test_docstring_parameters_consistency",
    "sklearn.tests.test_metadata_routing",
    "sklearn.tests.test_metaestimators",
    "sklearn.tests.test_metaestimators_metadata_routing",
)


def test_scikit_learn_common_tests_pass(tmp_path):
    process = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "patch_scaler", "-p", "no:cacheprovider"),
            *("-c", os.devnull, "--rootdir", str(tmp_path), "-k", "Scaler", "-W", "ignore"),
            *(find_spec(name).origin for name in MODULES),
        ],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "helpers")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stdout
    assert int(re.search(r"(\d+) passed", process.stdout)[1]) > 200
