"""Simulate a process that is killed during a fit: only the last save remains.

Saves are atomic, so a crash after each save in turn covers a crash at any moment.
"""

import os

import evenly
from evenly.checkpoint import schedule
from evenly.checkpoint.store import CheckpointStore
from small_blocks import use_block_sizes


class Died(BaseException):
    """Raised in place of the end of the process."""


def raising(exception, function, times):
    """Return a function that calls another and raises after a number of calls."""

    def call(*arguments):
        nonlocal times
        function(*arguments)
        times -= 1
        if not times:
            raise exception

    return call


def save_everywhere(monkeypatch):
    """Save after every block, and make blocks so small that most rows start one."""
    monkeypatch.setattr(schedule, "INTERVAL", 0.0)
    monkeypatch.setattr(schedule, "MAX_SHARE", 0)
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: None
    )  # 5 ms each; the machine does not crash
    use_block_sizes(
        monkeypatch,
        array_bytes=64,
        copied_array_bytes=64,
        min_array_rows=1,
        npy_bytes=64,
        table_bytes=64,
        store_bytes=64,
        parquet_batch_rows=2,
        csv_chunk_bytes=24,
    )


def lives(monkeypatch, source, saves=1, **options):
    """Fit, crash after a number of saves, and repeat until the fit is complete.

    Returns the moments and the number of fits.
    """
    save, count = CheckpointStore.save, 0

    def save_and_die(state, *arguments):
        nonlocal count
        save(state, *arguments)
        count += 1
        if count == saves:
            raise Died

    number = 1
    while True:
        count = 0
        with monkeypatch.context() as patch:
            patch.setattr(CheckpointStore, "save", save_and_die)
            try:
                return evenly.fit(source, **options), number
            except Died:
                number += 1
