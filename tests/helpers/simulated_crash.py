"""Simulate a process that is killed during a fit: only the last save remains.

Saves are atomic, so a crash after each save in turn covers a crash at any moment.
"""

import os

import evenly
from evenly.checkpoint import schedule
from evenly.checkpoint.store import CheckpointStore
from evenly.sources import arrays, tables
from evenly.sources.files import csv_chunks, npy, parquet
from evenly.sources.stores import chunking


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
    monkeypatch.setattr(arrays, "_BYTES", 64)
    monkeypatch.setattr(arrays, "_COPIED_BYTES", 64)
    monkeypatch.setattr(arrays, "_LEAST_ROWS", 1)
    monkeypatch.setattr(npy, "_BYTES", 64)
    monkeypatch.setattr(tables, "_BYTES", 64)
    monkeypatch.setattr(chunking, "_BYTES", 64)
    monkeypatch.setattr(parquet, "_BATCH_ROWS", 2)
    monkeypatch.setattr(csv_chunks.chunks, "__defaults__", (24,))


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
