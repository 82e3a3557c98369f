"""Tests of `gather` with gloo: moments of several processes equal those of one."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch.distributed as dist

import evenly
from evenly.errors import ColumnError, DataError
from evenly.torch import gather
from process_group import Run, ranks


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with ranks(3) as started:
        yield started


# ---- On the ranks ------------------------------------------------------------------------


def gather_moments(moments: evenly.Moments) -> evenly.Moments:
    return gather(moments)


def gather_twice(moments: evenly.Moments) -> tuple[evenly.Moments, evenly.Moments]:
    gather(moments)
    return moments, gather(moments)


def gather_in_groups(moments: evenly.Moments) -> Any:
    """Gather over a group of ranks 0 and 2, and one of rank 1."""
    groups = [dist.new_group([0, 2]), dist.new_group([1])]
    return gather(moments, groups[dist.get_rank() == 1])


def gather_over_pair(moments: evenly.Moments) -> evenly.Moments:
    return gather(moments, dist.new_group([0, 2]))


# ---- In this process ---------------------------------------------------------------------


def rows(seed: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    rng = np.random.default_rng(seed)
    return rng.normal(1.7e9, 1, (40, 3)) * 2.0 ** rng.integers(-40, 40, (40, 3))


def fit_frame(columns: dict[str, Any]) -> evenly.Moments:
    import pandas as pd

    return evenly.fit(pd.DataFrame(columns))


@pytest.mark.parametrize("seed", range(5))
def test_gather_of_any_split_equals_one_process(run: Run, seed: int):
    x = rows(seed)
    cuts = sorted(np.random.default_rng(seed).integers(1, 40, 2))
    parts = [evenly.fit(y) if len(y) else evenly.Moments.empty() for y in np.split(x, cuts)]
    expected = evenly.fit(x)
    for moments in run(gather_moments, parts):
        assert moments == expected
        assert moments.rows == 40
        assert moments.min.tolist() == expected.min.tolist()
        assert moments.std().tobytes() == expected.std().tobytes()


@pytest.mark.parametrize("empty", [0, 1, 2])
def test_gather_with_rank_without_data(run: Run, empty: int):
    parts = [evenly.fit(rows(seed)) for seed in range(3)]
    parts[empty] = evenly.Moments.empty()
    assert run(gather_moments, parts) == [evenly.merge(parts)] * 3


def test_gather_without_any_data(run: Run):
    for moments in run(gather_moments, [evenly.Moments.empty(2)] * 3):
        assert moments.rows == 0
        assert moments.num_features == 2


def test_gather_matches_columns_by_name(run: Run):
    parts = [fit_frame({"a": [1.0], "b": [2.0]}), fit_frame({"b": [3.0], "a": [4.0]})]
    parts.append(fit_frame({"a": [5.0], "b": [6.0]}))
    moments = run(gather_moments, parts)[1]
    assert moments.columns == ("a", "b")
    assert moments == fit_frame({"a": [1.0, 4.0, 5.0], "b": [2.0, 3.0, 6.0]})


def test_gather_leaves_its_argument_unchanged(run: Run):
    parts = [evenly.fit(rows(seed)) for seed in range(3)]
    for part, (argument, result) in zip(parts, run(gather_twice, parts), strict=True):
        assert argument == part
        assert result == evenly.merge(parts)


def test_gather_over_group_merges_only_its_ranks(run: Run):
    one, alone, three = parts = [evenly.fit(rows(seed)) for seed in range(3)]
    assert run(gather_in_groups, parts) == [one + three, alone, one + three]


def test_gather_raises_on_rank_outside_group(run: Run):
    parts = [evenly.fit(rows(seed)) for seed in range(3)]
    first, outside, last = run(gather_over_pair, parts)
    assert first == last == parts[0] + parts[2]
    assert isinstance(outside, DataError)
    assert "Received: a group without rank 1. Call gather only on members of the group." in str(
        outside
    )


def test_gather_of_other_columns_raises_same_error_on_every_rank(run: Run):
    parts = [fit_frame({"a": [1.0], "b": [1.0]}), fit_frame({"a": [1.0], "b": [2.0]})]
    errors = run(gather_moments, [*parts, fit_frame({"a": [1.0], "c": [2.0]})])
    assert len({str(error) for error in errors}) == 1
    assert all(isinstance(error, ColumnError) for error in errors)
    assert "Missing: 'b'; unknown: 'c'." in str(errors[0])
    assert str(errors[0]).endswith("Rank 2 differs from the ranks before it.")


def test_gather_of_other_number_of_columns_raises_same_error_on_every_rank(run: Run):
    parts = [evenly.fit(rows(1)), evenly.fit(rows(2)[:, :2]), evenly.fit(rows(3))]
    errors = run(gather_moments, parts)
    assert {str(error) for error in errors} == {
        "Moments without column names need the same number of columns. Received: 3 and 2. "
        "Rank 1 differs from the ranks before it."
    }


def test_gather_works_after_an_error(run: Run):
    run(gather_moments, [evenly.fit(rows(1)), evenly.fit(rows(1)[:, :2]), evenly.fit(rows(1))])
    moments = evenly.fit(rows(1))
    assert run(gather_moments, [moments] * 3) == [moments + moments + moments] * 3
