"""Names with numbers in braces, as in WebDataset."""

import fsspec
import numpy as np
import pytest

import evenly
from evenly.cli import main
from evenly.sources.files.braces import expand_braces
from evenly.sources.urls import StorageUrl


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x-{000000..000002}.tar", ["x-000000.tar", "x-000001.tar", "x-000002.tar"]),
        ("x-{8..10}.csv", ["x-8.csv", "x-9.csv", "x-10.csv"]),
        ("x-{08..10}.csv", ["x-08.csv", "x-09.csv", "x-10.csv"]),
        ("{0..1}/{2..1}.csv", ["0/2.csv", "0/1.csv", "1/2.csv", "1/1.csv"]),
        ("s3://b/{0..1}.csv?v=2", ["s3://b/0.csv?v=2", "s3://b/1.csv?v=2"]),
        ("{a,b}.csv", ["{a,b}.csv"]),
        ("duckdb:///x.db?query=SELECT '{1..2}'", ["duckdb:///x.db?query=SELECT '{1..2}'"]),
    ],
)
def test_expansion(source, expected):
    assert expand_braces(source) == expected


def test_urls_keep_their_options():
    expanded = expand_braces(StorageUrl("s3://b/{0..1}.csv", {"anon": True}))
    assert [url.storage_options for url in expanded] == [{"anon": True}] * 2


def test_numbered_files_are_fitted(tmp_path, capsys):
    for number in range(4):
        np.save(tmp_path / f"x-{number:03}.npy", np.full((2, 1), float(number)))
    source = str(tmp_path / "x-{001..003}.npy")
    assert evenly.fit(source).mean.tolist() == [2.0]
    assert main(["fit", source, "--json"]) == 0
    assert '"rows": 6' in capsys.readouterr().out


def test_each_numbered_file_must_exist(tmp_path):
    np.save(tmp_path / "x-0.npy", np.ones(3))
    with pytest.raises(evenly.SourceError, match=r"x-1\.npy', and there is no such file"):
        evenly.fit(tmp_path / "x-{0..1}.npy")


def test_a_file_of_that_name_has_priority(tmp_path):
    np.save(tmp_path / "x-{0..1}.npy", np.full(3, 7.0))
    assert evenly.fit(tmp_path / "x-{0..1}.npy").mean.tolist() == [7.0]


def test_numbered_urls():
    files = fsspec.filesystem("memory")
    for number in (0, 1):
        files.pipe_file(f"/braces/x-{number}.csv", f"a\n{number}\n".encode())
    assert evenly.fit("memory://braces/x-{0..1}.csv").mean.tolist() == [0.5]


def test_too_many_files_are_refused():
    with pytest.raises(evenly.SourceError, match=r"at most 1,000,000 files.*which are 2,000,000"):
        evenly.fit("x-{0..1}{1..1000000}.csv")
