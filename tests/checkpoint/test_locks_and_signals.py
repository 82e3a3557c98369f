"""Between the rows: one process at a time, when to save, and how a fit is interrupted."""

import errno
import itertools
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest

import evenly
from csv_files import ledger, refused
from evenly.checkpoint import lock
from evenly.checkpoint.lock import Lock
from evenly.checkpoint.schedule import SaveSchedule
from evenly.checkpoint.signals import InterruptRequest
from evenly.system.atomic import atomic_file
from simulated_crash import lives, save_everywhere

# Two at once


def test_two_processes_at_once_are_noticed(days, state):
    lock = Lock(str(state))
    try:
        assert refused(evenly.SourceError, days, checkpoint=state) == (
            "A checkpoint can be used by only one process at a time. Received: "
            f"'{state}', which process {os.getpid()} is using. Wait until it has ended, or use "
            "another "
            "checkpoint and merge the two."
        )
    finally:
        lock.release()
    assert evenly.fit(days, checkpoint=state).rows == 3


def test_a_lock_that_was_left_behind_locks_nothing(days, state):
    (state.parent / ".state.json.lock").write_text("12345")
    assert evenly.fit(days, checkpoint=state).rows == 3
    assert sorted(path.name for path in state.parent.iterdir()) == ["days", "state.json"]


def test_what_a_kill_left_of_a_save_is_cleared_up(days, state):
    """And nothing that another command is writing in the same folder."""
    others = state.with_name(".evenly-00000000-1.tmp")
    others.touch()
    with atomic_file(state):
        (mine,) = set(state.parent.glob(".evenly-*")) - {others}
        left = mine.with_name(mine.name.replace(".tmp", "0.tmp"))
        left.touch()
    state.unlink()
    evenly.fit(days, checkpoint=state)
    assert others.exists()
    assert not left.exists()


@pytest.mark.parametrize(
    ("put", "reason"),
    [
        (lambda lock, other: lock.symlink_to(other), "is a symbolic link"),
        (lambda lock, other: lock.hardlink_to(other), r"has a second name \(a hard link\)"),
        (lambda lock, other: os.mkfifo(lock), "is not a regular file"),
    ],
    ids=["link", "hard link", "FIFO"],
)
def test_a_lock_that_is_not_ours_is_refused_and_not_touched(put, reason, days, state):
    other, lock = state.with_name("other.txt"), state.with_name(".state.json.lock")
    other.write_text("precious\n")
    put(lock, other)
    with pytest.raises(evenly.SourceError, match=f"{reason}. Another user may have created it"):
        evenly.fit(days, checkpoint=state)
    assert other.read_text() == "precious\n"
    assert lock.lstat()
    assert not state.exists()


@pytest.mark.parametrize("name", [250 * "x", 125 * "\u00e9"])
def test_a_checkpoint_has_a_lock_however_long_its_name_is(name, days, state):
    path = state.with_name(name)
    lock = Lock(str(path))
    try:
        assert "only one process at a time" in refused(evenly.SourceError, days, checkpoint=path)
    finally:
        lock.release()
    assert evenly.fit(days, checkpoint=path).rows == 3
    assert sorted(entry.name for entry in state.parent.iterdir()) == sorted(["days", name])


def test_a_lock_that_was_forgotten_is_released(days, state):
    lock = Lock(str(state))
    del lock
    assert evenly.fit(days, checkpoint=state).rows == 3


@pytest.mark.parametrize("function", ["unlink", "close"])
def test_an_interrupted_release_closes_the_lock_once(function, state, monkeypatch):
    """A trial with signals found a second close, whose descriptor may be that of another file."""
    lock = Lock(str(state))
    calls = []
    original = getattr(os, function)

    def interrupted(argument):
        calls.append(argument)
        original(argument)
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        monkeypatch.setattr(os, function, interrupted)
        with pytest.raises(KeyboardInterrupt):
            lock.release()
        lock.release()
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(calls) == 1
    assert not os.path.exists(state.with_name(f".{state.name}.lock"))
    monkeypatch.undo()
    Lock(str(state)).release()


def test_a_lock_on_a_full_disk_names_the_checkpoint_and_is_removed(days, state, monkeypatch):
    def write(descriptor, data, offset):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", write)
        message = refused(evenly.SourceError, days, checkpoint=state)
    assert f"Received: '{state}'" in message
    assert "cannot be written: no space left on device" in message
    assert not [*state.parent.glob(".*.lock")]
    assert evenly.fit(days, checkpoint=state) == evenly.fit(days)


def test_a_lock_whose_construction_was_interrupted_is_dropped_silently(state, monkeypatch):
    """A trial with signals found an error that Python ignored, and printed with its traceback."""
    ignored = []
    monkeypatch.setattr(sys, "unraisablehook", ignored.append)
    last = 0
    for line in range(1, 100):
        steps = itertools.count(1)

        def trace(frame, event, argument, line=line, steps=steps):
            if frame.f_code.co_filename != lock.__file__:
                return None
            if event == "line" and next(steps) == line:
                raise KeyboardInterrupt
            return trace

        try:
            sys.settrace(trace)
            whole = Lock(str(state))
            break
        except KeyboardInterrupt:
            last = line
        finally:
            sys.settrace(None)
    assert last > 10
    assert not ignored
    whole.release()


def test_a_lock_ends_with_its_process(days, state):
    code = (
        "import os, sys; from evenly.checkpoint.lock import Lock\n"
        "lock = Lock(sys.argv[1]); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(state)], check=False)
    assert evenly.fit(days, checkpoint=state).rows == 3


def test_a_fit_that_fails_lets_go_of_the_lock(days, state):
    refused(evenly.ColumnError, days, checkpoint=state, columns="absent")
    refused(evenly.SourceError, [days / "1.csv"] * 2, checkpoint=state)
    assert evenly.fit(days, checkpoint=state).rows == 3


def test_threads_that_want_the_lock_get_it_one_after_the_other(tmp_path):
    """Also when one removes the file while another opens it."""
    path, inside, got = str(tmp_path / "s.json"), [], []

    def work():
        while len(got) < 40:
            try:
                lock = Lock(path)
            except evenly.SourceError:
                continue
            inside.append(1)
            assert len(inside) == 1
            inside.pop()
            got.append(1)
            lock.release()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) >= 40


# When to save


def test_saving_takes_a_small_part_of_the_time():
    now = 0.0
    pace = SaveSchedule(lambda: now)
    assert not pace.due(1)
    now = 3.0
    assert pace.due(1)
    with pace.saving():
        now = 4.0
    now = 53.0
    assert not pace.due(1)
    now = 54.0
    assert pace.due(1)


def test_a_million_columns_wait_before_they_are_measured():
    now = 100.0
    pace = SaveSchedule(lambda: now)
    now = 140.0
    assert not pace.due(1_000_000)
    assert pace.due(1_000)


def test_the_end_of_a_file_is_saved_when_that_costs_little():
    now = 0.0
    pace = SaveSchedule(lambda: now)
    with pace.saving():
        now = 0.01
    now = 1.0
    assert pace.due(1, least=0.0)
    assert not pace.due(1)


# Interrupted


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_an_interrupt_saves_what_is_summed(suffix, tmp_path, state, monkeypatch):
    path = tmp_path / f"x{suffix}"
    table = pd.DataFrame({"x": np.arange(60.0)})
    table.to_csv(path, index=False) if suffix == ".csv" else table.to_parquet(
        path, row_group_size=5
    )
    whole = evenly.fit(path)
    save_everywhere(monkeypatch)
    monkeypatch.setattr("evenly.checkpoint.schedule.INTERVAL", 1e9)

    def interrupt(progress):
        if progress.rows >= 15 and threading.current_thread() is threading.main_thread():
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as caught:
        evenly.fit(path, checkpoint=state, progress=interrupt, threads=1)
    assert str(caught.value) == f"interrupted. Run the same command again to resume from '{state}'."
    assert 15 <= ledger(state)[path.name] < 60
    assert evenly.fit(path, checkpoint=state) == whole


def test_a_second_interrupt_goes_through_at_once():
    before = signal.getsignal(signal.SIGINT)
    with InterruptRequest() as held:
        signal.raise_signal(signal.SIGINT)
        assert held.pending
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is before
    assert signal.getsignal(signal.SIGINT) is before


def test_a_save_that_fails_leaves_the_old_checkpoint(days, state, monkeypatch):
    evenly.fit(days / "1.csv", update=state)
    before = state.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    message = refused(evenly.SourceError, days, update=state)
    assert message.startswith(f"Cannot write '{state}': no space left on device.")
    assert state.read_bytes() == before
    monkeypatch.undo()
    assert lives(monkeypatch, days, update=state)[0].rows == 3
