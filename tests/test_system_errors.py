"""What is a failure of the system, and what is wrong with a file."""

import errno
import tarfile
import zlib

import pytest

from evenly import SourceError
from evenly.system.errors import is_system_error, system_error

OF_THE_SYSTEM = ["EMFILE", "ENFILE", "EIO", "ESTALE", "ENOMEM", "EAGAIN", "ENOTCONN", "ETIMEDOUT"]
OF_THE_FILE = ["ENOENT", "EACCES", "EPERM", "ELOOP", "EISDIR", "ENOTDIR", "ENAMETOOLONG", "EINVAL"]


@pytest.mark.parametrize("name", OF_THE_SYSTEM)
def test_errors_of_the_system(name):
    assert is_system_error(OSError(getattr(errno, name), name))


@pytest.mark.parametrize("name", OF_THE_FILE)
def test_errors_of_a_file(name):
    assert not is_system_error(OSError(getattr(errno, name), name))


def test_errors_without_a_number():
    """Decoders raise them for damaged data; file systems far away for what is missing."""
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
def test_the_message_says_that_the_file_is_not_to_blame(error, reason, advice):
    raised = system_error("x.jpg", error)
    assert isinstance(raised, SourceError)
    assert str(raised).startswith(
        f"The system must be able to read a source. Received: 'x.jpg': {reason}. This is a limit "
        "or a failure of the system, and not a fault of the file. "
    )
    assert advice in str(raised)
    assert is_system_error(raised)


def test_a_message_quotes_one_line_of_some_length():
    text = str(system_error("s3://x", ConnectionError("a" * 400 + "\nb")))
    assert f"{'a' * 300}…. This is a limit" in text
