"""What a checkpoint holds: the sums, and which files are in them."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from evenly.checkpoint import errors
from evenly.checkpoint.lock import Lock
from evenly.moments import GroupedMoments, Moments, load_with_manifest
from evenly.sources.selection import Field, parse_selection
from evenly.statistics_file import FileRecord, Manifest
from evenly.system.temporary import remove_stale_temp_files

_ALLOWED_CHANGES = {"infinite": ("error", "missing"), "broken": ("error", "skip")}
"""What may change on the way: where infinity, or a broken image, was an error, there was none."""


class CheckpointStore:
    """A statistics file with a ledger: as it was, as it becomes, and to nobody else meanwhile.

    Parameters
    ----------
    path
        The file, which is there already or will be.
    options
        Those of the fit, by name. They must be those that the file was begun with.

    Attributes
    ----------
    moments
        The sums; whoever adds to them calls `save` when they agree with the files.
    files
        What is in them, by the files' names.
    fields
        All columns that the files have; None when they have no names.
    """

    def __init__(self, path: str, options: dict[str, Any]) -> None:
        self.path = path
        self._options = fingerprint_options(options)
        self._lock = Lock(path)
        remove_stale_temp_files(Path(os.path.realpath(path)))
        try:
            self.moments, ledger = self._before()
        except BaseException:
            self.close()
            raise
        self.files = {file.path: file for file in ledger.files}
        self.fields = ledger.fields

    def _before(self) -> tuple[Any, Manifest]:
        """Return what the file has; nothing, when it is not there yet."""
        if not os.path.lexists(self.path):
            return self._nothing, Manifest(options=self._options)
        moments, ledger = load_with_manifest(self.path)
        if ledger is None:
            raise errors.no_ledger(self.path)
        self._check(ledger.options)
        return moments, ledger

    def _check(self, then: dict[str, Any]) -> None:
        """Check that rows read with the options of then are those that the options of now give.

        Raises
        ------
        DataError
            When they may be others.
        """
        now = self._options
        if (then["mode"] is None) != (now["mode"] is None):
            raise errors.other_kind(_describe(now), _describe(then), self.path)
        for key in sorted(now):
            if now[key] != then[key] and (then[key], now[key]) != _ALLOWED_CHANGES.get(key):
                raise errors.other_option(key, now[key], then[key], self.path)

    @property
    def _nothing(self) -> Moments | GroupedMoments:
        by = self._options["by"]
        return Moments.empty() if by is None else GroupedMoments.empty(by)

    def save(
        self,
        read: Iterable[FileRecord],
        fields: tuple[Field, ...] | None,
        description: str,
        begun: Iterable[Any] = (),
        dropped: Iterable[FileRecord] = (),
    ) -> None:
        """Save the sums, and what is in them since the last time.

        Parameters
        ----------
        begun
            The sums of files that are being read, which are not in `moments` yet.
        dropped
            The files whose rows are not in the sums any more.
        """
        self.files |= {file.path: file for file in read}
        for file in dropped:
            self.files.pop(file.path, None)
        if fields is not None:
            self.fields = tuple((field.name, field.kind) for field in fields)
        moments = sum(begun, start=self.moments)
        moments.sources = [description]
        ledger = Manifest(sorted(self.files.values()), self._options, self.fields)
        moments.save_with_manifest(self.path, ledger)

    def close(self) -> None:
        """Let others have the file."""
        self._lock.release()


def _describe(options: dict[str, Any]) -> str:
    return "tables or arrays" if options["mode"] is None else "images"


def fingerprint_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return what of the options of a fit decides its result, as JSON has it."""
    asked = parse_selection(options["columns"], options["exclude"], options["weights"])
    select = options["select"]
    by = options["by"]
    return {
        "broken": options["broken"],
        "by": by if by is None or isinstance(by, str) else list(by),
        "columns": None if asked.columns is None else _plain(asked.columns),
        "exclude": _plain(asked.exclude),
        "feature_axis": int(options["feature_axis"]),
        "infinite": options["infinite"],
        "mode": options["mode"],
        "select": _plain(select) if isinstance(select, tuple) else select,
        "weights": asked.weights,
    }


def _plain(names: Iterable[Any]) -> list[str | int]:
    return [name if isinstance(name, str) else int(name) for name in names]
