"""Why a fit cannot go on, in words: what was there, what is there now, what to do."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from evenly.checkpoint.relative_paths import PathMapper
from evenly.errors import DataError, SourceError, UnsupportedTypeError
from evenly.redaction import redact_url
from evenly.sources.files.fingerprint import Fingerprint
from evenly.statistics_file import FileRecord


def changed_error(path: str, file: FileRecord, now: Fingerprint, checkpoint: str) -> SourceError:
    """Return the error for a file that is not what it was when it was read."""
    return SourceError(
        "A file that is in the sums must stay as it was when it was read. Received: "
        f"{redact_url(path)!r}, then {_state(file.bytes, file.modified)}; now {_state(*now)}. "
        "Its old rows cannot be taken out any more. Put the old file back, or begin anew: "
        f"remove {checkpoint!r}."
    )


class Change(NamedTuple):
    """A file that changed while it was read: as it was when it was opened, and as it is now."""

    file: FileRecord
    now: Fingerprint


def changed_while_read_error(changes: Mapping[str, Change], checkpoint: str) -> SourceError:
    """Return the error for files that changed while they were read, in the end."""
    texts = [
        f"{redact_url(path)!r}, first {_state(file.bytes, file.modified)}; now {_state(*now)}"
        for path, (file, now) in list(changes.items())[:3]
    ]
    more = f"; and {len(changes) - 3:,} more" if len(changes) > 3 else ""
    return SourceError(
        f"A file must not change while it is read. Received: {'; '.join(texts)}{more}. No row of "
        f"it is in {checkpoint!r}, which has all other files. Run the same command again when "
        "nothing writes to it any more."
    )


def missing_error(missing: Sequence[FileRecord], names: PathMapper, checkpoint: str) -> SourceError:
    """Return the error for files that are in the sums, and not among the sources."""
    texts = []
    for file in missing[:3]:
        path = names.path(file.path)
        gone = names.is_below(file.path) and not os.path.exists(path)
        fate = "gone" if gone else "not among the sources"
        texts.append(f"{path!r} ({_state(file.bytes, file.modified)}), which is {fate}")
    more = f", and {len(missing) - 3:,} more" if len(missing) > 3 else ""
    return SourceError(
        f"All files whose rows are in {checkpoint!r} must be among the sources. Missing: "
        f"{'; '.join(texts)}{more}. Put them back; or, if the sources are only what is new, pass "
        f"update={checkpoint!r}; or begin anew without them: remove {checkpoint!r}."
    )


def incomplete(missing: Sequence[FileRecord], names: PathMapper, checkpoint: str) -> SourceError:
    """Return the error for files that were read in part, and are not to be opened unasked."""
    texts = [
        f"{names.path(file.path)!r}, of which {file.rows:,} rows are in the sums"
        for file in missing[:3]
    ]
    more = f", and {len(missing) - 3:,} more" if len(missing) > 3 else ""
    return SourceError(
        "A file that was read in part must be among the sources, if it is not below the folder of "
        f"{checkpoint!r}: nothing else is opened only because a statistics file names it. "
        f"Missing: {'; '.join(texts)}{more}. Pass it again together with the new sources, and it "
        "is finished."
    )


def moved(path: str, before: str, fate: str, checkpoint: str) -> SourceError:
    """Return the error for what seems to be a file that was read under another name."""
    return SourceError(
        f"A file must not be read twice. Received: {path!r}, which has the name, the size and the "
        f"time of {before!r}, whose rows are in {checkpoint!r}, and which is {fate}. "
        "If it was moved, move it back, or begin anew with another checkpoint. If it is "
        f"another one, give it its own time: touch {path!r}."
    )


def duplicate_error(path: str, again: str) -> SourceError:
    """Return the error for a file that is among the sources twice."""
    path, again = redact_url(path), redact_url(again)
    return SourceError(
        "With a checkpoint every file is read once. Received twice: "
        f"{path!r}{'' if path == again else f', also as {again!r}'}. Name it once."
    )


def other_option(key: str, now: Any, then: Any, checkpoint: str) -> DataError:
    """Return the error for an option that is not that of the rows read before."""
    return DataError(
        "A fit goes on with the options that it was begun with. Received: "
        f"{_option(key, now)}; {checkpoint!r} was begun with {_option(key, then)}. "
        "Pass the same, or begin anew with another checkpoint."
    )


def other_kind(now: str, then: str, checkpoint: str) -> DataError:
    """Return the error for images after tables, or the other way round."""
    return DataError(
        "A checkpoint is of images or of tables and arrays, not of both. Received: "
        f"{now}; in {checkpoint!r} are {then}. Take another checkpoint."
    )


def _option(key: str, value: Any) -> str:
    return f"no {key}=" if value in (None, []) else f"{key}={value!r}"


def remote_error(checkpoint: str) -> SourceError:
    """Return the error for a checkpoint that is no file here."""
    return SourceError(
        "A checkpoint must be a file on this machine, to be replaced and locked. Received: "
        f"{redact_url(checkpoint)!r}. The sources may be far away: choose a path for what is saved."
    )


def no_ledger(checkpoint: str) -> SourceError:
    """Return the error for a statistics file that does not say what is in it."""
    return SourceError(
        "A checkpoint must say which files are in its sums. Received: "
        f"{checkpoint!r}, a statistics file that does not, as a fit without a checkpoint, a "
        "merge or `Moments.save` writes it. Begin another one, and merge the two."
    )


def no_files(source: Any, option: str) -> UnsupportedTypeError:
    """Return the error for what is no file, or list of files."""
    return UnsupportedTypeError(
        f"{option}= keeps account of files: a source must be a path, a pattern, a folder, or a "
        f"list of them. Received: {type(source).__module__}.{type(source).__qualname__}, of which "
        "nothing tells later which rows were read. Fit it in parts, save each, and add them up: "
        "evenly.fit(part).save(path); evenly.merge(map(evenly.load, paths))."
    )


def no_column(what: str, option: str) -> UnsupportedTypeError:
    """Return the error for weights or keys that belong to no file."""
    return UnsupportedTypeError(
        f"With {option}=, {what} must be the name of a column. Received: an array, which is in "
        "none of the files. Put it into them, or leave the checkpoint away."
    )


def no_stamp(path: str, option: str) -> UnsupportedTypeError:
    """Return the error for what has no size and time that tell whether it has changed."""
    return UnsupportedTypeError(
        f"{option}= keeps account of files, whose size and time tell whether they have changed. "
        f"Received: {redact_url(path)!r}, which has neither. Fit it apart, and merge the two."
    )


def both_given_error(checkpoint: Any, update: Any) -> DataError:
    """Return the error for two ledgers at once."""
    return DataError(
        "A fit keeps one account of its files. Received: "
        f"checkpoint={os.fspath(checkpoint)!r} and update={os.fspath(update)!r}. Pass checkpoint= "
        "when the sources are all there is, update= when they are what is new."
    )


def _state(size: int | None, modified: int | str | None) -> str:
    """Return what a file was, in words.

    >>> _state(1200, 1767225600_123456789)
    '1,200 bytes of 2026-01-01 00:00:00.123456789 UTC'
    >>> _state(1200, "9b2c"), _state(None, None)
    ('1,200 bytes of version 9b2c', 'unknown size')
    """
    length = "unknown size" if size is None else f"{size:,} bytes"
    if modified is None:
        return length
    if isinstance(modified, str):
        return f"{length} of version {modified}"
    seconds, rest = divmod(modified, 10**9)
    try:
        time = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):  # a year that datetime has not
        return f"{length} of {seconds}.{rest:09} seconds after 1970"
    return f"{length} of {time}.{rest:09} UTC"
