"""Run the session of docs/sklearn.md and compare its output."""

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "sklearn.md"


def test_session_of_docs_page_prints_its_output():
    parser, failures = doctest.DocTestParser(), []
    blocks = PAGE.read_text(encoding="utf-8").split("```python\n")[1:]
    text = "\n".join(block.partition("```")[0] for block in blocks)
    test = parser.get_doctest(text, {}, PAGE.name, str(PAGE), 0)
    runner = doctest.DocTestRunner()
    runner.run(test, out=failures.append)
    assert runner.tries > 5
    assert not runner.failures, "".join(failures)
