"""Only regular files are opened, and opening never blocks."""

import errno
import os
import socket

import pytest

import evenly
from evenly.system.regular_files import NotRegularError, RegularFile, open_regular

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="of Unix")


@pytest.fixture(params=["pipe", "socket", "device", "link to a device"])
def special(request, tmp_path, monkeypatch):
    """Create a path that is not a regular file or a folder."""
    path = tmp_path / "x"
    if request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "socket":
        monkeypatch.chdir(tmp_path)  # its path may only be short
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("x")
    elif request.param == "device":
        return "/dev/zero"
    else:
        path.symlink_to("/dev/zero")
    return str(path)


def test_open_special_file_raises_without_blocking(special):
    for open_it in (open_regular, RegularFile):
        with pytest.raises(NotRegularError, match="it is not a regular file"):
            open_it(special)


def test_descriptor_is_closed_on_error(tmp_path):
    os.mkfifo(tmp_path / "x")
    before = os.listdir("/proc/self/fd") if os.path.isdir("/proc") else []
    for path in (tmp_path / "x", tmp_path):
        with pytest.raises(OSError):  # noqa: PT011
            open_regular(path)
    assert (os.listdir("/proc/self/fd") if os.path.isdir("/proc") else []) == before


def test_open_folder_raises_is_a_directory_error(tmp_path):
    with pytest.raises(IsADirectoryError):
        RegularFile(tmp_path)


def test_open_file_is_checked_not_the_path(tmp_path, monkeypatch):
    """A pipe that replaces a file after a check of the path is rejected."""
    path = tmp_path / "x"
    path.write_bytes(b"abc")

    def swap(path, flags):
        os.remove(path)
        os.mkfifo(path)
        return os_open(path, flags)

    os_open = os.open
    monkeypatch.setattr(os, "open", swap)
    with pytest.raises(NotRegularError):
        open_regular(path)


def test_open_waits_for_lease(tmp_path, monkeypatch):
    """With Samba's kernel oplocks a nonblocking open fails while there is a lease."""
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    os_open = os.open

    def leased(path, flags):
        if flags & os.O_NONBLOCK:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        return os_open(path, flags)

    monkeypatch.setattr(os, "open", leased)
    with RegularFile(path) as file:
        assert file.read() == b"abc"


def test_large_read_is_limited_to_file_size(tmp_path):
    """The header of a damaged archive may request any number of bytes."""
    path = tmp_path / "x"
    path.write_bytes(b"a" * 3_000_000)
    with RegularFile(path) as file:
        assert file.read(10) == b"a" * 10
        assert len(file.read(1 << 62)) == 2_999_990
        assert file.read(1 << 62) == b""


def test_descriptor_is_not_inherited(tmp_path):
    (tmp_path / "x").touch()
    descriptor, status = open_regular(tmp_path / "x")
    assert (os.get_inheritable(descriptor), status.st_size) == (False, 0)
    os.close(descriptor)


MESSAGE = (
    "A source must be a regular file, not a pipe, socket or device. Received: {!r}. "
    "Write its data to a file first."
)


def test_message_for_tables_archives_and_statistics(special, tmp_path):
    for read, suffix in [
        *((evenly.fit, suffix) for suffix in (".csv", ".npy", ".arrow", ".parquet", ".h5", ".npz")),
        *((evenly.fit, suffix) for suffix in (".tar", ".tar.gz", ".zip")),
        (evenly.load, ".json"),
    ]:
        path = tmp_path / f"y{suffix}"
        path.symlink_to(special)
        with pytest.raises(evenly.SourceError) as caught:
            read(path)
        assert str(caught.value) == MESSAGE.format(str(path))


def test_file_url_is_checked(special):
    with pytest.raises(evenly.SourceError, match=r"must be a regular one|must not be empty"):
        evenly.fit(f"file://{os.path.abspath(special)}")
