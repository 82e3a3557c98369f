"""Tests of URLs with chains, queries and passwords."""

import http.server
import io
import logging
import socket
import tarfile
import threading
import traceback
import zipfile

import fsspec
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from PIL import Image

import evenly
from evenly.cli import main
from evenly.sources.files.file_ref import file_kind, suffixes_of
from evenly.sources.urls import is_pattern, with_path, without_caches
from http_server import serving

pytest.importorskip("aiohttp")

QUERY = "?sig=s3cret1&id=7&X-Amz-Date=1"
AGAIN = "?sig=s3cret2&id=7&X-Amz-Date=2"
TABLE = pa.table({"a": [1.0, 3.0], "b": [2.0, 4.0]})
CSV = b"a,b\n1,2\n3,4\n"


def written(write):
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def zipped(**members):
    def write(buffer):
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in members.items():
                archive.writestr(name.replace("_", "/", 1).replace("_", "."), content)

    return written(write)


def tarred(content):
    def write(buffer):
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            member = tarfile.TarInfo("x/1.png")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))

    return written(write)


def hdf5(buffer):
    with h5py.File(buffer, "w") as file:
        file["x"] = np.array([[1.0, 2.0], [3.0, 4.0]])


PNG = written(lambda buffer: Image.new("RGB", (2, 2), (1, 2, 3)).save(buffer, "PNG"))
FILES = {
    "/x.csv": CSV,
    "/days/1.csv": CSV,
    "/days/2.csv": b"a,b\n5,6\n",
    "/x.zip": zipped(in_1_csv=CSV, in_2_csv=b"a,b\n5,6\n"),
    "/x.parquet": written(lambda buffer: pa.parquet.write_table(TABLE, buffer)),
    "/x.arrow": written(lambda buffer: pa.feather.write_feather(TABLE, buffer)),
    "/x.npy": written(lambda buffer: np.save(buffer, np.array([[1.0, 2.0], [3.0, 4.0]]))),
    "/x.npz": written(lambda buffer: np.savez(buffer, np.array([[1.0, 2.0], [3.0, 4.0]]))),
    "/x.h5": written(hdf5),
    "/x.png": PNG,
    "/images.zip": zipped(in_1_png=PNG),
    "/x.tar": tarred(PNG),
    "/text.csv": b"a\n1\nx\n",
    "/inf.csv": b"a\ninf\n",
    "/empty.csv": b"",
    "/cut.parquet": b"PAR1",
    "/cut.zip": b"PK\x03\x04",
    "/cut.png": PNG[:30],
    "/cut.h5": b"\x89HDF\r\n\x1a\n",
    "/x.what": b"what?",
}


@pytest.fixture(scope="module")
def web():
    with serving(FILES) as web:
        yield web


@pytest.fixture
def host(web):
    return f"me:s3cret@{web.host}"


URLS = {
    "CSV": "http://{}/x.csv?",
    "folder": "http://{}/days/",
    "pattern": "http://{}/days/*.csv",
    "zip": "http://{}/x.zip?",
    "Parquet": "http://{}/x.parquet?",
    "Arrow": "http://{}/x.arrow?",
    "NPY": "http://{}/x.npy?",
    "NPZ": "http://{}/x.npz?",
    "HDF5": "http://{}/x.h5?",
    "image": "http://{}/x.png?",
    "images in a zip": "http://{}/images.zip?",
    "images in a tar": "http://{}/x.tar?",
    "no suffix but in the query": "http://{}/x.csv?&file=x.csv",
    "characters of patterns in the query": "http://{}/x.csv?&columns=[ab]*",
    "copy": "simplecache::http://{}/x.csv?",
    "copy of Parquet": "simplecache::http://{}/x.parquet?",
    "member": "zip://in/1.csv::http://{}/x.zip?",
    "members": "zip://in/*.csv::http://{}/x.zip?",
    "all members": "zip::http://{}/x.zip?",
    "members of a copy": "zip://**/*.csv::simplecache::http://{}/x.zip?",
    "image of a zip": "zip://in/*.png::http://{}/images.zip?",
}


@pytest.mark.parametrize("name", URLS)
def test_fit_and_resume_url_without_writing_secrets(name, host, web, tmp_path):
    url = URLS[name].format(host).replace("?", QUERY)
    state = tmp_path / "state.json"
    seen = []
    moments = evenly.fit(url, checkpoint=state, progress=seen.append)
    assert moments == evenly.fit(url)
    assert moments.rows in (2, 3, 4)
    again = url.replace(QUERY, AGAIN).replace("s3cret@", "other@")
    assert evenly.fit(again, checkpoint=state, progress=pytest.fail) == moments
    assert evenly.fit(again, update=state, progress=pytest.fail) == moments
    texts = [state.read_text(), repr(moments), *moments.sources, *(done.place for done in seen)]
    assert "s3cret" not in "".join(texts)
    assert web.host in moments.sources[0]


def test_password_is_sent_to_server(host, web):
    evenly.fit(f"http://{host}/x.csv")
    assert web.users[-1] == "Basic bWU6czNjcmV0"


def test_two_object_versions_are_two_files(host, tmp_path):
    state = tmp_path / "state.json"
    for version in (1, 2):
        evenly.fit(f"http://{host}/x.csv?versionId={version}&token=s3cret", update=state)
    assert evenly.load(state).rows == 4


def test_cached_url_is_the_same_file(host, tmp_path):
    state = tmp_path / "state.json"
    evenly.fit(f"http://{host}/x.csv", update=state)
    again = f"simplecache::http://{host}/x.csv"
    assert evenly.fit(again, update=state, progress=pytest.fail).rows == 2


def test_http_file_is_not_downloaded_to_list_links(web):
    del web.seen[:]
    evenly.fit(f"http://{web.host}/x.parquet")
    assert len(web.seen) < 8
    assert not [line for line in web.seen if line.endswith("/x.parquet/")]


BAD = [
    *("/none.csv", "/text.csv", "/inf.csv", "/empty.csv", "/cut.parquet", "/cut.zip", "/cut.png"),
    *("/cut.h5", "/x.what", "/none/*.csv", "/none/"),
]


def quoted(error):
    """Return all texts of an error that a program may record."""
    texts = []
    while error is not None:
        texts += [str(error), repr(error), *getattr(error, "__notes__", ())]
        error = error.__cause__ or error.__context__
    return "".join(texts)


@pytest.mark.parametrize("chain", ["", "zip://*.csv::", "zip://1.png::"])
@pytest.mark.parametrize("path", BAD)
def test_errors_contain_no_secrets(path, chain, host, tmp_path, caplog):
    caplog.set_level(logging.DEBUG, logger="evenly")
    url = f"{chain}http://{host}{path}{QUERY}"
    for options in ({}, {"checkpoint": tmp_path / "state.json"}, {"broken": "error"}):
        with pytest.raises(evenly.errors.EvenlyError) as caught:
            evenly.fit(url, **options)
        assert "s3cret" not in quoted(caught.value)
    assert "s3cret" not in caplog.text
    last = traceback.format_exception_only(caught.value)
    assert "me:…@" in "".join(last)


@pytest.mark.parametrize("path", ["/x.csv", "/text.csv", "/none.csv", "/images.zip", "/x.what"])
def test_commands_print_no_secrets(path, host, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    url = f"http://{host}{path}{QUERY}"
    main(["fit", url, "-o", "o.json", "--checkpoint", "s.json"])
    main(["fit", url, "--columns", "no"])
    main(["fit", url, "-o", url])
    main(["fit", url, "--update", url])
    main(["apply", "o.json", url, "-o", "out.parquet"])
    main(["apply", url, url, "-o", url])
    main(["show", url])
    main(["show", "--json", "s.json"])
    main(["merge", url, "s.json", "-o", "m.json"])
    printed = capfd.readouterr()
    assert "s3cret" not in printed.out + printed.err
    assert "…" in printed.err
    for file in tmp_path.glob("*.json"):
        assert "s3cret" not in file.read_text()


def test_apply_to_url(host, tmp_path):
    url = f"http://{host}/x.csv{QUERY}"
    moments = evenly.fit(url)
    moments.save(tmp_path / "m.json")
    out = tmp_path / "out.parquet"
    assert main(["apply", str(tmp_path / "m.json"), url, "-o", str(out), "-q"]) == 0
    assert evenly.fit(out).mean.tolist() == [0, 0]


def test_secret_saved_by_older_version_is_masked(host, tmp_path):
    state = tmp_path / "state.json"
    url = f"http://{host}/x.csv"
    moments = evenly.fit(url, checkpoint=state)
    old = state.read_text().replace("me:…@", "me:s3cret@")
    assert old.count("s3cret") == 2
    state.write_text(old)
    assert "s3cret" not in evenly.load(state).sources[0]
    assert evenly.fit(url, checkpoint=state, progress=pytest.fail) == moments
    evenly.load(state).save(tmp_path / "m.json")
    assert "s3cret" not in (tmp_path / "m.json").read_text()


@pytest.mark.parametrize("suffix", [".csv", ".npy", ".png", ".tar", ".zip", ".csv.gz", ".PARQUET"])
@pytest.mark.parametrize(
    "url",
    [
        "https://host/x{}",
        "https://host/x{}?sig=a/b.c&id=_d",
        "https://host/x{}#part.json",
        "https://host/download?file=x{}&sig=a",
        "s3://bucket/x{}?versionId=a.b",
        "simplecache::s3://bucket/x{}",
        "zip://in/x{}::simplecache::https://host/x.what?sig=a.b",
    ],
)
def test_url_suffix_is_that_of_path(url, suffix):
    assert suffixes_of(url.format(suffix)) == suffixes_of(f"x{suffix}")
    assert file_kind(url.format(suffix)) == file_kind(f"x{suffix}")


def test_url_query_is_not_a_pattern():
    assert is_pattern("https://host/day-*.csv")
    assert is_pattern("s3://bucket/day-?.csv")
    assert is_pattern("zip://*.csv::https://host/x.zip?sig=a")
    assert not is_pattern("https://host/x.csv?columns=[a]&q=*")
    assert not is_pattern("s3://bucket/x.csv?versionId=a")
    assert not is_pattern("zip://1.csv::https://host/x.zip?sig=*")


def test_with_path_keeps_host_and_chain():
    assert with_path("ftp://me@host/a/*", "/a/*", "/a/1") == "ftp://me@host/a/1"
    assert with_path("https://host/a/", "https://host/a/", "https://host/a/1") == "https://host/a/1"
    chain = "zip://*.csv::simplecache::https://host/x.zip?sig=a"
    assert with_path(chain, "*.csv", "1.csv") == chain.replace("*", "1")
    assert with_path("zip::s3://b/x.zip", "", "1.csv") == "zip://1.csv::s3://b/x.zip"


def test_cache_links_are_removed():
    chain = "zip://a.csv::filecache::https://host/x.zip"
    assert without_caches(chain) == "zip://a.csv::https://host/x.zip"


def test_remote_file_name_with_pattern_characters():
    fsspec.filesystem("memory").pipe("/odd/x[1].csv", CSV)
    assert evenly.fit("memory://odd/x[1].csv").rows == 2


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "the server answered 401 Unauthorized; pass credentials, with storage_options= for"),
        (403, "the server answered 403 Forbidden; pass credentials"),
        (404, "and there is no such file"),
        (410, "and there is no such file"),
        (429, "the server answered 429 Too Many Requests."),
        (503, "the server answered 503 Service Unavailable."),
    ],
)
def test_the_answer_of_a_web_server_is_named(status, reason):
    # fsspec reports every answer as a missing file.
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(status)

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            with pytest.raises(evenly.SourceError) as refused:
                evenly.fit(f"http://127.0.0.1:{server.server_port}/x.csv?sig=hidden")
        finally:
            server.shutdown()
    assert reason in str(refused.value)
    assert "hidden" not in str(refused.value)


def test_a_web_server_that_cannot_be_reached_is_no_missing_file():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # without listening
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/x.csv?sig=hidden"
        with pytest.raises(evenly.SourceError, match="Connect call failed") as refused:
            evenly.fit(url)
    assert "no such file" not in str(refused.value)
    assert "hidden" not in str(refused.value)
