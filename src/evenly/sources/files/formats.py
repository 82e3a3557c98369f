"""Detect the format of a file by its first bytes, and explain formats that cannot be read."""

from evenly.errors import SourceError
from evenly.sources.files import archives, arrow_ipc, npy
from evenly.sources.files.file_ref import DATA_SUFFIXES
from evenly.sources.files.other_formats import (
    other_image,
    other_image_by_name,
    other_image_error_text,
    reading_advice,
)
from evenly.sources.files.recordings import recording_error_text, recording_of
from evenly.sources.stores import hdf5

HEAD_BYTES = 12
"""The number of first bytes that `detect_format` needs."""

_MAGIC = {
    b"PAR1": "parquet",
    arrow_ipc.FILE_MAGIC: "ipc file",
    arrow_ipc.STREAM_MAGIC: "ipc stream",
    arrow_ipc.OLD_FEATHER_MAGIC: "feather 1",
    npy.MAGIC: "npy",
    archives.MAGIC: "zip",
    archives.EMPTY_MAGIC: "zip",
    hdf5.MAGIC: "HDF5",
    b"CDF": "NetCDF 3",
    b"SQLite f": "SQLite",
}
"""Formats by the first bytes of their files."""

_BINARY = {
    **dict.fromkeys((".parquet", ".pq"), "Parquet"),
    **dict.fromkeys((".arrow", ".arrows", ".feather", ".ipc"), "Arrow"),
    **dict.fromkeys((".npy",), "NPY"),
    **dict.fromkeys((".npz", ".zip"), "zip"),
    **dict.fromkeys((".h5", ".hdf5", ".nc"), "HDF5"),
}
"""Formats by the suffixes of their files."""

_REJECTED = {
    "NetCDF 3": (
        "NetCDF must be of version 4, which is HDF5. Received: {}, of version 3. Convert it "
        "(nccopy -k nc4), or open it with xarray and pass the result."
    ),
    "SQLite": (
        "A database source needs a table or a query. Received: {0}, which is SQLite. "
        "Pass the URL sqlite:///{0}?table=NAME."
    ),
    "DuckDB": (
        "A database source needs a table or a query. Received: {0}, which is DuckDB. "
        "Pass the URL duckdb:///{0}?table=NAME."
    ),
}
"""Formats that are not read, and the message that says what to do."""

TEXT_DELIMITERS = {".csv": None, ".tsv": "\t", ".tab": "\t", ".txt": None}
"""The suffixes of text files, and the delimiter that each implies; None to detect it."""


def detect_format(head: bytes) -> str | None:
    r"""Return the format of a file by its first bytes; None for text, and for unknown formats.

    >>> detect_format(b"PAR1"), detect_format(b"x,y\n1,2\n")
    ('parquet', None)
    """
    if head[8:] == b"DUCK":
        return "DuckDB"
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


def check_not_rejected(file_format: str | None, label: str) -> None:
    """Check that a format is not one for which a message says what to do instead.

    Raises
    ------
    SourceError
        If it is.
    """
    if file_format in _REJECTED:
        raise SourceError(_REJECTED[file_format].format(label))


def unknown_format_error(label: str, suffix: str, head: bytes) -> SourceError:
    """Return the error for a file whose format is not known by its first bytes and suffix."""
    found = recording_of(head)
    if found:
        return SourceError(recording_error_text(label, found))
    image = other_image(head) or other_image_by_name(f"x{suffix}")
    if image:
        return SourceError(other_image_error_text(label, image))
    head = head[:8]
    if suffix in _BINARY:
        return SourceError(
            f"A {suffix} file must be {_BINARY[suffix]}. Received: {label}, which begins with "
            f"{head!r}. It is corrupt, or in another format: give it the right suffix."
        )
    return SourceError(
        f"A file must be in a known format: {' '.join(DATA_SUFFIXES)} (CSV also .gz, .bz2, .xz, "
        f".zst). Received: {label}, which begins with {head!r}.{reading_advice(label)}"
    )
