"""Remarks on what needs attention."""

from dataclasses import replace

import numpy as np
import pytest

import evenly
from evenly.html_report.remarks import attention, remarks
from evenly.html_report.summary import ColumnSummary, Distribution


def summary(x, **options):
    """Return the summary of one column of values."""
    (column,) = evenly.fit(np.asarray(x)[:, None], **options)._summaries()
    return column


def texts(column):
    return [remark.text for remark in remarks(column)]


def with_values(column, x):
    """Return a summary with the distribution of its values, all distinct ones known."""
    values, counts = np.unique(x, return_counts=True)
    quantiles = np.quantile(x, [0.01, 0.25, 0.5, 0.75, 0.99, 0.001, 0.999]).tolist()
    pairs = list(zip(values.tolist(), counts.tolist(), strict=True))
    bounds = [(quantile, quantile) for quantile in quantiles[:5]]
    distribution = Distribution(quantiles[:5], bounds, quantiles[5:], None, pairs)
    return replace(column, distribution=distribution)


def with_quantiles(column, x):
    """Return a summary with quantiles, for a column of too many values to know them all."""
    known = with_values(column, x)
    return replace(known, distribution=replace(known.distribution, values=None))


NORMAL = np.random.default_rng(0).normal(size=10_000)


def test_ordinary_columns_have_no_remark():
    assert texts(with_quantiles(summary(NORMAL), NORMAL)) == []
    assert attention(remarks(summary(NORMAL))) == 0


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([np.nan, np.nan], "all values are missing"),
        ([7.0], "one value only"),
        ([7.0] * 5, "constant: every value is 7"),
        (
            [0.1, np.nextafter(0.1, 1)],
            "nearly constant: values differ in their last digits only",
        ),
        ([1.0, 2.0, np.nan], "33.3 % of the values are missing"),
        ([2**60, 2**61], "integers beyond 2^53, which float64 cannot hold: identifiers?"),
    ],
)  # fmt: skip
def test_remark(x, expected):
    assert expected in texts(summary(x))


def test_no_rows():
    (column,) = evenly.Moments.empty(1)._summaries()
    assert texts(column) == ["no rows"]


def test_few_missing_values_are_not_remarked_on():
    assert texts(summary(np.r_[NORMAL, [np.nan] * 1000])) == []


def test_most_values_missing_is_a_problem():
    assert attention(remarks(summary([1.0, 2.0, np.nan, np.nan, np.nan]))) == 3


def test_offset_that_float32_cannot_hold():
    (remark,) = texts(summary(1.7e9 + 86400 / 3.46 * NORMAL))
    assert remark == (
        "large offset: float32 has only 190 steps per std here; normalize before converting to "
        "float32"
    )
    assert attention(remarks(summary(1.7e9 + 100 * NORMAL))) == 3
    assert texts(summary(1e5 + 100 * NORMAL)) == []


def test_values_that_float32_does_not_have():
    assert texts(summary(1e39 * NORMAL)) == ["values beyond the range of float32"]
    assert texts(summary(1e-44 * NORMAL))[0].startswith("tiny values: float32 has only 7")
    assert texts(summary([5e-324, 0.0, 1e-320]))[0].startswith(
        "tiny values: float32 has less than 1 step per std"
    )


def test_small_integers_have_no_offset():
    assert texts(summary(np.arange(2000, 2030))) == []


def test_float32_steps_are_those_of_numpy():
    x = 3e6 + NORMAL
    steps = x.std() / np.spacing(np.float32(abs(x).max()))
    assert f"only {float(f'{steps:.2g}'):g} steps" in texts(summary(x))[0]


def test_extreme_value():
    x = np.r_[NORMAL, 1e4]
    assert "extreme value: 10000 is 100 std from the mean" in texts(summary(x))


def test_heavy_tails_are_seen_in_quantiles():
    x = np.random.default_rng(1).standard_t(1.5, 10_000)
    found = texts(with_quantiles(summary(x), x))
    assert found[0].startswith("heavy tails: mean and std say little about most values")
    for light in (
        np.random.default_rng(1).exponential(size=10_000),
        np.random.default_rng(1).uniform(size=10_000),
    ):
        assert texts(with_quantiles(summary(light), light)) == []


def test_few_distinct_values():
    x = np.tile([0, 1, 2], 100)
    (remark,) = texts(with_values(summary(x), x))
    assert remark == (
        "3 distinct values: 0 (33.3 %), 1 (33.3 %), 2 (33.3 %); if they are codes, do not "
        "normalize them"
    )
    x = np.arange(60) % 12
    assert texts(with_values(summary(x), x))[0].startswith("12 distinct values; if they are codes")
    x = np.arange(60) % 13
    assert texts(with_values(summary(x), x)) == []


def test_two_values_are_only_noted():
    x = np.tile([0, 0, 0, 1], 100)
    column = with_values(summary(x), x)
    assert texts(column) == ["2 distinct values: 0 (75 %), 1 (25 %)"]
    assert attention(remarks(column)) == 1


def test_value_that_nearly_all_rows_have():
    x = np.r_[np.zeros(9990), np.arange(1, 11.0)]
    assert "nearly constant: 99.9 % of the values are 0" in texts(with_values(summary(x), x))


def test_duplicates():
    x = NORMAL
    columns = evenly.fit({"a": x, "b": x[::-1].copy(), "c": -x})._summaries()
    assert [column.duplicate_of for column in columns] == ["", "a", ""]
    assert texts(columns[1]) == ["the same distribution as a"]


def test_constants_are_not_duplicates():
    columns = evenly.fit({"a": np.ones(5), "b": np.ones(5)})._summaries()
    assert texts(columns[1]) == ["constant: every value is 1"]


def test_remarks_that_need_most_attention_come_first():
    column = summary(np.r_[1e9 + NORMAL, [np.nan] * 9000])
    assert [remark.level for remark in remarks(column)] == ["problem", "warning"]
    assert isinstance(column, ColumnSummary)
