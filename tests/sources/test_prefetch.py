"""Tests of reading ahead."""

import threading

import pytest

from evenly.sources.prefetch import read_ahead


def ours():
    return [thread for thread in threading.enumerate() if thread.name == "evenly"]


def test_read_ahead_keeps_order():
    assert list(read_ahead(iter(range(100)))) == list(range(100))


def test_read_ahead_raises_in_order():
    def broken():
        yield 1
        raise ValueError("here")

    items = read_ahead(broken())
    assert next(items) == 1
    with pytest.raises(ValueError, match="here"):
        next(items)
    assert ours() == []


def test_read_ahead_is_limited():
    made = []

    def count():
        for i in range(50):
            made.append(i)
            yield i

    for item in read_ahead(count()):
        assert len(made) <= item + 4
    assert len(made) == 50


def test_read_ahead_stops_thread_and_closes_iterator():
    closed = threading.Event()

    def endless():
        try:
            while True:
                yield 0
        finally:
            closed.set()

    items = read_ahead(endless())
    next(items)
    items.close()
    assert closed.is_set()
    assert ours() == []
