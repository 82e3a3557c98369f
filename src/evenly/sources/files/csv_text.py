"""Read a CSV file as UTF-8 text, without comments."""

import abc
import codecs
import io
import re
from typing import Protocol

from evenly.errors import SourceError
from evenly.sources import block_sizes
from evenly.sources.files.csv_chunks import Readable, last_break
from evenly.sources.files.csv_options import CsvFormat

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark is its beginning
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_UTF8 = ("utf-8", "utf-8-sig", "ascii")
_QUOTE = ord('"')


class PeekableFile(Readable, Protocol):
    """A binary file whose first bytes can be read without consuming them."""

    def peek(self, size: int) -> bytes:
        """Return the first bytes."""


def open_text(file: PeekableFile, options: CsvFormat, label: str) -> Readable:
    """Return a file as UTF-8 text, with comments blanked.

    The encoding is that of the options, or else that of the byte order mark, or else UTF-8.
    Bytes that are not valid are kept if the file is read as UTF-8: only the names and the group
    keys of a file have to be valid.

    Raises
    ------
    SourceError
        If the file is not text.
    """
    head = file.peek(4096)
    marked = next((name for mark, name in _BYTE_ORDER_MARKS.items() if head.startswith(mark)), None)
    encoding = options.encoding or marked or "utf-8"
    if encoding in _UTF8:
        _check_no_null_bytes(head, label)
        text: Readable = file
        if marked == "utf-8":
            file.read(len(codecs.BOM_UTF8))
    else:
        text = DecodedFile(file, encoding, label)
    return text if options.comment is None else UncommentedFile(text, options.comment.encode())


def _check_no_null_bytes(head: bytes, label: str) -> None:
    if b"\0" in head:
        raise SourceError(
            f"A CSV file must be text. Received: {label}, which contains null bytes. If it is in "
            "another format, give it the suffix of that format; if it is text in UTF-16, pass "
            "csv={'encoding': 'utf-16-le'}."
        )


class _ConvertedFile(abc.ABC):
    """A text file that is converted block by block while it is read."""

    def __init__(self, file: Readable) -> None:
        self._file = file
        self._at_end = False

    def read(self, size: int) -> bytes:
        """Return at least ``size`` bytes; fewer only at the end of the file."""
        text = io.BytesIO()
        while text.tell() < size and not self._at_end:
            block = block_sizes.current.csv_text_bytes
            data = self._file.read(block)
            self._at_end = len(data) < block
            text.write(self._convert(data))
        return text.getvalue()

    @abc.abstractmethod
    def _convert(self, data: bytes) -> bytes:
        """Return the text that ends in a block of the file, which may be the last one."""


class DecodedFile(_ConvertedFile):
    """A text file in any encoding, read as UTF-8."""

    def __init__(self, file: Readable, encoding: str, label: str) -> None:
        super().__init__(file)
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._encoding = encoding
        self._label = label

    def _convert(self, data: bytes) -> bytes:
        try:
            return self._decoder.decode(data, self._at_end).encode("utf-8", "surrogatepass")
        except UnicodeError as error:
            if not isinstance(error, UnicodeDecodeError):  # the decoders of UTF-16 and UTF-32
                raise SourceError(
                    f"A CSV file in {self._encoding} must begin with a byte order mark. Received: "
                    f"{self._label}, which has none. Pass the order of its bytes: "
                    f"csv={{'encoding': '{self._encoding}-le'}}, for example."
                ) from None
            wrong = error.object[error.start : error.start + 1]
            raise SourceError(
                f"A CSV file must be text in its encoding. Received: {self._label}, which "
                f"contains the byte {wrong[0]:#x}, not valid in {self._encoding}. Pass its "
                "encoding: csv={'encoding': 'latin-1'}, for example."
            ) from None


class UncommentedFile(_ConvertedFile):
    """A text file without the comments; their line breaks are kept.

    An empty line is skipped by CSV readers, so line numbers in messages stay right. Within
    quotes, a comment is text.
    """

    def __init__(self, file: Readable, comment: bytes) -> None:
        super().__init__(file)
        self._token = re.compile(rb'"[^"]*(?:"|\Z)|' + re.escape(comment) + rb"[^\r\n]*")
        self._rest = b""

    def _convert(self, data: bytes) -> bytes:
        """Return the complete lines without comments; keep the rest for the next block."""
        data = self._rest + data
        end = len(data) if self._at_end else last_break(data, len(data))
        kept, start = [], 0
        for token in self._token.finditer(data, 0, end):
            quoted = data[token.start()] == _QUOTE
            if quoted and not self._at_end and token[0].count(b'"') < 2:
                end = token.start()  # the quotes end in the next block
                break
            kept.append(data[start : token.end() if quoted else token.start()])
            start = token.end()
        kept.append(data[start:end])
        self._rest = data[end:]
        return b"".join(kept)
