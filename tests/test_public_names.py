"""Tests of the attributes of `evenly`: lazy subpackages, and names that are elsewhere."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import evenly
from evenly import MissingExtraError
from evenly.public_names import SUBPACKAGES, TORCH_MODULES


def run(code: str) -> str:
    """Run code in a fresh process, and return what it prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_evenly_imports_no_subpackage() -> None:
    loaded = "[name for name in sys.modules if name in ('torch', 'sklearn', 'numpy')]"
    assert run(f"import sys, evenly; print({loaded})") == "[]"


def test_a_layer_imports_nothing_for_groups_files_and_web_pages() -> None:
    """Enough new objects also make Python search all of torch's for cycles, for 0.1 s."""
    pytest.importorskip("torch")
    packages = (
        "html_report",
        "moments.text_table",
        "statistics_file.document",
        "moments.grouped",
        "moments.load",
    )
    packages += ("moments.by_key", "sources.options", "transform.group_scaling", "drift", "report")
    names = [f"evenly.{package}" for package in packages] + ["html", "sklearn", "pandas"]
    code = "import sys; before = {*sys.modules}; from evenly.torch import Normalize; "
    code += f"print([n for n in {names} if n in sys.modules and n not in before])"
    assert run(code) == "[]"


def test_names_of_moments_are_not_replaced_by_their_modules() -> None:
    code = (
        "import evenly.moments.load, evenly.moments.moments, evenly.moments\n"
        "print(callable(evenly.moments.load), evenly.moments.Moments.__name__)"
    )
    assert run(code) == "True Moments"
    with pytest.raises(
        AttributeError, match=r"module 'evenly\.moments' has no attribute 'nothing'"
    ):
        import_module("evenly.moments").nothing  # noqa: B018


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


def test_names_of_sklearn_are_complete() -> None:
    pytest.importorskip("sklearn")
    module = evenly.sklearn
    public = {name for name in vars(module) if not name.startswith("_")}
    submodules = {name for name in public if isinstance(getattr(module, name), ModuleType)}
    assert public - submodules == set(SUBPACKAGES["sklearn"])


def test_type_checkers_know_the_names_of_torch() -> None:
    """They do not follow `__getattr__`, so the names are imported where only they look."""
    pytest.importorskip("torch")
    tree = ast.parse(Path(evenly.torch.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    found = {}
    for statement in block.body:
        assert isinstance(statement, ast.ImportFrom)
        (alias,) = statement.names
        found[alias.asname] = statement.module
    homes = {name: f"evenly.torch.{module}" for name, module in TORCH_MODULES.items()}
    assert found == homes | {"functional": "evenly.torch"}


def test_names_of_torch_are_the_same_however_they_are_imported() -> None:
    """The functions convert and gather have the names of their modules."""
    pytest.importorskip("torch")
    lines = [
        "import sys, evenly.torch, evenly.torch.convert, evenly.torch.gather",
        "from evenly.torch import *",
        "names = dir(evenly.torch)",
        "assert all(globals()[name] is getattr(evenly.torch, name) for name in names)",
        "print(*(name for name in names if not isinstance(globals()[name], type(sys))))",
    ]
    assert set(run("; ".join(lines)).split()) == set(TORCH_MODULES)


def test_names_of_torch_can_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """As mocks do; only the import of a submodule does not replace the function of its name."""
    pytest.importorskip("torch")
    for name in ("Normalize", "gather"):
        monkeypatch.setattr(evenly.torch, name, "other")
        assert getattr(evenly.torch, name) == "other"
    monkeypatch.undo()
    assert callable(evenly.torch.Normalize)
    assert callable(evenly.torch.gather)


def test_unknown_name_of_torch() -> None:
    pytest.importorskip("torch")
    with pytest.raises(AttributeError, match=r"module 'evenly.torch' has no attribute 'Standard'"):
        _ = evenly.torch.Standard


READERS = ("evenly.fit", "evenly.sources.resolve", "evenly.sources.tables", "evenly.checkpoint")
OPTIONAL = (
    *("PIL", "adbc_driver_manager", "dask", "datasets", "duckdb", "fsspec", "h5py", "nanoarrow"),
    *("narwhals", "pandas", "polars", "pyarrow", "pyspark", "ray", "rich", "click", "scipy"),
    *("sklearn", "tifffile", "torch._dynamo", "xarray", "zarr"),
)


LAYERS = (
    "import evenly.torch",
    "from evenly.torch import BatchNorm1d, LazyBatchNorm2d, functional",
    "from evenly.torch import Normalize",
)


@pytest.fixture(scope="module")
def imported() -> dict[str, set[str]]:
    """Return the modules that each statement imports in a process that has imported torch.

    One process executes all of them, so that each also has those of the statements before it.
    """
    pytest.importorskip("torch")
    start = "import sys, torch; old = set(sys.modules)"
    lines = [f"{statement}; print(*set(sys.modules) - old)" for statement in LAYERS]
    printed = run("\n".join([start, *lines])).splitlines()
    return {name: set(line.split()) for name, line in zip(LAYERS, printed, strict=True)}


def test_import_evenly_torch_imports_no_layer_of_statistics(imported: dict[str, set[str]]) -> None:
    new = imported["import evenly.torch"]
    assert not new & {"evenly.torch.normalize", "evenly.torch.drift_monitor", "evenly.moments"}


def test_batch_norm_imports_no_moments(imported: dict[str, set[str]]) -> None:
    new = imported["from evenly.torch import BatchNorm1d, LazyBatchNorm2d, functional"]
    assert "evenly.torch.native" in new
    assert "evenly.moments" not in new


def test_layers_import_no_reader_and_no_other_package(imported: dict[str, set[str]]) -> None:
    """Readers are most of evenly, and take longer to import than its layers."""
    new = imported["from evenly.torch import Normalize"]
    assert "evenly.torch.normalize" in new
    assert not new & {*READERS, *OPTIONAL, "evenly.drift"}


def test_import_evenly_torch_registers_operators_and_classes_to_fuse():
    """A process that loads a saved graph, or fuses a pickled model, uses no name of the package."""
    pytest.importorskip("torch")
    code = """
import torch, evenly.torch
from torch.ao.quantization.fuser_method_mappings import _DEFAULT_OP_LIST_TO_FUSER_METHOD as table
print(
    hasattr(torch.ops.evenly, "batch_norm"),
    any("evenly.torch" in layer.__module__ for layers in table for layer in layers),
)
"""
    assert run(code) == "True True"
