"""Compare source files with a checkpoint, and open the remaining ones."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from evenly.checkpoint import errors
from evenly.checkpoint.diff import FileDiff, Rule, compare
from evenly.checkpoint.image_positions import ImagePositions
from evenly.checkpoint.position import ReadPosition
from evenly.checkpoint.relative_paths import PathMapper
from evenly.checkpoint.store import CheckpointStore
from evenly.fitting.checkpoint import Checkpoint, IncludedFiles
from evenly.fitting.image_checkpoint import ImageCheckpoint
from evenly.fitting.table_checkpoint import TableCheckpoint
from evenly.redaction import redact_url
from evenly.sources import Source, open_source
from evenly.sources.files.fingerprint import Watch, fingerprint_or_empty
from evenly.sources.files.locate import expand_all, is_path, is_store, is_url
from evenly.sources.group_by import is_column_names, parse_by
from evenly.sources.images import ImageScan, ImageSource, scan_images
from evenly.sources.selection import Field, parse_selection
from evenly.sources.sql import is_database
from evenly.sources.tables import ResumedSchema, TableSource
from evenly.typing import Infinite, Path


class Resumed(NamedTuple):
    """What remains of a fit.

    Attributes
    ----------
    source
        The files that remain to be read.
    checkpoint
        The sums of the files that were read before, for `run_fit`.
    """

    source: Source
    checkpoint: Checkpoint


def open_resumed(
    source: object,
    checkpoint: Path | None = None,
    update: Path | None = None,
    *,
    infinite: Infinite = "error",
    **options: Any,  # of open_source
) -> Resumed:
    """Open the files that a checkpoint does not include yet, and the checkpoint.

    The checkpoint stays locked until the end of the fit.

    Parameters
    ----------
    source
        A path, a pattern, a folder, a URL, or a list of them.
    checkpoint, update
        The statistics file to resume from or to create: exactly one of them, see `Rule`.
    infinite, **options
        As in `evenly.fit`. They must equal those of the first run.

    Raises
    ------
    SourceError
        When a file has changed or is missing, the checkpoint cannot be read or written, or
        another process uses it.
    DataError
        When the options differ from those of the first run.
    UnsupportedTypeError
        When the source is not a file or a list of files.
    """
    path, rule = _path_and_rule(checkpoint, update)
    if is_url(path):
        raise errors.remote_error(path)
    given: ImageScan | list[str]
    if isinstance(source, ImageScan):
        given = source
    else:
        paths = _check_paths(source, rule)
        given = scan_images(paths) or _expand_files(paths, rule)
    images = isinstance(given, ImageScan)
    if not isinstance(options["weights"], str | None):
        raise errors.not_a_column_error("weights", rule)
    if options["by"] is not None and not is_column_names(options["by"]):
        raise errors.not_a_column_error("by", rule)
    no_image_options = {} if images else {"mode": None, "broken": None}
    store = CheckpointStore(path, options | {"infinite": infinite} | no_image_options)
    try:
        if isinstance(given, ImageScan):
            return _resume_images(given, store, rule, options)
        return _resume_files(given, store, rule, options)
    except BaseException:
        store.close()
        raise


def _path_and_rule(checkpoint: Path | None, update: Path | None) -> tuple[str, Rule]:
    if checkpoint is not None and update is not None:
        raise errors.both_given_error(checkpoint, update)
    if checkpoint is not None:
        return os.fspath(checkpoint), "checkpoint"
    assert update is not None
    return os.fspath(update), "update"


def _check_paths(source: object, rule: Rule) -> Sequence[Path]:
    """Return the paths of a source, after checking that it consists of paths."""
    paths = [source] if is_path(source) else source
    if not isinstance(paths, list | tuple) or not paths or not all(map(is_path, paths)):
        raise errors.not_files_error(source, rule)
    return paths


def _expand_files(paths: Sequence[Path], rule: Rule) -> list[str]:
    files = expand_all(paths)
    for path in files:
        if is_database(path) or (is_url(path) and is_store(path)):
            raise errors.no_fingerprint_error(path, rule)
    return files


def _resume_files(
    given: list[str], store: CheckpointStore, rule: Rule, options: dict[str, Any]
) -> Resumed:
    diff = compare(given, store.files, PathMapper(store.path), rule, store.path)
    watch = Watch()
    source = _open_remaining(diff, store, options | {"watch": watch})
    position = ReadPosition(diff.paths, diff.files, watch, store.path)
    files = _included_files(diff, store, rule, _describe_paths(given))
    return Resumed(source, TableCheckpoint(source, store, position, files))


def _resume_images(
    given: ImageScan, store: CheckpointStore, rule: Rule, options: dict[str, Any]
) -> Resumed:
    paths = [file.path for file in given]
    names = PathMapper(store.path)
    diff = compare(paths, store.files, names, rule, store.path, fingerprint_of=fingerprint_or_empty)
    positions = ImagePositions(diff, given, store.path)
    source = open_source(given, resume_from=positions, **options)
    assert isinstance(source, ImageSource)
    files = _included_files(diff, store, rule, given.description)
    return Resumed(source, ImageCheckpoint(source, store, positions, files))


def _open_remaining(diff: FileDiff, store: CheckpointStore, options: dict[str, Any]) -> Source:
    """Return a source of the remaining files, with the columns of the earlier runs."""
    known = None
    if store.fields is not None:
        known = ResumedSchema(store.path, tuple(Field(*field) for field in store.fields))
    if diff.paths or known is None:
        return open_source(diff.paths or iter(()), resume_from=known, **options)
    by = parse_by(options["by"])
    selection = parse_selection(options["columns"], options["exclude"], options["weights"], by)
    return TableSource([known], selection, description=store.path, resume_from=known)


def _included_files(
    diff: FileDiff, store: CheckpointStore, rule: Rule, given: str
) -> IncludedFiles:
    """Return what is reported of the files; ``given`` describes those that were given."""
    stored = sorted({*store.files, *(file.path for file in diff.files)})
    description = given if rule == "checkpoint" else _describe_paths(stored)
    return IncludedFiles(description, _describe_skipped(diff, store.path), diff.nbytes)


def _describe_paths(paths: Sequence[str]) -> str:
    first = redact_url(paths[0])
    return f"{first} and {len(paths) - 1} more" if len(paths) > 1 else first


def _describe_skipped(diff: FileDiff, checkpoint: str) -> str:
    """Return a line that says what was read before; empty when nothing was."""
    partly_read = [
        f"{file.rows:,} rows of {redact_url(path)}"
        for path, file in zip(diff.paths, diff.files, strict=True)
        if file.rows
    ]
    files = [f"{diff.skipped:,} file{'s' * (diff.skipped != 1)}"] if diff.skipped else []
    included = " and ".join([*files, *partly_read])
    return included and f"resumed from {checkpoint}: {included} already included"
