"""Tests of the attributes of `evenly`: lazy subpackages, and names that are elsewhere."""

import subprocess
import sys
from types import ModuleType

import pytest

import evenly
from evenly import MissingExtraError
from evenly.public_names import SUBPACKAGES


def run(code: str) -> str:
    """Run code in a fresh process, and return what it prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_evenly_imports_no_subpackage() -> None:
    loaded = "[name for name in sys.modules if name in ('torch', 'sklearn', 'numpy')]"
    assert run(f"import sys, evenly; print({loaded})") == "[]"


def test_import_evenly_imports_few_modules() -> None:
    """Each of the larger modules of the standard library takes as long as Python's own start."""
    code = (
        "import sys; from importlib.util import find_spec; find_spec('evenly')\n"  # a finder's own
        "old = set(sys.modules); import evenly; print(*set(sys.modules) - old)"
    )
    new = set(run(code).split())
    assert "evenly.public_names" in new
    assert not new & {"typing", "re", "collections", "enum", "dataclasses", "inspect"}


@pytest.mark.parametrize(
    ("package", "attribute"), [("torch", "Normalize"), ("sklearn", "StandardScaler")]
)
def test_subpackages_are_attributes_after_import_evenly(package: str, attribute: str) -> None:
    pytest.importorskip(package)
    expression = f"evenly.{package}.{attribute}.__module__"
    assert run(f"import evenly; print({expression})").startswith(f"evenly.{package}.")


@pytest.mark.parametrize(
    "statement",
    [
        "import evenly.torch",
        "import evenly; evenly.torch",
        "from evenly import torch",
        "from evenly.torch import Normalize",
        "import evenly.torch.normalize",
        "import evenly.sklearn",
        "import evenly; evenly.sklearn",
        "from evenly import sklearn",
        "from evenly.sklearn import StandardScaler",
        "import evenly.sklearn.scaler",
    ],
)
def test_subpackage_without_its_package_says_how_to_install_it(statement: str) -> None:
    package = "torch" if "torch" in statement else "sklearn"
    code = f"""
import sys
sys.modules["{package}"] = None  # as if it were not installed
try:
    {statement}
except ImportError as error:
    print(type(error).__name__, error.name, error, sep="|")
"""
    assert run(code) == (
        f"MissingExtraError|{package}|evenly.{package} needs the package {package}. "
        f'It is not installed. Run: pip install "evenly[{package}]"'
    )
    assert issubclass(MissingExtraError, ImportError)


@pytest.mark.parametrize(
    ("name", "home"),
    [("BatchNorm1d", "torch"), ("Normalize", "torch"), ("StandardScaler", "sklearn")],
)
def test_name_of_a_subpackage_says_where_it_is(name: str, home: str) -> None:
    message = rf"module 'evenly' has no attribute '{name}'\. Write evenly\.{home}\.{name}$"
    with pytest.raises(AttributeError, match=message):
        getattr(evenly, name)
    assert not hasattr(evenly, name)


@pytest.mark.parametrize("package", ["torch", "sklearn"])
def test_names_of_subpackages_are_complete(package: str) -> None:
    pytest.importorskip(package)
    module = getattr(evenly, package)
    public = {name for name in vars(module) if not name.startswith("_")}
    submodules = {name for name in public if isinstance(getattr(module, name), ModuleType)}
    assert public - submodules == set(SUBPACKAGES[package]) - {"functional"}


READERS = ("evenly.fit", "evenly.sources.resolve", "evenly.sources.tables", "evenly.checkpoint")
OPTIONAL = (
    *("PIL", "adbc_driver_manager", "dask", "datasets", "duckdb", "fsspec", "h5py", "nanoarrow"),
    *("narwhals", "pandas", "polars", "pyarrow", "pyspark", "ray", "rich", "click", "scipy"),
    *("sklearn", "tifffile", "torch._dynamo", "xarray", "zarr"),
)


def test_import_evenly_torch_imports_no_reader_and_no_other_package():
    """Readers are most of evenly, and take longer to import than its layers."""
    pytest.importorskip("torch")
    code = (
        "import sys, torch; old = set(sys.modules)\n"
        "import evenly.torch; print(*set(sys.modules) - old)"
    )
    new = set(run(code).split())
    assert "evenly.torch.normalize" in new
    assert not new & {*READERS, *OPTIONAL}
