"""Errors of the system and errors of files."""

import errno
import tarfile
import zlib

import pytest

from evenly import SourceError
from evenly.system.errors import is_system_error, system_error

OF_THE_SYSTEM = ["EMFILE", "ENFILE", "EIO", "ESTALE", "ENOMEM", "EAGAIN", "ENOTCONN", "ETIMEDOUT"]
OF_THE_FILE = ["ENOENT", "EACCES", "EPERM", "ELOOP", "EISDIR", "ENOTDIR", "ENAMETOOLONG", "EINVAL"]


@pytest.mark.parametrize("name", OF_THE_SYSTEM)
def test_is_system_error(name):
    assert is_system_error(OSError(getattr(errno, name), name))


@pytest.mark.parametrize("name", OF_THE_FILE)
def test_is_not_system_error(name):
    assert not is_system_error(OSError(getattr(errno, name), name))


def test_errors_without_errno():
    """Decoders raise them for damaged data, remote file systems for missing files."""
    for error in (
        OSError("truncated"),
        EOFError(),
        zlib.error(),
        tarfile.ReadError(),
        ValueError(),
    ):
        assert not is_system_error(error)
    for error in (FileNotFoundError("s3://x"), PermissionError("s3://x")):
        assert not is_system_error(error)
    for error in (MemoryError(), TimeoutError(), ConnectionResetError()):
        assert is_system_error(error)


@pytest.mark.parametrize(
    ("error", "reason", "advice"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files (EMFILE)", "ulimit -n"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error (EIO)", "Check the disk"),
        (MemoryError(), "Cannot allocate memory (ENOMEM)", "ulimit -v"),
        (TimeoutError(), "TimeoutError", "or the connection"),
    ],
)
def test_system_error_message(error, reason, advice):
    raised = system_error("x.jpg", error)
    assert isinstance(raised, SourceError)
    assert str(raised).startswith(
        f"The system must be able to read a source. Received: 'x.jpg': {reason}. This is a limit "
        "or a failure of the system, not of the file. "
    )
    assert advice in str(raised)
    assert is_system_error(raised)


def test_system_error_quotes_one_shortened_line():
    text = str(system_error("s3://x", ConnectionError("a" * 400 + "\nb")))
    assert f"{'a' * 300}…. This is a limit" in text
