"""The HTML page: complete, safe, and the same for the same statistics."""

import hashlib
import re
from base64 import b64encode
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import evenly
from evenly.html_report.page import DATATABLES, asset
from evenly.report.pages import report_page

DATATABLES_HASH = "sha256-OAF6VYas2cbra7/otpOOGiW9xxfFrPywfgydZjKCxZ0="
"""Of ``js/dataTables.min.js`` in the npm package datatables.net 3.1.5."""
HOSTILE = [
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "\x1b[2J\u202e\x00",
    "<!--",
    "&lt;",
    "\udc80",
    "]]>",
]


@pytest.fixture
def moments():
    rng = np.random.default_rng(0)
    return evenly.fit(
        pd.DataFrame(
            {"year": np.full(100, 2013), "x": rng.normal(size=100), "y": rng.normal(size=100)}
        )
    )


class Page(HTMLParser):
    """Collects the tags, attributes and the cells of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.rows, self.inside = [], [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        self.inside = tag
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1] and self.inside not in {"script", "style"}:
            self.rows[-1][-1] += data

    def of(self, name):
        return [value for _, key, value in self.attributes if key == name]


def test_table_has_the_numbers_of_each_column(moments):
    head, *rows = Page(moments.to_html()).rows
    assert [cell.strip() for cell in head] == [
        "Column", "Remarks", "Mean", "Std", "Missing %", "Min", "Max", "Count"
    ]  # fmt: skip
    assert [row[0] for row in rows] == ["yearint64", "xfloat64", "yfloat64"]
    assert rows[0][1] == "constant: every value is 2013"
    assert float(rows[1][2]) == pytest.approx(moments.mean[1], rel=1e-4)
    assert float(rows[1][3]) == pytest.approx(moments.std()[1], rel=1e-4)
    assert [cell.strip() for cell in rows[1][4:]][0::3] == ["0", "100"]


def test_page_says_how_to_get_histograms(moments):
    page = moments.to_html()
    assert "<svg" not in page
    assert "evenly fit --distribution" in page
    assert "evenly.fit(x, distribution=True)" in page


def test_columns_that_need_attention_come_first():
    rng = np.random.default_rng(0)
    data = {"fine": rng.normal(size=50), "empty": np.full(50, np.nan), "one": np.ones(50)}
    rows = Page(evenly.fit(pd.DataFrame(data)).to_html()).rows[1:]
    assert [row[0].removesuffix("float64") for row in rows] == ["empty", "one", "fine"]


def test_same_statistics_give_the_same_page(moments):
    again = evenly.Moments.from_bytes(moments.to_bytes())
    assert again.to_html("a") == moments.to_html("a")


def test_policy_allows_only_the_scripts_and_the_style_of_the_page(moments):
    page = moments.to_html()
    (policy,) = (value for value in Page(page).of("content") if "default-src" in value)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    for tag in ("script", "style"):
        inline = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digests = [b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in inline]
        assert rules[f"{tag}-src"].split() == [f"'sha256-{digest}'" for digest in digests]
    assert set(rules) == {"default-src", "script-src", "style-src", "base-uri", "form-action"}


def test_page_refers_to_no_other_file(moments):
    page = Page(moments.to_html())
    assert not {"link", "img", "iframe", "object", "embed", "base"} & {*page.tags}
    names = {name for _, name, _ in page.attributes}
    assert not names & {"src", "href", "srcset", "style", "data", "action"}


@pytest.mark.parametrize("name", HOSTILE)
def test_names_cannot_become_markup(name, moments):
    plain = Page(moments.select(["x", "y"]).to_html("t"))
    renamed = evenly.Moments.empty([name, "y"]).update(np.random.default_rng(0).normal(size=(9, 2)))
    page = renamed.to_html(name)
    assert page.encode("utf-8")
    found = Page(page)
    assert found.tags == plain.tags
    assert not [n for _, n, _ in found.attributes if n.startswith("on")]
    assert not re.search("[\x00-\x08\x0e-\x1f\u202e]", page)


def test_group_keys_cannot_become_markup():
    moments = evenly.fit(pd.DataFrame({"x": [1.0, 2.0], "k": HOSTILE[:2]}), by="k")
    page = Page(moments.to_html())
    assert "img" not in page.tags
    assert page.rows[0][0] == "Group"
    assert {row[0] for row in page.rows[1:]} == set(HOSTILE[:2])


def test_several_statistics_have_a_section_each(moments):
    page = report_page([("a.json", moments), ("b.json", moments)])
    assert Page(page).tags.count("section") == 2
    assert "<h2>a.json</h2>" in page
    assert "<title>Statistics</title>" in page
    assert "<title>a.json</title>" in report_page([("a.json", moments)])


def test_times_are_dates():
    times = pd.DataFrame({"t": pd.date_range("2026-01-01", periods=3)})
    (row,) = Page(evenly.fit(times, columns=["t"]).to_html()).rows[1:]
    assert row[2] == "2026-01-02 00:00:00"
    assert row[5] == "2026-01-01 00:00:00"


def test_bounds_and_left_out_columns_are_mentioned(moments):
    rest = moments - moments
    assert "min and max are bounds" in (moments + moments - moments).to_html()
    assert "no rows" in rest.to_html()
    text = evenly.fit(pd.DataFrame({"x": [1.0], "carrier": ["UA"]}))
    assert "left out: carrier (text)" in text.to_html()


def test_moments_without_columns_have_a_page():
    assert "<table" in evenly.Moments.empty().to_html()


def test_datatables_is_the_published_file():
    content = (files("evenly.html_report") / "assets" / DATATABLES).read_bytes()
    digest = b64encode(hashlib.sha256(content).digest()).decode()
    assert f"sha256-{digest}" == DATATABLES_HASH
    license_text = asset("dataTables.license.txt")
    assert license_text.startswith("The MIT License (MIT)")
    assert "Copyright SpryMedia Limited and other contributors" in license_text
    root = Path(__file__).parents[2]
    assert (root / "licenses" / "DataTables.txt").read_text(encoding="utf-8") == license_text
    assert license_text in evenly.Moments.empty(1).to_html()


# ---- With distributions ----


def test_histogram_is_one_path_of_steps_with_two_axes():
    x = np.repeat([0.0, 1.0, 2.0, 3.0], [10, 20, 40, 10])
    page = evenly.fit({"x": x}, distribution=True).to_html()
    (drawing,) = re.findall(r"<svg.*?</svg>", page)
    bars, _, axes = re.findall(r'<path d="(.*?)"', drawing)
    assert bars == "M0 34v-8h48v-9h48v-17h48v26h48v8z"  # a quarter of 34 is 8
    raw, normalized = drawing.split("<g>")
    assert re.findall(r"<text x=(\d+)>([^<]*)", raw) == [
        ("24", "0"), ("72", "1"), ("120", "2"), ("168", "3")
    ]  # fmt: skip
    mean, std = x.mean(), x.std()
    for place, label in re.findall(r"<text x=(\d+)>([^<]*)", normalized):
        value = mean + float(label) * std
        assert int(place) == round((value + 0.5) / 4 * 192)
    assert axes.startswith("M0 34H192M0 47H192")


def test_quantiles_are_in_the_table():
    x = np.arange(101.0)
    head, row = Page(evenly.fit({"x": x}, distribution=True).to_html()).rows
    cells = dict(zip(map(str.strip, head), map(str.strip, row), strict=True))
    assert [cells[name] for name in ("1 %", "Median", "99 %")] == ["1", "50", "99"]


def test_quantiles_have_the_digits_that_are_known():
    x = np.random.default_rng(0).normal(1000, 100, 100_000)
    moments = evenly.fit({"x": x}, distribution=64)
    head, row = Page(moments.to_html()).rows
    text = dict(zip(map(str.strip, head), map(str.strip, row), strict=True))["Median"]
    low, high = (float(end[0]) for end in moments.quantile_bounds(0.5))
    assert 10 <= high - low < 100
    assert text.endswith("0")
    assert low - 10 <= float(text) <= high + 10


def test_values_far_out_are_left_out_and_mentioned():
    x = np.r_[np.random.default_rng(0).normal(size=990), np.full(10, 1e6)]
    page = evenly.fit({"x": x}, distribution=True).to_html()
    assert "<text class=out x=192>1 % outside</text>" in page


@pytest.mark.slow
def test_2000_columns_are_less_than_one_and_a_half_megabytes():
    x = np.random.default_rng(0).normal(size=(500, 2000)) * 10.0 ** (np.arange(2000) % 9 - 4)
    names = [f"sensor_{i:04}" for i in range(2000)]
    moments = evenly.Moments.empty(names, distribution=True).update(x)
    assert len(moments.to_html("wide.json").encode()) < 1_500_000


def test_same_values_in_any_order_give_the_same_page():
    x = np.random.default_rng(0).normal(size=(3000, 2))
    one = evenly.fit(x, distribution=True)
    two = sum(evenly.fit(part, distribution=True) for part in np.array_split(x[::-1], 7))
    assert one.to_html("x") == two.to_html("x")


def test_notebook_shows_histograms_without_scripts():
    rng = np.random.default_rng(0)
    moments = evenly.fit(pd.DataFrame(rng.normal(size=(50, 30))), distribution=True)
    fragment = moments._repr_html_()
    assert fragment.count("<svg") == 16
    assert "(14 more)" in fragment
    assert "<script" not in fragment
    hostile = evenly.fit({HOSTILE[0]: rng.normal(size=9)}, distribution=True)._repr_html_()
    assert "<script" not in hostile


def test_extreme_ranges_can_be_drawn():
    pages = [
        evenly.fit({"x": np.array(x)}, distribution=True)
        for x in (
            [-1.7e308, 1.7e308, 0.0],
            [5e-324, 0.0, 1e-320],
            [0.0, 5e-324],
            [1e300, 1e300 * (1 + 1e-15)],
            np.linspace(0, np.finfo(np.float64).max, 3000),
        )
    ]
    for before in pages:
        assert before.to_html()
        for after in pages:
            assert evenly.compare(before, after).to_html()


def shown_alone(moments):
    """Return the distribution of each column as text, in which NaN equals itself."""
    return [repr(moments.select([name])._summaries()[0].distribution) for name in moments.columns]


@pytest.mark.parametrize("weight", [1, 2**55])
def test_quantiles_of_all_columns_together_are_those_of_each_column(weight):
    """The counts of columns with large weights could overflow if they were added."""
    rng = np.random.default_rng(0)
    table = {f"x{i}": rng.normal(size=100) * 10.0**i for i in range(5)}
    table |= {"empty": np.full(100, np.nan), "constant": np.ones(100)}
    moments = evenly.fit(table, distribution=64, weights=np.full(100, weight))
    assert [repr(c.distribution) for c in moments._summaries()] == shown_alone(moments)


def test_quantiles_of_groups_are_those_of_each_group():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"g": rng.integers(0, 7, 500), "a": rng.normal(size=500), "b": 1.0})
    table.loc[table.g == 3, "a"] = np.nan
    groups = evenly.fit(table, by="g", distribution=True)
    expected = [column for group in groups.values() for column in shown_alone(group)]
    assert [repr(column.distribution) for column in groups._summaries()] == expected


def test_page_of_no_columns_and_of_no_groups():
    empty = evenly.Moments.empty(distribution=True)
    assert empty._summaries() == []
    assert evenly.GroupedMoments.empty("g", distribution=True)._summaries() == []


def test_keys_of_groups_are_whole():
    prefix = "datasets/robots/2026/kitchen/episode/recording/"
    table = pd.DataFrame({"file": [f"{prefix}{i}" for i in (1, 2)] * 2, "x": [1.0, 2.0, 3.0, 4.0]})
    page = evenly.fit(table, by="file").to_html("By file")
    assert [page.count(f"<td class=group>{prefix}{i}<") for i in (1, 2)] == [1, 1]
