"""The pages are right: sessions run, links lead somewhere, environment variables are listed."""

import doctest
import re
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SESSIONS = [
    "csv.md",
    "distributions.md",
    "drift.md",
    "faq.md",
    "migrating.md",
    "report.md",
    "torch.md",
]
"""Pages whose Python sessions need no data; other pages have a test of their own."""
PAGES = sorted(
    chain(
        ROOT.glob("*.md"),
        *((ROOT / folder).rglob("*.md") for folder in ("docs", "src", "cpp", ".github")),
        *((ROOT / folder).glob("*.md") for folder in ("pitfalls", "benchmarks")),
    )
)


def without_code(page):
    """Return the text of a page without its fenced blocks."""
    return "".join(page.read_text(encoding="utf-8").split("```")[::2])


def anchors(page):
    """Return the anchors of the headings of a page, in GitHub's spelling."""
    headings = re.findall(r"^#+ (.+)$", without_code(page), re.MULTILINE)
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in words}


@pytest.mark.parametrize("name", SESSIONS)
def test_sessions_print_what_the_page_shows(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = (DOCS / name).read_text(encoding="utf-8").split("```python\n")[1:]
    code = [block.partition("```")[0] for block in blocks]
    session = "\n".join(block for block in code if block.startswith(">>>"))
    test = doctest.DocTestParser().get_doctest(session, {}, name, name, 0)
    failures = []
    runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    runner.run(test, out=failures.append)
    assert runner.tries > 0
    assert not runner.failures, "".join(failures)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} does not exist"
        assert not anchor or anchor in anchors(target), f"{link}: there is no such heading"


def test_every_environment_variable_is_listed():
    code = [p for f in ("src", "cpp", "tests") for p in (ROOT / f).rglob("*")]
    texts = [p.read_text(encoding="utf-8") for p in code if p.suffix in {".py", ".cc", ".h"}]
    read = re.findall(r'"(EVENLY_[A-Z_]+)\b', "\n".join(texts))
    build = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    options = re.findall(r"^(?:set|option)\((EVENLY_[A-Z_]+) ", build, re.MULTILINE)
    page = (DOCS / "environment-variables.md").read_text(encoding="utf-8")
    assert read
    assert options
    assert set(re.findall(r"`(EVENLY_[A-Z_]+)\b", page)) == {*read, *options}


def test_tools_have_the_same_version_everywhere():
    names = ("Makefile", "pyproject.toml", ".pre-commit-config.yaml")
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in names]
    for tool in ("ruff", "mypy", "clang-format"):
        versions = [set(re.findall(rf"\b{tool}==([\d.]+)", text)) for text in texts]
        assert len(versions[0]) == 1
        assert versions[0] == versions[1] == versions[2], tool
