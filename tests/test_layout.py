"""The tree reads from top to bottom as the path of a block of rows; imports keep to it.

The order stands in CONTRIBUTING.md, for people; it is read from there.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "evenly"
FILES = sorted(path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py"))


def order() -> dict[str, tuple[int, frozenset[str]]]:
    """Each entry of the page's block: its line, and the partners it may import."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    block = page.partition("```text\n")[2].partition("```")[0]
    entries = {}
    for place, line in enumerate(block.splitlines()):
        entry, _, rest = line.partition(" ")
        partners = rest.partition("[")[2].partition("]")[0]
        entries[entry] = (place, frozenset(filter(None, partners.split(", "))))
    return entries


ORDER = order()
PARTNERS = frozenset().union(*(partners for _, partners in ORDER.values()))


def entry_of(file: str) -> str:
    """The line of the page that a file belongs to: its own, or that of its room."""
    if file in ORDER:
        return file
    return next((entry for entry in ORDER if entry.endswith("/") and file.startswith(entry)), "")


def imports(file: str) -> Iterator[tuple[int, str]]:
    """Every module that a file imports, anywhere in it, and those asked for by `require`."""
    for node in ast.walk(ast.parse((SOURCE / file).read_text(encoding="utf-8"))):
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


def file_of(module: str) -> str | None:
    """The file of ours that a module's name, or a name in a module, leads to."""
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
def test_a_file_has_its_place_on_the_page(file: str) -> None:
    assert entry_of(file), f"CONTRIBUTING.md does not say where {file} stands"


@pytest.mark.parametrize("file", [file for file in FILES if file != "__init__.py"])
def test_a_file_imports_only_what_stands_above_it(file: str) -> None:
    own, _ = ORDER[entry_of(file)]
    for line, module in imports(file):
        target = file_of(module)
        if target is None or target == "__init__.py" or entry_of(target) == entry_of(file):
            continue
        above, _ = ORDER[entry_of(target)]
        assert above < own, f"{file}:{line} imports {module}, which stands below it"


@pytest.mark.parametrize("file", FILES)
def test_a_partner_is_imported_only_where_the_page_says(file: str) -> None:
    _, allowed = ORDER.get(entry_of(file), (0, frozenset()))
    for line, module in imports(file):
        partner = module.split(".")[0]
        assert partner not in PARTNERS - allowed, f"{file}:{line} imports {module}"


def test_every_entry_of_the_page_exists() -> None:
    assert [entry for entry in ORDER if not (SOURCE / entry).exists()] == []


def test_the_package_is_an_index() -> None:
    """At most 40 lines; a function may be there for the one purpose of importing late."""
    text = (SOURCE / "__init__.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 40
    loops = (ast.For, ast.While, ast.Try, ast.With)
    assert not [node for node in ast.walk(ast.parse(text)) if isinstance(node, loops)]
