"""Normalize several files into a folder, each into a file of its own."""

import glob
import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from evenly.apply import apply_files, scan_tables
from evenly.errors import SourceError
from evenly.moments import GroupedMoments, Moments
from evenly.redaction import redact_url
from evenly.sinks import SUFFIXES
from evenly.sources.files.file_ref import DATA_SUFFIXES, FileRef, name_of, suffixes_of
from evenly.sources.files.identity import location_of
from evenly.sources.urls import is_url, with_child

_TEXT = (".tsv", ".tab", ".txt", ".zip")


class Target(NamedTuple):
    """A file to normalize, and the path of the result."""

    file: FileRef
    output: str


def find_targets(sources: Sequence[str], folder: str, suffix: str | None) -> list[Target]:
    """Return the files of the sources and their outputs, which keep the relative paths.

    Parameters
    ----------
    folder
        The output folder, which is created if necessary.
    suffix
        The suffix of all outputs. None: that of each file, or of CSV and NPY for text and NPZ.

    Raises
    ------
    SourceError
        If two files have the same output, or an output is an input or in the folder of a source.
    """
    targets: dict[str, Target] = {}
    for source in sources:
        _check_outside(source, folder)
        for file in scan_tables(source):
            output = _child(folder, _with_suffix(_relative(file.path, source), file, suffix))
            other = targets.setdefault(output, Target(file, output)).file
            if other is not file:
                raise SourceError(
                    "Each file needs an output of its own. Received: "
                    f"{redact_url(other.path)!r} and {redact_url(file.path)!r}, both for "
                    f"{redact_url(output)!r}. Pass the folder that contains both."
                )
    return list(targets.values())


def apply_into_folder(
    moments: Moments | GroupedMoments, targets: Sequence[Target], **options: Any
) -> None:
    """Normalize each file into its output, which is replaced only when it is complete."""
    for file, output in targets:
        location = location_of(output)
        if location.is_local:
            os.makedirs(os.path.dirname(location.path), exist_ok=True)
        part = file._replace(partition=tuple(_needed_partitions(file, moments)))
        apply_files(moments, file.path, [part], output, **options)


def _needed_partitions(file: FileRef, moments: Moments | GroupedMoments) -> Iterator[Any]:
    """Yield the columns in the names of folders that normalization needs.

    The others stay in the relative path.
    """
    by = moments.by if isinstance(moments, GroupedMoments) else ()
    keys = (by,) if isinstance(by, str) else by or ()
    for column in file.partition:
        if column.name in (*(moments.columns or ()), *keys):
            yield column


def _child(folder: str, path: str) -> str:
    """Return the path of a file in an output folder, which may be a URL."""
    return with_child(folder, path) if is_url(folder) else os.path.join(folder, path)


def _relative(path: str, source: str) -> str:
    """Return the path of a file below the folder of its source.

    >>> _relative("in/a/1.csv", "in"), _relative("in/a/1.csv", "in/*/1.csv")
    ('a/1.csv', 'a/1.csv')
    >>> _relative("in/1.csv", "in/1.csv"), _relative("s3://b/in/a/1.csv?v=2", "s3://b/in")
    ('1.csv', 'a/1.csv')
    """
    base = source
    while glob.has_magic(base):
        base = os.path.dirname(base)
    name = name_of(path)
    if path == source or (not is_url(path) and not base):
        return os.path.basename(name) if path == source else os.path.normpath(name)
    prefix = base.rstrip("/" + os.sep) + "/"
    inside = name.replace(os.sep, "/").startswith(prefix.replace(os.sep, "/"))
    return name[len(prefix) :] if inside else os.path.basename(name)


def _with_suffix(path: str, file: FileRef, suffix: str | None) -> str:
    """Return a relative path with the suffix of the output.

    The suffix of ``x.csv.zip`` is that of the files in the archive.
    """
    stem = path[: len(path) - len(file.compression)]
    root, own = os.path.splitext(stem)
    if own.lower() == ".zip" and suffixes_of(root)[0] in DATA_SUFFIXES:
        stem = root
        root, own = os.path.splitext(stem)
    if suffix is not None:
        return root + suffix
    if own.lower() in SUFFIXES:
        return stem
    return root + {".npz": ".npy", **dict.fromkeys(_TEXT, ".csv")}.get(own.lower(), ".parquet")


def _check_outside(source: str, folder: str) -> None:
    """Check that the output folder is not in a folder of sources, where it would be read."""
    location = location_of(source)
    if location.is_local and not os.path.isdir(location.path):
        return
    if location_of(folder).is_in(location):
        raise SourceError(
            "The output folder must not be in a folder of sources. Received: "
            f"{redact_url(folder)!r} in {redact_url(source)!r}. Choose another folder."
        )
