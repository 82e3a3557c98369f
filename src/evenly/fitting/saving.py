"""Between two steps of a sum: it is saved when it is time to, and ends when that is asked for."""

from collections.abc import Callable
from typing import Any

from evenly.checkpoint.schedule import SaveSchedule
from evenly.checkpoint.signals import InterruptRequest
from evenly.moments import Moments


class CheckpointSaver:
    """Saves sums now and then; who sums calls `_checkpoint_if_due` where they agree with the files.

    Parameters
    ----------
    save
        Saves them together with the sums of what is being read, which `_begun` returns.
    """

    def __init__(self, moments: Moments, save: Callable[[list[Any]], None]) -> None:
        self._moments = moments
        self._save_with = save
        self._pace = SaveSchedule()
        self._interruption = InterruptRequest()
        self._added = False  # since the last save

    def _checkpoint_if_due(self) -> None:
        """Stop when that was asked for, and save when it is time to."""
        self._raise_if_interrupted()
        if self._due():
            self._save()

    def _raise_if_interrupted(self) -> None:
        if self._interruption.pending:
            self._save()
            self._interruption.raise_pending()

    def _due(self, least: float | None = None) -> bool:
        return self._added and self._pace.due(self._moments.num_features, least=least)

    def _save(self) -> None:
        with self._pace.saving():
            self._save_with(self._begun())
        self._added = False

    def _begun(self) -> list[Any]:
        """Return the sums that are to be saved and are not in the moments yet."""
        return []
