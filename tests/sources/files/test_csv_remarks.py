"""CSV fields that may mean two things: the log says how they are read."""

import numpy as np
import pytest

import evenly
from evenly.apply import apply


@pytest.fixture
def fit(tmp_path, caplog):
    """Return a function that fits a text, and returns the moments and the warnings."""

    def call(text, **options):
        path = tmp_path / "x.csv"
        path.write_text(text)
        caplog.clear()
        moments = evenly.fit(path, **options)
        return moments, [x.getMessage() for x in caplog.records if x.levelname == "WARNING"]

    return call


@pytest.mark.parametrize("field", ["0x10", "0X1f", "0xg"])
def test_hexadecimal_fields_are_text(fit, field):
    moments, _ = fit(f"a,b\n{field},1\n0x20,3\n")
    assert moments.columns == ("b",)
    assert dict(moments.left_out) == {"a": "text"}
    groups, _ = fit(f"a,b\n{field},1\n0x20,3\n", by="a")
    assert sorted(groups.keys()) == sorted([field, "0x20"])


@pytest.mark.parametrize("rows", [1, 300_000])
def test_a_hexadecimal_field_among_numbers_is_an_error(fit, rows):
    text = "a,b\n" + "1,1\n" * rows + "0x10,2\n"
    with pytest.raises(evenly.DataError) as refused:
        fit(text)
    assert f"Received: '0x10' in line {rows + 2}, column 'a' of " in str(refused.value)
    moments, _ = fit(text, exclude=["a"])
    assert moments.rows == rows + 1


def test_a_hexadecimal_field_is_copied_by_apply(fit, tmp_path):
    moments, _ = fit("a,b\n0x10,1\n0x20,3\n")
    apply(moments, str(tmp_path / "x.csv"), str(tmp_path / "y.csv"))
    assert (tmp_path / "y.csv").read_text().replace('"', "") == "a,b\n0x10,-1\n0x20,1\n"


@pytest.mark.parametrize(("field", "mean"), [("00501", 251.0), ("-07", -3.0)])
def test_leading_zeros_are_named(fit, tmp_path, field, mean):
    text = f"zip,b\n1,1\n{field},2\n"
    label = tmp_path / "x.csv"
    expected = [
        f"{label}: column 'zip' has leading zeros, such as {field!r}, and is read as numbers. If "
        "it has codes, pass exclude=['zip']."
    ]
    moments, warnings = fit(text)
    assert (moments.mean[0], warnings) == (mean, expected)
    assert fit(text, by="zip")[1] == expected
    assert fit(text, exclude=["zip"])[1] == []


def test_zeros_and_decimals_are_not_named(fit):
    assert fit("a,b,c\n0,0.05,10\n-0,00.5,100\n")[1] == []


def test_points_that_may_be_between_thousands_are_named(fit, tmp_path):
    moments, warnings = fit("a;b\n1.000;1\n12.500;2\n")
    assert moments.mean.tolist() == [6.75, 1.5]
    assert warnings == [
        f"{tmp_path / 'x.csv'}: numbers such as '1.000' in column 'a' are read with a decimal "
        "point. If it is between thousands, pass csv={'decimal': ',', 'thousands': '.'}."
    ]
    grouped = {"decimal": ",", "thousands": "."}
    moments, warnings = fit("a;b\n1.000;1\n12.500;2\n", csv=grouped)
    assert (moments.mean.tolist(), warnings) == ([6750.0, 1.5], [])


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("a;b\n1.000;1\n12.500;0.5\n", {}),
        ("a;b\n1.000;1\n1.25;2\n", {}),
        ("a,b\n1.000,1\n12.500,2\n", {}),
        ("a;b\n1.000;1\n12.500;2\n", {"csv": {"decimal": "."}}),
        ("a;b\n1.000;1\n12.500;2\n", {"columns": ["b"]}),
    ],
)
def test_points_that_are_decimal_are_not_named(fit, text, options):
    assert fit(text, **options)[1] == []


def test_whole_numbers_of_64_bits_without_a_sign_are_exact(fit):
    numbers = [2**64 - 1, -(2**63), 2**63 + 1, 3, 2**53 + 1]
    for order in (numbers, numbers[::-1]):
        moments, _ = fit("a\n" + "".join(f"{x}\n" for x in [*order, 0.5]))
        assert moments.sum == [sum(numbers) + evenly.fit([0.5]).sum[0]]
    groups, _ = fit("k,a\n18446744073709551615,1\n18446744073709551614,3\n0.5,5\n", by="k")
    assert {key: group.mean.item() for key, group in groups.items()} == {
        2**64 - 1: 1.0,
        2**64 - 2: 3.0,
        0.5: 5.0,
    }
    assert fit("a\n18446744073709551616\n")[0].sum == [2**64]
    assert np.isfinite(fit("a\n1e300\n18446744073709551615\n")[0].mean).all()
