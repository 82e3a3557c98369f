"""Files that fsspec opens, whose errors name them and quote no secrets."""

import io
from collections.abc import Callable
from typing import Any

from evenly.errors import EvenlyError, SourceError


class RemoteFile(io.RawIOBase):
    """A file of fsspec's, whose errors name it and have no secrets.

    Parameters
    ----------
    file
        What fsspec has opened.
    filesystem
        The file system that it is of, which is kept as long as the file: an archive's would be
        closed.
    refused
        Makes the error from what the file raised.
    """

    def __init__(
        self, file: Any, filesystem: Any, refused: Callable[[Exception], SourceError]
    ) -> None:
        self._file = file
        self._filesystem = filesystem
        self._refused = refused

    def _call(self, name: str, *arguments: Any) -> Any:
        """Call a method of the file; its error becomes one without a context, which has the URL."""
        try:
            return getattr(self._file, name)(*arguments)
        except (EvenlyError, MemoryError):
            raise
        except Exception as error:
            refusal = self._refused(error)
        raise refusal

    def read(self, size: int | None = -1) -> bytes:
        """Return up to so many bytes."""
        return self._call("read", -1 if size is None else size)  # type: ignore[no-any-return]

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, and return the number of bytes."""
        view = memoryview(buffer).cast("B")
        content = self.read(len(view))
        view[: len(content)] = content
        return len(content)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        return self._call("seek", offset, whence)  # type: ignore[no-any-return]

    def tell(self) -> int:
        """Return the label."""
        return self._call("tell")  # type: ignore[no-any-return]

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Whether it can be read from any label."""
        return bool(self._call("seekable"))

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._file.close()
        super().close()
