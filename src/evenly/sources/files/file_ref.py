"""The kind, suffix and compression of a file, from its path or URL."""

import os
from typing import Literal, NamedTuple, TypeAlias

from evenly.redaction import redact_url
from evenly.sources.files.partitions import PartitionValue
from evenly.sources.sql.url import is_database
from evenly.sources.urls import is_url, names_in

DATA_SUFFIXES = (
    *(".parquet", ".pq", ".arrow", ".arrows", ".feather", ".ipc"),
    *(".csv", ".tsv", ".npy", ".npz", ".zip", ".h5", ".hdf5", ".nc", ".zarr"),
)
ARRAY_SUFFIXES = (".npy", ".npz", ".zarr", ".h5", ".hdf5", ".nc")
COMPRESSED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst")
IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".tif", ".tiff"),
    *(".bmp", ".gif", ".pbm", ".pgm", ".ppm", ".pnm"),
)
TAR_SUFFIXES = (".tar", ".tgz", *(f".tar{suffix}" for suffix in COMPRESSED_SUFFIXES))
KNOWN_SUFFIXES = (
    *(*DATA_SUFFIXES, *COMPRESSED_SUFFIXES, *IMAGE_SUFFIXES, *TAR_SUFFIXES),
    *(".tab", ".txt"),
)

FileKind: TypeAlias = Literal[
    "image", "tar", "zip", "table", "store", "database", "folder link", "other"
]
"""``"table"`` is any file of rows, also of arrays; ``"store"`` a Zarr store; ``"folder link"`` a
link to a folder, which is not followed. A zip archive can hold images or tables."""


class FileRef(NamedTuple):
    """A file, as one scan found it.

    Attributes
    ----------
    path
        The path or URL, which begins with the source.
    kind
        The kind of the file.
    suffix, compression
        The suffix of the format, and that of the compression: ``".csv"`` and ``".gz"``.
    named
        Whether the file is a source itself or matches a pattern, and was not found in a folder.
    size
        The size in bytes if the scan has read it; otherwise None.
    internal
        Whether its name, or that of a folder on the way to it, begins with an underscore. Spark
        and Hive use such names for files that are not part of a table.
    partition
        The columns in the names of its folders.
    """

    path: str
    kind: FileKind
    suffix: str
    compression: str
    named: bool
    size: int | None = None
    internal: bool = False
    partition: tuple[PartitionValue, ...] = ()

    @property
    def is_url(self) -> bool:
        """Whether the path is a URL."""
        return is_url(self.path)

    @property
    def is_array(self) -> bool:
        """Whether the file may hold arrays, whose columns are chosen by position."""
        return self.suffix in ARRAY_SUFFIXES

    @property
    def is_table(self) -> bool:
        """Whether the file belongs to a source of tables or arrays."""
        if self.internal or self.kind == "folder link":
            return False
        return self.kind in ("table", "zip", "store", "database") or self.named or self.is_url

    @property
    def label(self) -> str:
        """The path without secrets, for messages."""
        return redact_url(self.path)


def file_ref(path: str, *, named: bool, size: int | None = None, internal: bool = False) -> FileRef:
    """Return the description of a file by its name.

    >>> file_ref("days/flights.CSV.gz", named=False)[1:4]
    ('table', '.csv', '.gz')
    """
    suffix, compression = suffixes_of(path)
    return FileRef(path, file_kind(path), suffix, compression, named, size, internal)


def file_kind(path: str) -> FileKind:
    """Return the kind of a file by its name.

    >>> [file_kind(name) for name in ("cat.JPG", "shard-000.tar.gz", "flights.csv", "cat.json")]
    ['image', 'tar', 'table', 'other']
    """
    if is_url(path) and is_database(path):
        return "database"
    if is_store_url(path):
        return "store"
    name = name_of(path)
    if is_image_file(name):
        return "image"
    if is_tar(name):
        return "tar"
    if name.lower().endswith(".zip"):
        return "zip"
    return "table" if is_data_file(os.path.basename(name)) else "other"


def is_archive(path: str) -> bool:
    """Return whether a file is an archive that may hold images, by its name."""
    return file_kind(path) in ("tar", "zip")


def is_store_url(path: str) -> bool:
    """Return whether a URL leads to a Zarr store, by its suffix."""
    return is_url(path) and "::" not in path and suffixes_of(path.rstrip("/"))[0] == ".zarr"


def name_of(path: str) -> str:
    """Return the part of a path or URL that names the file: a URL without its query.

    If that does not end with a known suffix, a value in the query may: ``?file=x.csv``.

    >>> name_of("days/1.csv"), name_of("https://host/x.csv?sig=0f3c")
    ('days/1.csv', 'https://host/x.csv')
    """
    if not is_url(path):
        return path
    names = list(names_in(path))
    return next((name for name in names if name.lower().endswith(KNOWN_SUFFIXES)), names[0])


def suffixes_of(path: str) -> tuple[str, str]:
    """Return the suffix of the format, and that of the compression, if any.

    >>> suffixes_of("flights.CSV.gz"), suffixes_of("x.npy")
    (('.csv', '.gz'), ('.npy', ''))
    """
    name = name_of(path).rstrip("/")
    stem, last = os.path.splitext(name)
    if last == ".":
        return "", ""
    if last.lower() in COMPRESSED_SUFFIXES:
        return os.path.splitext(stem)[1].lower(), last.lower()
    return last.lower(), ""


def is_data_file(path: str) -> bool:
    """Return whether a file in a folder or an archive is a data file."""
    parts = name_of(path).replace(os.sep, "/").split("/")
    hidden = any(part.startswith((".", "_")) for part in parts if part != ".")
    return not hidden and suffixes_of(path)[0] in DATA_SUFFIXES


def is_image_file(path: str) -> bool:
    """Return whether a file is an image, by its suffix.

    >>> is_image_file("n01440764_10026.JPEG"), is_image_file("labels.json")
    (True, False)
    """
    name = name_of(path)
    return name[name.rfind(".") :].lower() in IMAGE_SUFFIXES


def is_hidden_image(path: str) -> bool:
    """Return whether an image is a system's hidden copy: ``._cat.jpg``, ``__MACOSX/``.

    Other names may begin with an underscore, such as those of cameras: ``_DSC0042.JPG``.
    """
    parts = path.replace(os.sep, "/").split("/")
    return any(
        part == "__MACOSX" or (part.startswith(".") and part.strip(".") != "") for part in parts
    )


def is_tar(path: str) -> bool:
    """Return whether a file is a tar archive, compressed or not, by its suffix."""
    return name_of(path).lower().endswith(TAR_SUFFIXES)
