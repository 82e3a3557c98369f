"""`gather`: moments of real processes, by gloo, have the bits of one process."""

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


def gathered(part: evenly.Moments) -> evenly.Moments:
    return gather(part)


def gathered_and_kept(part: evenly.Moments) -> tuple[evenly.Moments, evenly.Moments]:
    gather(part)
    return part, gather(part)


def gathered_in_pairs(part: evenly.Moments) -> Any:
    """Ranks 0 and 2 are a group; rank 1 is in another, alone."""
    groups = [dist.new_group([0, 2]), dist.new_group([1])]
    return gather(part, groups[dist.get_rank() == 1])


def gathered_by_all_over_a_pair(part: evenly.Moments) -> evenly.Moments:
    return gather(part, dist.new_group([0, 2]))


# ---- In this process ---------------------------------------------------------------------


def rows(seed: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    rng = np.random.default_rng(seed)
    return rng.normal(1.7e9, 1, (40, 3)) * 2.0 ** rng.integers(-40, 40, (40, 3))


def fitted(columns: dict[str, Any]) -> evenly.Moments:
    import pandas as pd

    return evenly.fit(pd.DataFrame(columns))


@pytest.mark.parametrize("seed", range(5))
def test_any_share_of_the_rows_gives_every_rank_the_bits_of_one_process(run: Run, seed: int):
    x = rows(seed)
    cut = sorted(np.random.default_rng(seed).integers(1, 40, 2))
    parts = [evenly.fit(part) if len(part) else evenly.Moments.empty() for part in np.split(x, cut)]
    whole = evenly.fit(x)
    for moments in run(gathered, parts):
        assert moments == whole
        assert moments.rows == 40
        assert moments.min.tolist() == whole.min.tolist()
        assert moments.std().tobytes() == whole.std().tobytes()


@pytest.mark.parametrize("empty", [0, 1, 2])
def test_a_rank_without_data_takes_part(run: Run, empty: int):
    parts = [evenly.fit(rows(seed)) for seed in range(3)]
    parts[empty] = evenly.Moments.empty()
    assert run(gathered, parts) == [evenly.merge(parts)] * 3


def test_no_rank_has_data(run: Run):
    for moments in run(gathered, [evenly.Moments.empty(2)] * 3):
        assert moments.rows == 0
        assert moments.num_features == 2


def test_columns_are_matched_by_name(run: Run):
    parts = [fitted({"a": [1.0], "b": [2.0]}), fitted({"b": [3.0], "a": [4.0]})]
    parts.append(fitted({"a": [5.0], "b": [6.0]}))
    moments = run(gathered, parts)[1]
    assert moments.columns == ("a", "b")
    assert moments == fitted({"a": [1.0, 4.0, 5.0], "b": [2.0, 3.0, 6.0]})


def test_what_was_given_stays_as_it_was(run: Run):
    parts = [evenly.fit(rows(seed)) for seed in range(3)]
    for part, (kept, again) in zip(parts, run(gathered_and_kept, parts), strict=True):
        assert kept == part
        assert again == evenly.merge(parts)


def test_a_group_of_some_ranks_adds_up_those(run: Run):
    one, alone, three = parts = [evenly.fit(rows(seed)) for seed in range(3)]
    assert run(gathered_in_pairs, parts) == [one + three, alone, one + three]


def test_a_rank_outside_the_group_is_told_so_and_the_others_are_not_held_up(run: Run):
    parts = [evenly.fit(rows(seed)) for seed in range(3)]
    first, outside, last = run(gathered_by_all_over_a_pair, parts)
    assert first == last == parts[0] + parts[2]
    assert isinstance(outside, DataError)
    assert "Received: a group without rank 1. Call gather on its members" in str(outside)


def test_other_columns_are_the_same_error_on_every_rank(run: Run):
    parts = [fitted({"a": [1.0], "b": [1.0]}), fitted({"a": [1.0], "b": [2.0]})]
    errors = run(gathered, [*parts, fitted({"a": [1.0], "c": [2.0]})])
    assert len({str(error) for error in errors}) == 1
    assert all(isinstance(error, ColumnError) for error in errors)
    assert "Missing: 'b'; unknown: 'c'." in str(errors[0])
    assert str(errors[0]).endswith("It is rank 2 that differs from those before.")


def test_another_number_of_columns_is_the_same_error_on_every_rank(run: Run):
    parts = [evenly.fit(rows(1)), evenly.fit(rows(2)[:, :2]), evenly.fit(rows(3))]
    errors = run(gathered, parts)
    assert {str(error) for error in errors} == {
        "Moments without column names need the same number of columns. Received: 3 and 2. "
        "It is rank 1 that differs from those before."
    }


def test_after_an_error_the_ranks_gather_again(run: Run):
    run(gathered, [evenly.fit(rows(1)), evenly.fit(rows(1)[:, :2]), evenly.fit(rows(1))])
    whole = evenly.fit(rows(1))
    assert run(gathered, [whole] * 3) == [whole + whole + whole] * 3
