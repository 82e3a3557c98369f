"""What a checkpoint holds: the sums, and which files are in them."""

import os
from collections.abc import Iterable
from typing import Any

from evenly.atomic import remove_left_over
from evenly.checkpoint import refusals
from evenly.checkpoint.lock import Lock
from evenly.moments import GroupedMoments, Moments, load_with_ledger
from evenly.sources.choice import Field, choice
from evenly.statistics_file import FileRecord, Ledger


class State:
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
        self._options = recorded(options)
        self._lock = Lock(path)
        remove_left_over(path)
        try:
            self.moments, ledger = self._before()
        except BaseException:
            self.close()
            raise
        self.files = {file.path: file for file in ledger.files}
        self.fields = ledger.fields

    def _before(self) -> tuple[Any, Ledger]:
        """Return what the file has; nothing, when it is not there yet."""
        if not os.path.lexists(self.path):
            return self._nothing, Ledger(options=self._options)
        moments, ledger = load_with_ledger(self.path)
        if ledger is None:
            raise refusals.no_ledger(self.path)
        if not _go_on(ledger.options, self._options):
            raise refusals.other_options(self._options, ledger.options, self.path)
        return moments, ledger

    @property
    def _nothing(self) -> Moments | GroupedMoments:
        by = self._options["by"]
        return Moments.empty() if by is None else GroupedMoments.empty(by)

    def save(
        self, read: Iterable[FileRecord], fields: tuple[Field, ...] | None, description: str
    ) -> None:
        """Save the sums, and what is in them since the last time."""
        self.files |= {file.path: file for file in read}
        if fields is not None:
            self.fields = tuple((field.name, field.kind) for field in fields)
        self.moments.sources = [description]
        ledger = Ledger(sorted(self.files.values()), self._options, self.fields)
        self.moments.save_with_ledger(self.path, ledger)

    def close(self) -> None:
        """Let others have the file."""
        self._lock.release()


def _go_on(then: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether rows read with some options are the same rows with others.

    Where infinity was an error there was none: it may be counted as missing from now on.
    """
    allowed = then["infinite"] == "error" and now["infinite"] == "missing"
    return now == (then | {"infinite": "missing"} if allowed else then)


def recorded(options: dict[str, Any]) -> dict[str, Any]:
    """Return what of the options of a fit decides its result, as JSON has it."""
    asked = choice(options["columns"], options["exclude"], options["weights"])
    select = options["select"]
    by = options["by"]
    return {
        "by": by if by is None or isinstance(by, str) else list(by),
        "columns": None if asked.columns is None else _plain(asked.columns),
        "exclude": _plain(asked.exclude),
        "feature_axis": int(options["feature_axis"]),
        "infinite": options["infinite"],
        "select": _plain(select) if isinstance(select, tuple) else select,
        "weights": asked.weights,
    }


def _plain(names: Iterable[Any]) -> list[str | int]:
    return [name if isinstance(name, str) else int(name) for name in names]
