"""The errors of fits with a checkpoint."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from evenly.checkpoint.relative_paths import PathMapper
from evenly.dispatch import is_hugging_face_dataset
from evenly.errors import DataError, SourceError, UnsupportedTypeError
from evenly.redaction import redact_url
from evenly.sources.files.fingerprint import Fingerprint
from evenly.statistics_file import FileRecord
from evenly.typing import Path

_MAX_LISTED = 3
"""Files named in a message; the others are counted."""


def changed_error(path: str, file: FileRecord, now: Fingerprint, checkpoint: str) -> SourceError:
    """Return the error for a file that has changed since it was read."""
    return SourceError(
        "A file that is already included must not change. Received: "
        f"{redact_url(path)!r}, then {_version(file.bytes, file.modified)}; now {_version(*now)}. "
        "Its old rows cannot be removed. Restore the old file; or keep its old rows as they are, "
        "if it was read completely: accept_changed=True; or start again: "
        f"remove {checkpoint!r}."
    )


class Change(NamedTuple):
    """A file that changed while it was read.

    Attributes
    ----------
    file
        The record of the file when it was opened.
    now
        The fingerprint of the file now.
    """

    file: FileRecord
    now: Fingerprint


def changed_while_read_error(changes: Mapping[str, Change], checkpoint: str) -> SourceError:
    """Return the error for files that changed while they were read."""
    texts = [
        f"{redact_url(path)!r}, first {_version(file.bytes, file.modified)}; now {_version(*now)}"
        for path, (file, now) in list(changes.items())[:_MAX_LISTED]
    ]
    more = f"; and {len(changes) - _MAX_LISTED:,} more" if len(changes) > _MAX_LISTED else ""
    return SourceError(
        f"A file must not change while it is read. Received: {'; '.join(texts)}{more}. None of its "
        f"rows are included in {checkpoint!r}; all other files are. Run the same command again "
        "when no other program writes to the file."
    )


def missing_error(missing: Sequence[FileRecord], names: PathMapper, checkpoint: str) -> SourceError:
    """Return the error for files that are included and are not among the sources."""
    texts = []
    for file in missing[:_MAX_LISTED]:
        path = names.path(file.path)
        gone = names.is_below(file.path) and not os.path.exists(path)
        status = "gone" if gone else "not among the sources"
        texts.append(f"{path!r} ({_version(file.bytes, file.modified)}), which is {status}")
    return SourceError(
        f"All files that {checkpoint!r} includes must be among the sources. Missing: "
        f"{'; '.join(texts)}{_and_more(missing)}. Restore them; or, if the sources are only the "
        f"new files, pass update={checkpoint!r}; or start again without them: remove "
        f"{checkpoint!r}."
    )


def incomplete_error(
    missing: Sequence[FileRecord], names: PathMapper, checkpoint: str
) -> SourceError:
    """Return the error for partly read files that must be passed again to be opened."""
    texts = [
        f"{names.path(file.path)!r}, of which {file.rows:,} rows are included"
        for file in missing[:_MAX_LISTED]
    ]
    return SourceError(
        "A partly read file must be among the sources unless it is below the folder of "
        f"{checkpoint!r}: other files are not opened only because a statistics file names them. "
        f"Missing: {'; '.join(texts)}{_and_more(missing)}. Pass it together with the new sources "
        "to finish it."
    )


def moved_error(path: str, before: str, same: str, status: str, checkpoint: str) -> SourceError:
    """Return the error for a file that seems to have been read under another name.

    Parameters
    ----------
    same
        What it has in common with the file before, besides its size and time.
    """
    return SourceError(
        f"A file must not be read twice. Received: {path!r}, which has the {same}, the size and "
        f"the modification time of {before!r}, which {checkpoint!r} includes and which is "
        f"{status}. If it was moved, move it back, or start again with another checkpoint. If it "
        f"is a different file, change its modification time: touch {path!r}."
    )


def duplicate_error(path: str, again: str) -> SourceError:
    """Return the error for a file that is among the sources twice."""
    path, again = redact_url(path), redact_url(again)
    return SourceError(
        "With a checkpoint every file is read once. Received twice: "
        f"{path!r}{'' if path == again else f', also as {again!r}'}. Pass it once."
    )


def truncated_error(label: str, rows: int, already_read: int) -> SourceError:
    """Return the error for a file with fewer rows than were read from it before."""
    return SourceError(
        "A file must have all the rows that were already read from it. Received: "
        f"{label!r}, with {rows:,} rows, of which the checkpoint has read {already_read:,}. "
        "Start again with another checkpoint."
    )


def option_error(key: str, now: object, then: object, checkpoint: str) -> DataError:
    """Return the error for an option that differs from that of the rows read before."""
    return DataError(
        "A fit must be resumed with the options that it was started with. Received: "
        f"{_format_option(key, now)}; {checkpoint!r} was started with {_format_option(key, then)}. "
        "Pass the same options, or start again with another checkpoint."
    )


def source_type_error(now: str, then: str, checkpoint: str) -> DataError:
    """Return the error for images after tables, or tables after images."""
    return DataError(
        "A checkpoint holds either images or tables and arrays. Received: "
        f"{now}; {checkpoint!r} holds {then}. Use another checkpoint."
    )


def remote_error(checkpoint: str) -> SourceError:
    """Return the error for a checkpoint that is not a local file."""
    return SourceError(
        "A checkpoint must be a local file, which can be replaced and locked. Received: "
        f"{redact_url(checkpoint)!r}. Only the sources may be remote: choose a local path for the "
        "checkpoint."
    )


def no_manifest_error(checkpoint: str) -> SourceError:
    """Return the error for a statistics file without a manifest."""
    return SourceError(
        "A checkpoint must record which files are included. Received: "
        f"{checkpoint!r}, a statistics file without that record, as written by a fit without a "
        "checkpoint, a merge or `Moments.save`. Start another checkpoint, and merge the two."
    )


def contradictory_error(checkpoint: str, stored: object, option: object) -> SourceError:
    """Return the error for a checkpoint whose groups are not those of its options."""
    return SourceError(
        "The moments and the options of a checkpoint must have the same key columns. Received: "
        f"{checkpoint!r}, with moments by {stored!r} and options with by={option!r}. The file was "
        "edited: restore it, or start another checkpoint."
    )


def contradictory_bins_error(checkpoint: str, stored: int, option: int) -> SourceError:
    """Return the error for a checkpoint whose distributions are not those of its options."""
    return SourceError(
        "The moments and the options of a checkpoint must have the same number of bins. Received: "
        f"{checkpoint!r}, with moments of {stored:,} bins and options with {option:,}. The file "
        "was edited: restore it, or start another checkpoint."
    )


def not_files_error(source: object, option: str) -> UnsupportedTypeError:
    """Return the error for a source that is not a file or a list of files.

    The fingerprint of a Hugging Face dataset would not do: it does not change with the files of
    images that the dataset has by path, and it is random after some functions.
    """
    to_file = ""
    if is_hugging_face_dataset(source):
        to_file = (
            " Or write a file, and fit it with the same options: dataset.to_parquet(path); images "
            "that it has by path are fitted from a list of their paths."
        )
    return UnsupportedTypeError(
        f"{option}= records files: a source must be a path, a pattern, a folder, or a "
        f"list of them. Received: {type(source).__module__}.{type(source).__qualname__}, which "
        "does not tell later which of its rows were read. Fit it in parts, save each, and merge "
        f"them: evenly.fit(part).save(path); evenly.merge(map(evenly.load, paths)).{to_file}"
    )


def not_a_column_error(argument: str, option: str) -> UnsupportedTypeError:
    """Return the error for weights or keys that are not stored in the files."""
    return UnsupportedTypeError(
        f"With {option}=, {argument} must be the name of a column. Received: an array, which is "
        "not stored in the files. Add it to the files as a column, or omit the checkpoint."
    )


def no_fingerprint_error(path: str, option: str) -> UnsupportedTypeError:
    """Return the error for a source without a size and a time that reveal a change."""
    return UnsupportedTypeError(
        f"{option}= records files, whose size and modification time reveal a change. "
        f"Received: {redact_url(path)!r}, which has neither. Fit it separately, and merge the two."
    )


def both_given_error(checkpoint: Path, update: Path) -> DataError:
    """Return the error for ``checkpoint=`` together with ``update=``."""
    return DataError(
        "A fit has either a checkpoint= or an update=. Received: "
        f"checkpoint={os.fspath(checkpoint)!r} and update={os.fspath(update)!r}. Pass checkpoint= "
        "when the sources are all files, update= when they are only the new ones."
    )


def _and_more(files: Sequence[FileRecord]) -> str:
    return f", and {len(files) - _MAX_LISTED:,} more" if len(files) > _MAX_LISTED else ""


def _format_option(key: str, value: object) -> str:
    return f"no {key}=" if value in (None, []) else f"{key}={value!r}"


def _version(size: int | None, modified: int | str | None) -> str:
    """Return the size and the modification time of a file as text.

    >>> _version(1200, 1767225600_123456789)
    '1,200 bytes of 2026-01-01 00:00:00.123456789 UTC'
    >>> _version(1200, "9b2c"), _version(None, None)
    ('1,200 bytes of version 9b2c', 'unknown size')
    """
    length = "unknown size" if size is None else f"{size:,} bytes"
    if modified is None:
        return length
    if isinstance(modified, str):
        return f"{length} of version {modified}"
    seconds, nanoseconds = divmod(modified, 10**9)
    try:
        time = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):  # the year is out of range for datetime
        return f"{length} of {seconds}.{nanoseconds:09} seconds after 1970"
    return f"{length} of {time}.{nanoseconds:09} UTC"
