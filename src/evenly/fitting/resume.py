"""The door: files, held against a checkpoint, into a source of what is still to be read."""

import os
from collections.abc import Sequence
from typing import Any

from evenly.checkpoint import errors
from evenly.checkpoint.diff import FileDiff, Rule, compare
from evenly.checkpoint.image_positions import ImagePositions
from evenly.checkpoint.position import ReadPosition
from evenly.checkpoint.relative_paths import PathMapper
from evenly.checkpoint.store import CheckpointStore
from evenly.fitting.resumed import ResumedSource
from evenly.fitting.resumed_images import ResumedImageSource
from evenly.redaction import redact_url
from evenly.sources import Source, open_source
from evenly.sources.files import expand_all, is_path
from evenly.sources.files.fingerprint import Watch, fingerprint_or_empty
from evenly.sources.files.locate import is_store, is_url
from evenly.sources.group_by import is_column_names, parse_by
from evenly.sources.images import ImageScan, contains_images
from evenly.sources.selection import Field, parse_selection
from evenly.sources.sql import is_database
from evenly.sources.tables import ResumedSchema, TableSource
from evenly.typing import Infinite


def open_resumed(
    source: Any,
    checkpoint: str | os.PathLike[str] | None = None,
    update: str | os.PathLike[str] | None = None,
    *,
    infinite: Infinite = "error",
    **options: Any,
) -> ResumedSource:
    """Return the files of a source as one that knows what of them was read before.

    Nobody else can open the checkpoint until the end of `ResumedSource.summed`.

    Parameters
    ----------
    source
        A path, a pattern, a folder, a URL, or a list of them.
    checkpoint, update
        The statistics file to go on from, or to begin: under one of its two rules, see `Rule`.
    infinite, **options
        Those of `evenly.fit`. The same ones as when the checkpoint was begun.

    Raises
    ------
    SourceError
        When a file has changed or vanished, the checkpoint cannot be read or written, or
        another process has it.
    DataError
        When the options differ from those before.
    UnsupportedTypeError
        When the source is no file.
    """
    path, rule = _path_and_rule(checkpoint, update)
    if is_url(path):
        raise errors.remote_error(path)
    paths = _paths(source, rule)
    images = contains_images(paths)
    given: ImageScan | list[str] = ImageScan(paths) if images else _files(paths, rule)
    if not isinstance(options["weights"], str | None):
        raise errors.no_column("weights", rule)
    if options["by"] is not None and not is_column_names(options["by"]):
        raise errors.no_column("by", rule)
    of_images = {} if images else {"mode": None, "broken": None}
    state = CheckpointStore(path, options | {"infinite": infinite} | of_images)
    try:
        if isinstance(given, ImageScan):
            return _of_images(given, state, rule, infinite, options)
        return _of_files(given, state, rule, infinite, options)
    except BaseException:
        state.close()
        raise


def _path_and_rule(checkpoint: Any, update: Any) -> tuple[str, Rule]:
    if checkpoint is not None and update is not None:
        raise errors.both_given_error(checkpoint, update)
    if update is None:
        return os.fspath(checkpoint), "checkpoint"
    return os.fspath(update), "update"


def _paths(source: Any, rule: Rule) -> Sequence[Any]:
    paths = [source] if is_path(source) else source
    if not isinstance(paths, list | tuple) or not paths or not all(map(is_path, paths)):
        raise errors.no_files(source, rule)
    return paths


def _files(paths: Sequence[Any], rule: Rule) -> list[str]:
    files = expand_all(paths)
    for path in files:
        if is_database(path) or (is_url(path) and is_store(path)):
            raise errors.no_stamp(path, rule)
    return files


def _of_files(
    given: list[str],
    state: CheckpointStore,
    rule: Rule,
    infinite: Infinite,
    options: dict[str, Any],
) -> ResumedSource:
    rest = compare(given, state.files, PathMapper(state.path), rule, state.path)
    everything = given if rule == "checkpoint" else _all(rest, state)
    watch = Watch()
    return ResumedSource(
        _opened(rest, state, options | {"watch": watch}),
        ReadPosition(rest.paths, rest.files, watch, state.path),
        state,
        infinite=infinite,
        before=_describe_skipped(rest, state.path),
        description=_and_more(everything),
        nbytes=rest.nbytes,
    )


def _of_images(
    given: ImageScan,
    state: CheckpointStore,
    rule: Rule,
    infinite: Infinite,
    options: dict[str, Any],
) -> ResumedSource:
    paths = [file.path for file in given]
    names = PathMapper(state.path)
    rest = compare(paths, state.files, names, rule, state.path, fingerprint_of=fingerprint_or_empty)
    album = ImagePositions(rest, given, state.path)
    return ResumedImageSource(
        open_source(given.sources, known=album, **options),
        album,
        state,
        infinite=infinite,
        before=_describe_skipped(rest, state.path),
        description=given.description if rule == "checkpoint" else _and_more(_all(rest, state)),
        nbytes=rest.nbytes,
    )


def _opened(rest: FileDiff, state: CheckpointStore, options: dict[str, Any]) -> Source:
    """Return what is still to be read; its columns are those that were read before."""
    known = None
    if state.fields is not None:
        known = ResumedSchema(state.path, tuple(Field(*field) for field in state.fields))
    if rest.paths or known is None:
        return open_source(rest.paths or iter(()), known=known, **options)
    by = parse_by(options["by"])
    asked = parse_selection(options["columns"], options["exclude"], options["weights"], by)
    return TableSource([known], asked, description=state.path, known=known)


def _all(rest: FileDiff, state: CheckpointStore) -> list[str]:
    """Return the names of the files that the sums will have."""
    return sorted({*state.files, *(file.path for file in rest.files)})


def _and_more(paths: Sequence[str]) -> str:
    first = redact_url(paths[0])
    return f"{first} and {len(paths) - 1} more" if len(paths) > 1 else first


def _describe_skipped(rest: FileDiff, checkpoint: str) -> str:
    """Return what was read before, in words; nothing when nothing was."""
    begun = [
        f"{file.rows:,} rows of {redact_url(path)}"
        for path, file in zip(rest.paths, rest.files, strict=True)
        if file.rows
    ]
    whole = [f"{rest.skipped:,} file{'s' * (rest.skipped != 1)}"] if rest.skipped else []
    there = " and ".join([*whole, *begun])
    return there and f"in {checkpoint} already: {there}"
