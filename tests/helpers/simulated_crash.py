"""Deaths of a fit, as many as there are: what a kill leaves is what was saved last.

A save appears whole or not at all, so that dying after each one of them, in turn, is dying
at any moment whatever.
"""

import os

import evenly
from evenly.checkpoint import schedule
from evenly.checkpoint.store import CheckpointStore
from evenly.sources import arrays, tables
from evenly.sources.files import csv_chunks, npy, parquet
from evenly.sources.stores import chunking


class Died(BaseException):
    """The process is gone."""


def raising(exception, function, times):
    """A function that raises after so many calls."""

    def call(*arguments):
        nonlocal times
        function(*arguments)
        times -= 1
        if not times:
            raise exception

    return call


def save_everywhere(monkeypatch):
    """Save wherever a fit may save; and let blocks be so small that this is in most rows."""
    monkeypatch.setattr(schedule, "INTERVAL", 0.0)
    monkeypatch.setattr(schedule, "MAX_SHARE", 0)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # 5 ms each; it is us who die
    monkeypatch.setattr(arrays, "_BYTES", 64)
    monkeypatch.setattr(arrays, "_COPIED_BYTES", 64)
    monkeypatch.setattr(arrays, "_LEAST_ROWS", 1)
    monkeypatch.setattr(npy, "_BYTES", 64)
    monkeypatch.setattr(tables, "_BYTES", 64)
    monkeypatch.setattr(chunking, "_BYTES", 64)
    monkeypatch.setattr(parquet, "_BATCH_ROWS", 2)
    monkeypatch.setattr(csv_chunks.chunks, "__defaults__", (24,))


def lives(monkeypatch, source, saves=1, **options):
    """Fit, dying after so many saves, again and again until it is done.

    Returns the moments, and how many lives that took.
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
