"""Compare source files with a checkpoint, and open the remaining ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from evenly.checkpoint import errors
from evenly.checkpoint.diff import FileDiff, Rule, compare
from evenly.checkpoint.image_positions import ImagePositions
from evenly.checkpoint.position import ReadPosition
from evenly.checkpoint.relative_paths import PathMapper
from evenly.checkpoint.store import CheckpointStore
from evenly.dispatch import is_path
from evenly.fitting.checkpoint import Checkpoint, IncludedFiles
from evenly.fitting.image_checkpoint import ImageCheckpoint
from evenly.fitting.table_checkpoint import TableCheckpoint
from evenly.printable import counted
from evenly.redaction import redact_url
from evenly.sources import FitOptions, Source, open_source
from evenly.sources.fields import Field
from evenly.sources.files.file_ref import FileRef
from evenly.sources.files.fingerprint import Fingerprint, Watch, fingerprint, fingerprint_or_empty
from evenly.sources.files.locate import find_files
from evenly.sources.files.partitions import Partitions
from evenly.sources.group_names import is_column_names
from evenly.sources.image_columns import ImageColumn, is_image_column
from evenly.sources.images.source import ImageSource
from evenly.sources.scan import FileScan
from evenly.sources.table_source import ResumedSchema, TableSource
from evenly.sources.urls import is_url, with_storage
from evenly.system.paths import path_text
from evenly.typing import Path


class Resumed(NamedTuple):
    """The remaining files of a fit, and its checkpoint.

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
    options: FitOptions,
    accept_changed: bool = False,
) -> Resumed:
    """Open the files that a checkpoint does not include yet, and the checkpoint.

    The checkpoint stays locked until the end of the fit.

    Parameters
    ----------
    source
        A path, a pattern, a folder, a URL, or a list of them.
    checkpoint, update
        The statistics file to resume from or to create: exactly one of them, see `Rule`.
    options
        As in `evenly.fit`. They must equal those of the first run.
    accept_changed
        As in `evenly.fit`.

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
    if isinstance(source, FileScan):
        scan = source
    else:
        scan = FileScan(with_storage(_check_paths(source, rule), options.storage_options))
    options = replace(options, storage_options=None)  # the paths have them
    images = scan.decide() == "images"
    files = [] if images else _check_fingerprints(scan.tables(), rule)
    if options.has_weights_array:
        raise errors.not_a_column_error("weights", rule)
    if options.by is not None and not is_column_names(options.by):
        raise errors.not_a_column_error("by", rule)
    in_column = is_image_column(files, options)
    store = CheckpointStore(path, options, images=images or in_column)
    run = _Run(store, rule, options, accept_changed)
    try:
        if images:
            return _resume_images(scan, run)
        return _resume_image_column(files, run) if in_column else _resume_tables(files, run)
    except BaseException:
        store.close()
        raise


def _path_and_rule(checkpoint: Path | None, update: Path | None) -> tuple[str, Rule]:
    if checkpoint is not None and update is not None:
        raise errors.both_given_error(checkpoint, update)
    if checkpoint is not None:
        return path_text(checkpoint, "Pass checkpoint='state.json'."), "checkpoint"
    return path_text(update, "Pass update='stats.json'."), "update"


def _check_paths(source: object, rule: Rule) -> Sequence[Path]:
    """Return the paths of a source, after checking that it consists of paths."""
    paths = [source] if is_path(source) else source
    if not isinstance(paths, list | tuple) or not paths or not all(map(is_path, paths)):
        raise errors.not_files_error(source, rule)
    return paths


def _check_fingerprints(files: list[FileRef], rule: Rule) -> list[FileRef]:
    """Return the files, after checking that changes of each can be detected."""
    for file in files:
        if file.kind == "database" or (file.kind == "store" and file.is_url):
            raise errors.no_fingerprint_error(file.path, rule)
    return files


@dataclass(frozen=True, slots=True)
class _Run:
    """A run of a fit: its checkpoint, and how files are compared with it.

    Attributes
    ----------
    store
        The checkpoint.
    rule, accept_changed
        See `compare`.
    options
        The options of the fit.
    """

    store: CheckpointStore
    rule: Rule
    options: FitOptions
    accept_changed: bool

    @property
    def digests(self) -> bool:
        """Whether the digests of files are recorded."""
        return self.rule == "update"

    def compare(
        self, paths: Sequence[str], fingerprint_of: Callable[[str], Fingerprint] = fingerprint
    ) -> FileDiff:
        """Return the difference between the files that are given and those of the checkpoint."""
        return compare(
            paths,
            self.store.files,
            PathMapper(self.store.path),
            self.rule,
            self.store.path,
            accept_changed=self.accept_changed,
            fingerprint_of=fingerprint_of,
        )

    def include(self, diff: FileDiff, given: str) -> IncludedFiles:
        """Return the description of all files; save the new times of those already included.

        Parameters
        ----------
        given
            The description of the files that are given.
        """
        stored = sorted({*self.store.files, *(file.path for file in diff.files)})
        description = given if self.rule == "checkpoint" else _describe_paths(stored)
        if diff.renewed:
            self.store.save(diff.renewed, None, description)
        return IncludedFiles(description, _describe_skipped(diff, self.store.path), diff.nbytes)


def _resume_tables(given: list[FileRef], run: _Run) -> Resumed:
    """Resume a fit of tables or arrays."""
    store, paths = run.store, [file.path for file in given]
    diff = run.compare(paths)
    watch = Watch()
    source = _open_remaining(_refs(diff.paths, given), store, run.options, watch)
    position = ReadPosition(diff.paths, diff.files, watch, store.path, digests=run.digests)
    files = run.include(diff, _describe_paths(paths))
    return Resumed(source, TableCheckpoint(source, store, position, files))


def _resume_image_column(given: list[FileRef], run: _Run) -> Resumed:
    """Resume a fit of a column of images; the images of a file are read like an archive."""
    store, paths = run.store, [file.path for file in given]
    diff = run.compare(paths)
    column = ImageColumn(_refs(diff.paths, given), run.options)
    positions = ImagePositions(diff, column, store.path, digests=run.digests)
    files = run.include(diff, _describe_paths(paths))
    source = column.open(positions, files.description)
    return Resumed(source, ImageCheckpoint(source, store, positions, files))


def _resume_images(scan: FileScan, run: _Run) -> Resumed:
    """Resume a fit of image files and archives."""
    store = run.store
    diff = run.compare([file.path for file in scan.images()], fingerprint_or_empty)
    positions = ImagePositions(diff, scan, store.path, digests=run.digests)
    source = open_source(scan, run.options, remaining=positions)
    assert isinstance(source, ImageSource)
    files = run.include(diff, scan.description)
    return Resumed(source, ImageCheckpoint(source, store, positions, files))


def _refs(paths: Sequence[str], given: Sequence[FileRef]) -> list[FileRef]:
    """Return the files to read; one that was partly read may not be given again."""
    by_path = {file.path: file for file in given}
    columns = given[0].partition if given else ()
    partitions = Partitions({column.name: column.is_integer for column in columns})
    return [
        by_path.get(path) or next(find_files(path))._replace(partition=partitions.of(path))
        for path in paths
    ]


def _open_remaining(
    files: list[FileRef], store: CheckpointStore, options: FitOptions, watch: Watch
) -> Source:
    """Return a source of the remaining files, with the columns of the earlier runs."""
    known = None
    if store.fields is not None:
        known = ResumedSchema(store.path, tuple(Field(*field) for field in store.fields))
    if files or known is None:
        return open_source(files or iter(()), options, resume_from=known, watch=watch)
    return TableSource([known], options.selection, description=store.path, resume_from=known)


def _describe_paths(paths: Sequence[str]) -> str:
    first = redact_url(paths[0])
    return f"{first} and {len(paths) - 1} more" if len(paths) > 1 else first


def _describe_skipped(diff: FileDiff, checkpoint: str) -> str:
    """Return a line about the files that were read in an earlier run; empty if there are none."""
    partly_read = [
        f"{file.rows:,} rows of {redact_url(path)}"
        for path, file in zip(diff.paths, diff.files, strict=True)
        if file.rows
    ]
    files = [counted(diff.skipped, "file")] if diff.skipped else []
    included = " and ".join([*files, *partly_read])
    line = included and f"resumed from {checkpoint}: {included} already included"
    if diff.accepted:
        first = redact_url(diff.accepted[0])
        more = f" and {len(diff.accepted) - 1:,} more" if len(diff.accepted) > 1 else ""
        line += f"; changed since then, with the included rows kept: {first}{more}"
    return line
