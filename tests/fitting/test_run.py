"""The fit loop adds the blocks of any source, in order or by tasks."""

import numpy as np
import pytest

import evenly
from evenly.block import Block, Column
from evenly.fitting.run import fit_source, run_fit
from evenly.sources import FitOptions
from evenly.sources.source import ReadTask, SequentialSource

X = np.random.default_rng(5).normal(1e6, 1, (40, 3))
NAMES = ("a", "b", "c")


class TaskSource(SequentialSource):
    """A source of given tasks, which records whether it was closed."""

    names = NAMES
    rows = nbytes = None
    description = "the tasks"

    def __init__(self, tasks):
        self.left_out = {}
        self.closed = False
        self._tasks = tasks

    def tasks(self):
        try:
            yield from self._tasks
        finally:
            self.closed = True


def part(rows, columns, **options):
    """Return the block of some rows and columns of X."""
    data = tuple(Column(column) for column in X[rows, columns].T)
    return Block(NAMES[columns], data, **options)


@pytest.mark.parametrize("threads", [1, 3])
def test_blocks_of_some_columns_and_of_all_columns_add_up(threads):
    tasks = [
        ReadTask([part(slice(0, 9), slice(0, 2), first_column=0)]),
        ReadTask([part(slice(0, 9), slice(2, 3), first_column=2)]),
        ReadTask([part(slice(9, 20), slice(0, 3)), part(slice(20, 40), slice(0, 3))]),
    ]
    moments = fit_source(TaskSource(tasks), FitOptions(threads=threads))
    assert moments == evenly.Moments.empty().update(part(slice(0, 40), slice(0, 3)))
    assert (moments.rows, moments.dtypes) == (40, ("float64",) * 3)


@pytest.mark.parametrize("threads", [1, 3])
def test_changed_file_is_an_error_in_a_task_too(threads):
    def changed():
        raise evenly.SourceError("changed")

    source = TaskSource([ReadTask([part(slice(0, 9), slice(0, 3), verify=changed)])])
    with pytest.raises(evenly.SourceError, match=r"^changed$"):
        run_fit(source, FitOptions(threads=threads))
    assert source.closed


def test_progress_counts_the_rows_of_the_first_columns_only():
    seen = []
    tasks = [
        ReadTask([part(slice(0, 9), slice(0, 2), first_column=0)]),
        ReadTask([part(slice(0, 9), slice(2, 3), first_column=2)]),
        ReadTask([part(slice(9, 20), slice(0, 3))]),
    ]
    run_fit(
        TaskSource(tasks),
        FitOptions(threads=1),
        progress=lambda progress: seen.append(progress.rows),
    )
    assert seen == [9, 9, 20]
