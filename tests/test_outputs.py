"""Statistics and normalized files at URLs, options of file systems, and missing packages."""

import io
from typing import ClassVar

import fsspec
import numpy as np
import pytest

import evenly
from evenly.apply import apply
from evenly.cli import main
from evenly.outputs import open_output
from evenly.sources.urls import StorageUrl, storage_options_of, with_path


@pytest.fixture
def moments():
    return evenly.fit([[1.0, 2.0], [3.0, 6.0]])


@pytest.mark.parametrize("scheme", ["memory://", "file://"])
def test_statistics_are_saved_and_loaded_at_a_url(memory, tmp_path, moments, scheme):
    url = f"{scheme}{tmp_path}/x.json"
    moments.save(url)
    assert evenly.load(url) == moments
    (moments + moments).save(url)
    assert evenly.load(url) == moments + moments


def test_statistics_of_groups_at_a_url(memory):
    groups = evenly.fit([[1.0], [2.0]], by=np.array(["a", "b"]))
    groups.save("memory://x.json")
    assert evenly.load("memory://x.json") == groups


def test_command_line_reads_and_writes_urls(memory, tmp_path, capsys):
    memory.pipe("/in/1.csv", b"a,b\n1,2\n")
    memory.pipe("/in/2.csv", b"a,b\n3,6\n")
    assert main(["fit", "memory://in/1.csv", "-q", "-o", "memory://1.json"]) == 0
    assert main(["fit", "memory://in/2.csv", "-q", "-o", "memory://2.json"]) == 0
    assert main(["merge", "memory://1.json", "memory://2.json", "-q", "-o", "memory://s.json"]) == 0
    assert (
        main(["subtract", "memory://s.json", "memory://2.json", "-q", "-o", "memory://d.json"]) == 0
    )
    assert main(["show", "memory://d.json"]) == 0
    assert main(["apply", "memory://s.json", "memory://in", "-o", "memory://out/y.csv", "-q"]) == 0
    assert memory.cat("/out/y.csv") == b'"a","b"\n-1,-1\n1,1\n'


@pytest.mark.parametrize("suffix", [".parquet", ".feather", ".npy", ".csv"])
def test_normalized_file_at_a_url(memory, moments, suffix):
    memory.pipe("/x.csv", b"a,b\n1,2\n3,6\n")
    moments = evenly.fit("memory://x.csv")
    apply(moments, "memory://x.csv", f"memory://y{suffix}")
    if suffix == ".npy":
        assert np.load(io.BytesIO(memory.cat("/y.npy"))).tolist() == [[-1, -1], [1, 1]]
    else:
        again = evenly.fit(f"memory://y{suffix}")
        assert again.mean.tolist() == [0, 0]


def test_failed_output_leaves_the_old_one(memory, moments):
    moments.save("memory://x.json")
    before = memory.cat("/x.json")

    def lines():
        yield b"half"
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"), open_output("memory://x.json") as file:
        file.writelines(lines())
    assert memory.cat("/x.json") == before


def test_failed_upload_names_the_output(memory, moments, monkeypatch):
    def fail(*_, **__):
        raise OSError("access denied for key=verysecret")

    monkeypatch.setattr(type(memory), "put_file", fail)
    with pytest.raises(evenly.SourceError) as caught:
        moments.save("memory://x.json", storage_options={"key": "verysecret"})
    assert "An output must be writable. Received: 'memory://x.json': access denied" in str(
        caught.value
    )
    assert "or pass credentials with storage_options=" in str(caught.value)
    assert "verysecret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "memory://x/",
        "https://host/x.json",
        "duckdb:///x.db?table=t",
        "zip://x.json::memory://x.zip",
    ],
)
def test_output_that_is_no_file_is_rejected(moments, url):
    with pytest.raises(evenly.SourceError, match="An output must be a file that can be written"):
        moments.save(url)


def test_output_at_a_url_does_not_overwrite_data(memory, tmp_path, capsys):
    memory.pipe("/x.csv", b"a\n1\n2\n")
    memory.pipe("/y.csv", b"a\n1\n2\n")
    assert main(["fit", "memory://x.csv", "-o", "memory://x.csv"]) == 2
    assert "must be different files" in capsys.readouterr().err
    assert main(["fit", "memory://x.csv", "-o", "memory://y.csv"]) == 2
    assert "Only a statistics file can be overwritten" in capsys.readouterr().err
    assert memory.cat("/y.csv") == b"a\n1\n2\n"


@pytest.mark.parametrize(
    ("url", "package"), [("s3://b/x", "s3fs"), ("gs://b/x", "gcsfs"), ("abfs://b/x", "adlfs")]
)
def test_missing_package_is_named(moments, capsys, url, package):
    if __import__("importlib.util").util.find_spec(package):
        pytest.skip(f"{package} is installed")
    message = f"needs the package {package}. It is not installed. Run: pip install {package}"
    for call in (
        lambda: moments.save(f"{url}.json"),
        lambda: evenly.load(f"{url}.json"),
        lambda: evenly.fit(f"{url}.csv"),
    ):
        with pytest.raises(evenly.MissingExtraError, match=message) as caught:
            call()
        assert caught.value.name == package
    assert main(["fit", f"{url}.csv"]) == 1
    assert message in capsys.readouterr().err


# Options of file systems


class Recorder(fsspec.get_filesystem_class("memory")):
    """A file system that records the options with which it was made."""

    protocol = "recorder"
    cachable = False
    seen: ClassVar[list] = []

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        Recorder.seen.append(options)

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace("recorder://", "memory://"))


@pytest.fixture
def recorder(memory):
    fsspec.register_implementation("recorder", Recorder, clobber=True)
    Recorder.seen.clear()
    memory.pipe("/d/1.csv", b"a\n1\n")
    memory.pipe("/d/2.csv", b"a\n3\n")
    return Recorder.seen


OPTIONS = {"key": "abc", "client_kwargs": {"region": "eu"}}


@pytest.mark.parametrize(
    "source", ["recorder://d/1.csv", "recorder://d", "recorder://d/*.csv", ["recorder://d/1.csv"]]
)
def test_options_reach_every_use_of_the_file_system(recorder, tmp_path, source):
    expected = evenly.fit(source, storage_options=OPTIONS)
    assert expected.columns == ("a",)
    state = tmp_path / "s.json"
    for _ in range(2):
        assert evenly.fit(source, checkpoint=state, storage_options=OPTIONS) == expected
    assert "abc" not in state.read_text()
    apply(expected, "recorder://d", "recorder://y.csv", storage_options=OPTIONS)
    expected.save("recorder://x.json", storage_options=OPTIONS)
    assert evenly.load("recorder://x.json", storage_options=OPTIONS) == expected
    assert recorder
    assert all(seen == OPTIONS for seen in recorder)


def test_options_on_the_command_line(recorder, tmp_path, capsys):
    options = ["--storage-option", "key=abc", "--storage-option", 'client_kwargs={"region": "eu"}']
    output = str(tmp_path / "x.json")
    assert main(["fit", "recorder://d", *options, "-q", "-o", output]) == 0
    assert main(["apply", output, "recorder://d", *options, "-q", "-o", "recorder://y.csv"]) == 0
    assert all(seen == OPTIONS for seen in recorder)
    assert main(["show", output, *options]) == 2
    assert "--storage-option is for URLs" in capsys.readouterr().err
    assert main(["fit", "recorder://d", "--storage-option", "key"]) == 2
    assert "must be KEY=VALUE" in capsys.readouterr().err


@pytest.mark.parametrize("source", ["x.csv", [[1.0]], np.ones((2, 2))])
def test_options_without_a_url_are_rejected(source):
    with pytest.raises(evenly.DataError, match=r"storage_options= is for URLs.*Omit it"):
        evenly.fit(source, storage_options=OPTIONS)
    with pytest.raises(evenly.DataError, match="takes a dict"):
        evenly.fit("memory://x.csv", storage_options="key=abc")


def test_secrets_in_options_are_masked(memory):
    options = {"nested": [{"token": "verysecret"}]}

    def fail(*_, **__):
        raise OSError("denied: verysecret")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(memory), "exists", fail)
        patch.setattr(type(memory), "info", fail)
        patch.setattr(type(memory), "isdir", fail)
        with pytest.raises(evenly.SourceError) as caught:
            evenly.fit("memory://x.csv", storage_options=options)
    assert "denied: …" in str(caught.value)


def test_url_with_options_keeps_them():
    import copy
    import pickle

    url = StorageUrl("s3://b/*.csv", OPTIONS)
    for other in (
        copy.copy(url),
        pickle.loads(pickle.dumps(url)),
        with_path(url, "b/*.csv", "b/1"),
    ):
        assert storage_options_of(other) == OPTIONS
    assert with_path(url, "b/*.csv", "b/1.csv") == "s3://b/1.csv"


# Other databases


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("mysql://me:secret@host/shop?table=t", "pip install adbc-driver-manager"),
        ("snowflake://me:secret@account/db?table=t", "pip install adbc-driver-snowflake"),
        ("bigquery://project?table=t", "pip install adbc-driver-bigquery"),
        ("mysql+pymysql://me:secret@host/shop?table=t", "pip install adbc-driver-manager"),
    ],
)
def test_other_databases_name_their_adbc_driver(url, advice):
    with pytest.raises(evenly.SourceError) as caught:
        evenly.fit(url)
    message = str(caught.value)
    assert "A database URL must be of DuckDB, SQLite or PostgreSQL." in message
    assert f"its ADBC driver ({advice})" in message
    assert "secret" not in message


def test_url_of_sqlalchemy_names_the_plain_one():
    with pytest.raises(evenly.SourceError, match="Write 'postgresql://me:…@h/db\\?table=t'"):
        evenly.fit("postgresql+psycopg2://me:secret@h/db?table=t")
