"""Tests of fingerprints of local and remote files."""

import errno
import os
from datetime import UTC, datetime

import fsspec
import pytest

import evenly
from evenly.sources.files.fingerprint import Fingerprint, Watch, fingerprint


def test_fingerprint_has_size_and_time(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b"x\n1\n")
    os.utime(path, ns=(0, 1_767_225_600_123_456_789))
    assert fingerprint(str(path)) == Fingerprint(4, 1_767_225_600_123_456_789)


@pytest.mark.parametrize(
    ("info", "modified"),
    [
        ({"ETag": '"9b2c"', "LastModified": datetime(2026, 1, 1, tzinfo=UTC)}, '"9b2c"'),
        ({"LastModified": datetime(2026, 1, 1, tzinfo=UTC)}, 1_767_225_600 * 10**9),
        ({"mtime": 1.5}, 1_500_000_000),
        ({"updated": "2026-01-01T00:00:00Z"}, "2026-01-01T00:00:00Z"),
        ({"etag": "x" * 300}, "x" * 200),
        ({}, None),
    ],
)
def test_remote_fingerprint_prefers_version(info, modified, monkeypatch):
    memory = fsspec.filesystem("memory")
    monkeypatch.setattr(type(memory), "info", lambda *_, **__: {"size": 7, **info})
    assert fingerprint("memory://x.csv") == Fingerprint(7, modified)


def test_fingerprint_of_missing_file_is_an_error(tmp_path):
    with pytest.raises(evenly.SourceError, match=r"must be readable. Received: '.*absent'"):
        fingerprint(str(tmp_path / "absent"))


def test_watch_raises_system_error(tmp_path, monkeypatch):
    path = tmp_path / "x.csv"
    path.write_bytes(b"x\n1\n")
    watch = Watch()
    watch.open(str(path))

    def stat(name):
        raise OSError(errno.EIO, os.strerror(errno.EIO), name)

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", stat)
        with pytest.raises(evenly.SourceError, match=r"must be able to read .* \(EIO\)"):
            watch.changed(str(path))
    assert watch.changed(str(path)) is None
    path.unlink()
    assert watch.changed(str(path)) == Fingerprint(0, None)
