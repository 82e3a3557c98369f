"""Imports follow the list of modules in docs/architecture.md, and there are no cycles."""

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeGuard

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "evenly"
FILES = sorted(path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py"))


def order() -> dict[str, tuple[int, frozenset[str]]]:
    """Return the line of each entry of the list, and the optional packages it may import."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    block = page.partition("```text\n")[2].partition("```")[0]
    entries = {}
    for number, line in enumerate(block.splitlines()):
        entry, _, rest = line.partition(" ")
        partners = rest.partition("[")[2].partition("]")[0]
        entries[entry] = (number, frozenset(filter(None, partners.split(", "))))
    return entries


ORDER = order()
PARTNERS = frozenset().union(*(partners for _, partners in ORDER.values()))


def entry_of(file: str) -> str:
    """Return the entry of the list for a file: its own, or that of its folder."""
    if file in ORDER:
        return file
    return next((entry for entry in ORDER if entry.endswith("/") and file.startswith(entry)), "")


@cache
def parsed(file: str) -> ast.Module:
    return ast.parse((SOURCE / file).read_text(encoding="utf-8"))


@cache
def imports(file: str) -> list[tuple[int, str]]:
    """Return each module that a file imports, anywhere, also by `extras.require`."""
    return list(find_imports(file))


def find_imports(file: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: imports are absolute"
            yield from ((node.lineno, f"{node.module}.{name.name}") for name in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in (
            "require",
            "import_module",
        ):
            yield from (
                (node.lineno, part.value)
                for part in node.args[:1]
                if isinstance(part, ast.Constant)
            )


def checked_lines(file: str) -> set[int]:
    """Return the lines that only type checkers execute: ``if TYPE_CHECKING:``."""
    blocks = (
        node
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
    )
    return {line for block in blocks for line in range(block.lineno, (block.end_lineno or 0) + 1)}


@cache
def file_of(module: str) -> str | None:
    """Return the file of our own module that a dotted name refers to, if any."""
    first, *parts = module.split(".")
    if first != "evenly":
        return None
    for end in (len(parts), len(parts) - 1):
        path = "/".join(parts[:end])
        for candidate in (f"{path}.py", f"{path}/__init__.py"):
            if candidate in FILES:
                return candidate
    return None


@pytest.mark.parametrize("file", [file for file in FILES if file != "__init__.py"])
def test_every_module_is_listed_in_architecture_md(file: str) -> None:
    assert entry_of(file), f"docs/architecture.md does not list {file}"


@pytest.mark.parametrize("file", [file for file in FILES if file != "__init__.py"])
def test_imports_follow_the_order_of_the_list(file: str) -> None:
    own, _ = ORDER[entry_of(file)]
    for line, module in imports(file):
        target = file_of(module)
        if target is None or target == "__init__.py" or entry_of(target) == entry_of(file):
            continue
        above, _ = ORDER[entry_of(target)]
        assert above < own, f"{file}:{line} imports {module}, which is below it in the list"


@pytest.mark.parametrize("file", FILES)
def test_optional_packages_are_imported_only_where_listed(file: str) -> None:
    _, allowed = ORDER.get(entry_of(file), (0, frozenset()))
    in_annotations = checked_lines(file)
    for line, module in imports(file):
        if line in in_annotations:
            continue
        partner = module.split(".")[0]
        assert partner not in PARTNERS - allowed, f"{file}:{line} imports {module}"


def test_every_entry_of_the_list_exists() -> None:
    assert [entry for entry in ORDER if not (SOURCE / entry).exists()] == []


def test_package_init_is_an_index() -> None:
    """At most 40 lines; a function may be there for the one purpose of importing late."""
    text = (SOURCE / "__init__.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 40
    loops = (ast.For, ast.While, ast.Try, ast.With)
    assert not [node for node in ast.walk(ast.parse(text)) if isinstance(node, loops)]


def graph() -> dict[str, set[str]]:
    """Return the files that each file imports, anywhere in it."""
    return {
        file: {target for _, module in imports(file) if (target := file_of(module))} - {file}
        for file in FILES
        if file != "__init__.py"
    }


def test_there_are_no_import_cycles() -> None:
    rest = graph()
    while leaves := {file for file, targets in rest.items() if not targets & rest.keys()}:
        rest = {file: targets for file, targets in rest.items() if file not in leaves}
    assert not rest, "these files import each other, directly or indirectly"


LAZY = {
    "cli/fit.py": "each command imports what it needs, so that --help is fast",
    "cli/apply.py": "as in cli/fit.py",
    "cli/statistics.py": "as in cli/fit.py",
    "cli/pages.py": "as in cli/fit.py",
    "cli/results.py": "as in cli/fit.py",
    "cli/outputs.py": "as in cli/fit.py",
    "cli/pipes.py": "as in cli/fit.py",
    "cli/storage.py": "as in cli/fit.py",
    "moments/accumulator.py": "options of files, as in sources/__init__.py",
    "moments/ingest.py": "tensors, which need torch; weights of sources, as in sources/__init__.py",
    "moments/base.py": "files and web pages, as in sources/__init__.py",
    "moments/moments.py": "tensors in compiled graphs, which need torch; web pages",
    "moments/table_repr.py": "tables to print, as in sources/__init__.py",
    "moments/statistics.py": "as in moments/table_repr.py",
    "moments/records.py": "files of groups, as in sources/__init__.py",
    "sources/native_arrays.py": "Arrow, as in sources/__init__.py",
    "statistics_file/document.py": "files at URLs, as in sources/__init__.py",
    "sources/__init__.py": "readers, so that importing evenly.torch is fast",
    "torch/moments_layer.py": "statistics files, as in sources/__init__.py",
    "torch/normalize.py": "as in sources/__init__.py",
    "transform/tensors.py": "groups, as in sources/__init__.py",
    "transform/dispatch.py": "rows of the dispatch: optional packages, and as above",
    "sinks/__init__.py": "rows of the dispatch: optional packages",
}


def test_own_modules_are_imported_in_functions_only_where_loading_is_lazy() -> None:
    found = set()
    for file in FILES:
        functions = (node for node in ast.walk(parsed(file)) if isinstance(node, ast.FunctionDef))
        for node in (inner for function in functions for inner in ast.walk(function)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("evenly"):
                found.add(file)
    assert found - LAZY.keys() - {"__init__.py"} == set()


def test_files_that_conftest_names_exist(pytestconfig: pytest.Config) -> None:
    plugins = pytestconfig.pluginmanager.get_plugins()
    (settings,) = (plugin for plugin in plugins if hasattr(plugin, "LONGEST"))
    names = [*settings.SLOW, *settings.LONGEST]
    assert [name for name in names if not (ROOT / "tests" / name).exists()] == []


def test_map_of_sources_names_every_module() -> None:
    page = (SOURCE / "sources" / "README.md").read_text(encoding="utf-8").split("```")[1]
    folder, named = "", []
    for line in page.splitlines():
        folder = line.split()[0] if re.match(r"\w+/ ", line) else folder
        modules = re.match(r" *((?:\w+\.py )+)", line)
        named += [folder + name for name in modules[1].split()] if modules else []
    modules = {file.removeprefix("sources/") for file in FILES if file.startswith("sources/")}
    folders = {"files/__init__.py", "images/__init__.py", "sql/__init__.py", "stores/__init__.py"}
    assert sorted(named) == sorted(modules - folders)


def test_map_of_core_names_every_file() -> None:
    page = (ROOT / "cpp" / "README.md").read_text(encoding="utf-8")
    table = page.partition("## Map")[2].partition("## ")[0]
    folder, named = "", []
    for row in table.strip().splitlines()[3:]:
        first, files, _ = (cell.strip() for cell in row.strip("|").split("|"))
        folder = first.strip("`") or folder
        named += [folder + pattern for pattern in re.findall(r"`([^`]+)`", files)]
    unnamed = [
        path.relative_to(ROOT / "cpp").as_posix()
        for path in sorted((ROOT / "cpp").glob("*/*.*"))
        if path.suffix in (".cc", ".h") and not path.stem.endswith("_test")
    ]
    unnamed = [file for file in unnamed if not file.startswith("tests/")]
    assert [f for f in unnamed if not any(fnmatch(f, f"{name}*") for name in named)] == []
    files = [path.relative_to(ROOT / "cpp").as_posix() for path in (ROOT / "cpp").glob("*/*.*")]
    assert [name for name in named if not any(fnmatch(f, f"{name}*") for f in files)] == []


@pytest.mark.parametrize("page", ["docs/how-to-add.md", "docs/architecture.md", "CONTRIBUTING.md"])
def test_pages_for_contributors_name_files_that_exist(page: str) -> None:
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    names = re.findall(r"`((?:\w+/)[\w/.-]+\.(?:py|h|cc|md|txt|pyi))`", text)
    places = [ROOT, SOURCE, ROOT / "cpp", SOURCE / "sources"]
    placeholders = ("FORMAT", "ENGINE", "NAME")
    missing = [
        name
        for name in names
        if not any(word in name for word in placeholders)
        and not any((place / name).exists() for place in places)
    ]
    assert names
    assert missing == []


class PrivateNames(NamedTuple):
    """The private names of a module: those that its classes define, and those it reads elsewhere.

    Attributes
    ----------
    defined
        Methods and attributes of classes.
    read
        Each attribute that is read of something other than ``self``, ``cls`` or ``super()``, with
        its line.
    """

    defined: frozenset[str]
    read: tuple[tuple[str, int], ...]


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def is_own(node: ast.expr) -> bool:
    """Return whether an expression is the object or class of the method that it is in."""
    if isinstance(node, ast.Call):
        return getattr(node.func, "id", "") == "super"
    return getattr(node, "id", "") in ("self", "cls")


@cache
def private_names(file: str) -> PrivateNames:
    nodes = list(ast.walk(parsed(file)))
    attributes = [n for n in nodes if isinstance(n, ast.Attribute) and is_private(n.attr)]
    bodies = [part for n in nodes if isinstance(n, ast.ClassDef) for part in n.body]
    defined = {part.name for part in bodies if isinstance(part, ast.FunctionDef)}
    defined |= {n.id for part in bodies for n in ast.walk(part) if is_assigned_name(part, n)}
    defined |= {n.attr for n in attributes if isinstance(n.ctx, ast.Store) and is_own(n.value)}
    read = ((n.attr, n.lineno) for n in attributes if not is_own(n.value))
    return PrivateNames(frozenset(filter(is_private, defined)), tuple(read))


def is_assigned_name(statement: ast.stmt, node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(node, ast.Name)


OF_NAMED_TUPLES = frozenset({"_asdict", "_fields", "_make", "_replace"})
"""Methods and attributes of named tuples, which are public."""


@pytest.mark.parametrize("file", FILES)
def test_private_attributes_are_read_only_in_their_own_package(file: str) -> None:
    package = file.split("/")[0]
    own = {name for f in FILES if f.split("/")[0] == package for name in private_names(f).defined}
    of_others = {name for f in FILES for name in private_names(f).defined} - own - OF_NAMED_TUPLES
    found = [(line, name) for name, line in private_names(file).read if name in of_others]
    assert found == [], f"{file} reads private attributes of another package"
