"""Only regular files are opened, and opening never waits."""

import errno
import os
import socket

import pytest

import evenly
from evenly.system.regular_files import NotRegularError, RegularFile, open_regular

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="of Unix")


@pytest.fixture(params=["pipe", "socket", "device", "link to a device"])
def special(request, tmp_path, monkeypatch):
    """A path that leads to something else than a regular file or a folder."""
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


def test_what_is_no_regular_file_is_refused_without_waiting(special):
    for open_it in (open_regular, RegularFile):
        with pytest.raises(NotRegularError, match="it is not a regular file"):
            open_it(special)


def test_a_descriptor_that_is_refused_is_closed(tmp_path):
    os.mkfifo(tmp_path / "x")
    before = os.listdir("/proc/self/fd") if os.path.isdir("/proc") else []
    for path in (tmp_path / "x", tmp_path):
        with pytest.raises(OSError):  # noqa: PT011
            open_regular(path)
    assert (os.listdir("/proc/self/fd") if os.path.isdir("/proc") else []) == before


def test_a_folder_says_that_it_is_one(tmp_path):
    with pytest.raises(IsADirectoryError):
        RegularFile(tmp_path)


def test_it_is_the_open_file_that_is_checked(tmp_path, monkeypatch):
    """A pipe that takes the place of a file after it was looked at is refused all the same."""
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


def test_a_file_with_a_lease_is_waited_for(tmp_path, monkeypatch):
    """Samba's kernel oplocks: an open that does not wait is refused as long as there is one."""
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


def test_a_read_takes_no_more_memory_than_the_file_has(tmp_path):
    """The header of a damaged archive may ask for any number of bytes."""
    path = tmp_path / "x"
    path.write_bytes(b"a" * 3_000_000)
    with RegularFile(path) as file:
        assert file.read(10) == b"a" * 10
        assert len(file.read(1 << 62)) == 2_999_990
        assert file.read(1 << 62) == b""


def test_the_descriptor_is_not_inherited(tmp_path):
    (tmp_path / "x").touch()
    descriptor, status = open_regular(tmp_path / "x")
    assert (os.get_inheritable(descriptor), status.st_size) == (False, 0)
    os.close(descriptor)


MESSAGE = (
    "A source must be a regular file, not a pipe, socket or device. Received: {!r}. "
    "Write its data to a file first."
)


def test_the_message_is_the_same_for_tables_archives_and_statistics(special, tmp_path):
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


def test_a_url_of_this_machine_is_checked_too(special):
    with pytest.raises(evenly.SourceError, match=r"must be a regular one|must not be empty"):
        evenly.fit(f"file://{os.path.abspath(special)}")
