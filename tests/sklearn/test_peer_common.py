"""scikit-learn's common tests of estimators, which its wheel brings, where ours is the only one."""

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


def test_every_common_test_passes(tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "patch_scaler", "-p", "no:cacheprovider"),
            *("-c", os.devnull, "--rootdir", str(tmp_path), "-k", "StandardScaler", "-W", "ignore"),
            *(find_spec(name).origin for name in MODULES),
        ],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "helpers")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 60
