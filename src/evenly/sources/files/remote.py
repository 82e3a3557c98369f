"""Wrap files opened by fsspec, so that errors name the file and do not contain secrets."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from evenly.errors import EvenlyError, SourceError

if TYPE_CHECKING:
    import fsspec
    import fsspec.spec


class RemoteFile(io.RawIOBase):
    """A file opened by fsspec, whose errors name it and do not contain secrets.

    Parameters
    ----------
    file
        The file object of fsspec.
    filesystem
        Its file system, which is kept alive as long as the file: that of an archive would be
        closed otherwise.
    make_error
        Convert an exception of the file to a `SourceError`.
    """

    def __init__(
        self,
        file: "fsspec.spec.AbstractBufferedFile",
        filesystem: "fsspec.AbstractFileSystem",
        make_error: Callable[[Exception], SourceError],
    ) -> None:
        self._file = file
        self._filesystem = filesystem
        self._make_error = make_error

    def _call(self, name: str, *arguments: object) -> Any:
        """Call a method of the file; convert exceptions, without the original as context."""
        try:
            return getattr(self._file, name)(*arguments)
        except (EvenlyError, MemoryError):
            raise
        except Exception as error:
            converted = self._make_error(error)
        raise converted

    def read(self, size: int | None = -1) -> bytes:
        """Return up to ``size`` bytes."""
        return self._call("read", -1 if size is None else size)  # type: ignore[no-any-return]

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer; return the number of bytes."""
        view = memoryview(buffer).cast("B")
        content = self.read(len(view))
        view[: len(content)] = content
        return len(content)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a position; return it."""
        return self._call("seek", offset, whence)  # type: ignore[no-any-return]

    def tell(self) -> int:
        """Return the current position."""
        return self._call("tell")  # type: ignore[no-any-return]

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return whether the file can be read from any position."""
        return bool(self._call("seekable"))

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._file.close()
        super().close()
