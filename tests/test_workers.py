"""Threads are joined even if a signal handler raises."""

import signal
import threading
import time

import pytest

from evenly.fitting.parallel import run_tasks
from evenly.sources.prefetch import read_ahead
from evenly.system.signals import DeferredSignals
from evenly.system.workers import ThreadGroup, outside_main_thread


class StoppedError(Exception):
    pass


@pytest.fixture
def raising():
    """Install a handler of SIGALRM that raises, like the time limit of a user."""

    def handler(number, frame):
        raise StoppedError

    before = signal.signal(signal.SIGALRM, handler)
    yield signal.SIGALRM
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_deferred_signal_runs_handler_at_exit(raising):
    steps = []

    def step():
        with DeferredSignals():
            signal.raise_signal(raising)
            steps.append("critical section")

    with pytest.raises(StoppedError):
        step()
    assert steps == ["critical section"]


def test_raise_pending_runs_handler(raising):
    with DeferredSignals() as held:
        signal.raise_signal(raising)
        with pytest.raises(StoppedError):
            held.raise_pending()
        held.raise_pending()
    with pytest.raises(StoppedError):
        signal.raise_signal(raising)


def test_handler_installed_in_context_is_kept(raising):
    with DeferredSignals():
        signal.signal(raising, signal.SIG_IGN)
    assert signal.getsignal(raising) == signal.SIG_IGN


def test_threads_are_joined_when_handler_raises(raising):
    """Regression: in Python 3.11 an interrupted `join` marked a running thread as ended."""
    stopped, ended = threading.Event(), threading.Event()

    def work():
        stopped.wait()
        time.sleep(0.2)  # the item that it is at
        ended.set()

    workers = ThreadGroup(work, 1, stopped.set)
    workers.start()
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    with pytest.raises(StoppedError):
        workers.join()
    assert ended.is_set()


def test_handler_that_does_not_raise_stops_nothing():
    seen, go = [], threading.Event()

    def handler(number, frame):
        seen.append(number)
        go.set()

    before = signal.signal(signal.SIGALRM, handler)
    try:
        workers = ThreadGroup(go.wait, 2, lambda: pytest.fail("stopped"))
        workers.start()
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        workers.join()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert seen == [signal.SIGALRM]


def test_outside_main_thread_returns_and_raises():
    assert outside_main_thread(threading.current_thread) is not threading.main_thread()
    with pytest.raises(ZeroDivisionError):
        outside_main_thread(lambda: 1 / 0)


@pytest.fixture
def scarce(monkeypatch):
    """Return a function that limits the number of threads that the system starts."""
    start, left = threading.Thread.start, [0]

    def limited(thread):
        if left[0] == 0:
            raise RuntimeError("can't start new thread")
        left[0] -= 1
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    return lambda number: left.__setitem__(0, number)


@pytest.mark.parametrize("number", [0, 1, 3, 8])
def test_fewer_threads_if_some_cannot_start(scarce, number):
    scarce(number)
    consumed = []
    run_tasks(iter([[task, task] for task in range(20)]), consumed.append, 4)
    assert sorted(consumed) == sorted([*range(20)] * 2)


@pytest.mark.parametrize("number", [0, 1])
def test_prefetch_without_threads(scarce, number):
    scarce(number)
    closed = []

    def items():
        try:
            yield from range(5)
        finally:
            closed.append(True)

    assert list(read_ahead(items())) == [*range(5)]
    ahead = read_ahead(items())
    assert next(ahead) == 0
    ahead.close()
    assert closed == [True, True]


def test_outside_main_thread_without_threads(scarce):
    assert outside_main_thread(threading.current_thread) is threading.main_thread()
