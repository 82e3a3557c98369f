"""An exception in a signal handler leaves moments unchanged or with the whole block added."""

import dis
import functools
import os
import pickle
import signal
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import evenly
from evenly import GroupedMoments, Moments, Window

PACKAGE = Path(evenly.__file__).parent
CHANGING = tuple(map(str, (PACKAGE / "moments", PACKAGE / "window.py", PACKAGE / "locks.py")))
"""The modules that change moments. Other code, such as sources, has no access to them."""

RNG = np.random.default_rng(5)
X = RNG.normal(size=(60, 3))
OLD_KEYS, NEW_KEYS = np.arange(60) % 4, np.arange(60) % 7 + 2  # some groups are new


class Interrupt(BaseException):
    """Raised by a signal handler, as KeyboardInterrupt is by Ctrl-C."""


@functools.cache
def runs_handlers(code):
    """Return the offsets of the bytecodes after which CPython runs signal handlers.

    These are the start of a function, backward jumps and calls. EVENLY_TEST_INTERRUPTS, where it
    is set, makes them all bytecodes.
    """
    return {
        instruction.offset
        for instruction in dis.get_instructions(code)
        if instruction.opname.startswith(("RESUME", "CALL"))
        or "JUMP_BACKWARD" in instruction.opname
        or "EVENLY_TEST_INTERRUPTS" in os.environ
    }


def raise_at(number):
    """Return a trace function that raises where a handler of a signal may, in the code under test.

    It raises at the given occurrence, before the bytecode that follows.
    """
    left = [number]

    def trace_calls(frame, event, argument):
        if not frame.f_code.co_filename.startswith(CHANGING):
            return None
        frame.f_trace_opcodes = True
        offsets = runs_handlers(frame.f_code)
        may_raise = False

        def trace(frame, event, argument):
            nonlocal may_raise
            if event == "opcode":
                left[0] -= may_raise
                if left[0] < 0:
                    raise Interrupt
                may_raise = frame.f_lasti in offsets
            return trace

        return trace

    return trace_calls


def interrupted_everywhere(call):
    """Call once for each place where a signal may interrupt it; yield what each call left."""
    number = 0
    before = sys.gettrace()
    while True:
        target = call.prepare()
        sys.settrace(raise_at(number))
        try:
            call.run(target)
            return
        except Interrupt:
            pass
        finally:
            sys.settrace(before)
        yield target
        number += 1


class Call:
    """A call that changes moments, and the moments before and after."""

    def __init__(self, before, run):
        self._before = pickle.dumps(before)
        self.run = run

    def prepare(self):
        return pickle.loads(self._before)


def exact(moments):
    """Return the complete state of moments."""
    return pickle.dumps(moments)


def check_consistent(moments, before, after):
    """Check that moments are equal in every respect to `before` or to `after`."""
    is_after = moments == after
    assert is_after or moments == before
    expected = after if is_after else before
    assert moments.rows == expected.rows
    assert moments.columns == expected.columns
    assert moments.dtypes == expected.dtypes
    assert moments.sources == expected.sources
    assert moments.distribution == expected.distribution
    if isinstance(moments, Moments):
        np.testing.assert_array_equal(moments.max, expected.max)
        if moments.distribution:
            for index in range(moments.num_features):
                ours, theirs = (m.bins(index).counts.tolist() for m in (moments, expected))
                assert ours == theirs
    else:
        assert list(moments) == list(expected)
        assert [own.rows for own in moments.values()] == [own.rows for own in expected.values()]


NEW_DTYPE = X.astype(np.float32)
CALLS = {
    "update": (lambda: evenly.fit(X), lambda m: m.update(X)),
    "update with a new dtype": (lambda: evenly.fit(X), lambda m: m.update(NEW_DTYPE)),
    "first update": (Moments.empty, lambda m: m.update(X)),
    "update with weights": (lambda: evenly.fit(X), lambda m: m.update(X, weights=np.ones(60) / 3)),
    "update of groups": (lambda: evenly.fit(X, by=OLD_KEYS), lambda m: m.update(X, by=NEW_KEYS)),
    "first update of groups": (GroupedMoments.empty, lambda m: m.update(X, by=NEW_KEYS)),
    "update with distributions": (
        lambda: evenly.fit(X, distribution=16),
        lambda m: m.update(NEW_DTYPE * 3),
    ),
    "absorb with distributions": (
        lambda: evenly.fit(X, distribution=16),
        lambda m: m.merge_inplace(evenly.fit(NEW_DTYPE * 3, distribution=8)),
    ),
    "absorb": (lambda: evenly.fit(X), lambda m: m.merge_inplace(evenly.fit(NEW_DTYPE))),
    "absorb groups": (
        lambda: evenly.fit(X, by=OLD_KEYS),
        lambda m: m.merge_inplace(evenly.fit(NEW_DTYPE, by=NEW_KEYS)),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_interrupted_update_leaves_moments_consistent(name):
    make, run = CALLS[name]
    before, after = make(), make()
    run(after)
    number = 0
    for number, left in enumerate(interrupted_everywhere(Call(before, run)), 1):
        check_consistent(left, before, after)
        if number % 5 == 0:  # it can be saved, read and used
            again = type(left).from_bytes(left.to_bytes())
            run(left)
            run(again)
            assert again == left
    assert number > 15, "the trace function saw no bytecode"


@pytest.mark.parametrize(
    "operate",
    [lambda a, b: a + b, lambda a, b: evenly.merge([a, b]), lambda a, b: (a + b) - b],
    ids=["add", "merge", "subtract"],
)
@pytest.mark.parametrize("by", [None, OLD_KEYS], ids=["plain", "groups"])
def test_interrupted_operator_keeps_operands(operate, by):
    a, b = evenly.fit(X, by=by), evenly.fit(X[:9], by=None if by is None else by[:9])
    ours, theirs = exact(a), exact(b)

    class Operation:
        def prepare(self):
            return None

        def run(self, _):
            operate(a, b)

    for _ in interrupted_everywhere(Operation()):
        assert (exact(a), exact(b)) == (ours, theirs)


def test_interrupted_window_keeps_old_or_new_parts():
    def make():
        window = Window(3)
        for value in range(3):
            window.append([[float(value)]])
        return window

    def run(window):
        window.append([[7.0]])

    states = [[0.0, 1.0, 2.0], [1.0, 2.0, 7.0]]
    expected = [evenly.fit(np.array(values)[:, None]) for values in states]
    for left in interrupted_everywhere(Call(make(), run)):
        assert left.moments in expected
        assert len(left) == 3
        left.append([[8.0]])
        assert left.moments.max == [8.0]
        assert len(left) == 3


ROUNDS = int(os.environ.get("EVENLY_TEST_INTERRUPTS", "150"))
"""Signals sent of each kind; more by hand, and then at every bytecode."""


# Python itself drops an exception that a handler raises within a weak reference's callback.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("by", [None, "by"], ids=["plain", "groups"])
def test_many_signals_leave_moments_consistent(by):
    x = RNG.normal(size=(2000, 4))
    old, new = (np.arange(2000) % n + n for n in (5, 300))
    before = evenly.fit(x, by=old) if by else evenly.fit(x)

    def update(moments):
        return moments.update(x.astype("f4"), by=new) if by else moments.update(x.astype("f4"))

    after = update(before.copy())

    def interrupt(*_):
        raise Interrupt

    handler = signal.signal(signal.SIGALRM, interrupt)
    hits = 0
    try:
        for delay in RNG.random(ROUNDS):
            moments = before.copy()
            try:
                signal.setitimer(signal.ITIMER_REAL, 1e-6 + 4e-3 * delay)
                update(moments)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except Interrupt:
                hits += 1
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            check_consistent(moments, before, after)
    except Interrupt:  # between the update and the switching off of the timer
        pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    assert hits


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("by", [None, "by"], ids=["plain", "groups"])
def test_fork_during_update_does_not_deadlock(by):
    x = RNG.normal(size=(20_000, 8))
    keys = np.arange(len(x)) % 3 if by else None
    moments = evenly.fit(x, by=keys)
    one = moments.copy()
    stop = threading.Event()

    def update():
        while not stop.is_set():
            moments.update(x, by=keys) if by else moments.update(x)

    thread = threading.Thread(target=update)
    thread.start()
    try:
        for _ in range(ROUNDS // 10):
            child = os.fork()
            if child == 0:
                signal.alarm(60)  # rather than wait for ever
                whole = moments.rows % len(x) == 0
                moments.update(x, by=keys) if by else moments.update(x)
                more = moments - one
                total = moments.total() if by else moments
                os._exit(0 if whole and more.rows % len(x) == 0 and total.rows > 0 else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        thread.join()
