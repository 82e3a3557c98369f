"""Checkpoint policy: save periodically, and stop cleanly when a signal is pending."""

from collections.abc import Callable
from typing import Any

from evenly.checkpoint.schedule import SaveSchedule
from evenly.checkpoint.signals import InterruptRequest
from evenly.moments import Moments


class CheckpointSaver:
    """Save moments periodically.

    Subclasses call `_checkpoint_if_due` when the moments agree with the read position.

    Parameters
    ----------
    moments
        The moments that are fitted.
    save
        Saves the moments together with the partial moments that `_partial_moments` returns.
    """

    def __init__(self, moments: Moments, save: Callable[[list[Any]], None]) -> None:
        self._moments = moments
        self._save_with = save
        self._schedule = SaveSchedule()
        self._interrupt = InterruptRequest()
        self._added = False  # since the last save

    def _checkpoint_if_due(self) -> None:
        """Save and stop if a signal is pending, or save if a save is due."""
        self._raise_if_interrupted()
        if self._is_save_due():
            self._save()

    def _raise_if_interrupted(self) -> None:
        if self._interrupt.pending:
            self._save()
            self._interrupt.raise_pending()

    def _is_save_due(self, least: float | None = None) -> bool:
        return self._added and self._schedule.due(self._moments.num_features, least=least)

    def _save(self) -> None:
        with self._schedule.saving():
            self._save_with(self._partial_moments())
        self._added = False

    def _partial_moments(self) -> list[Any]:
        """Return moments to save that have not been merged yet."""
        return []
