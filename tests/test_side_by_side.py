"""Parallel tasks."""

import threading

import pytest

from evenly.fitting.parallel import run_tasks

THREADS = 1, 2, 5


@pytest.mark.parametrize("threads", THREADS)
def test_parallel_consumes_every_item_once(threads):
    seen = []
    tasks = (range(10 * i, 10 * i + 10) for i in range(20))
    run_tasks(tasks, seen.append, threads)
    assert sorted(seen) == list(range(200))


@pytest.mark.parametrize("threads", THREADS)
def test_parallel_keeps_order_within_task(threads):
    seen = []
    run_tasks(iter([[(i, j) for j in range(50)] for i in range(4)]), seen.append, threads)
    for task in range(4):
        assert [j for i, j in seen if i == task] == list(range(50))


@pytest.mark.parametrize("threads", THREADS)
def test_parallel_raises_first_task_error(threads):
    second_failed = threading.Event()

    def first():
        if threads > 1:
            assert second_failed.wait(60)
        yield "first"

    def refuse(item):
        if item == "second":
            second_failed.set()
        raise ValueError(item)

    with pytest.raises(ValueError, match="first"):
        run_tasks(iter([first(), ["second"]]), refuse, threads)


@pytest.mark.parametrize("threads", THREADS)
def test_parallel_starts_no_task_after_failure(threads):
    begun = []

    def tasks():
        for number in range(1000):
            begun.append(number)
            yield [number]

    def refuse(item):
        raise ValueError(item)

    with pytest.raises(ValueError, match="0"):
        run_tasks(tasks(), refuse, threads)
    assert len(begun) <= threads


@pytest.mark.parametrize("threads", THREADS)
def test_parallel_raises_error_of_task_iterator(threads):
    def tasks():
        yield [1]
        raise LookupError("no more")

    seen = []
    with pytest.raises(LookupError, match="no more"):
        run_tasks(tasks(), seen.append, threads)
    assert seen == [1]
