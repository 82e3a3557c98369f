"""The page in Chromium: sorting, search, opening a row, themes, a phone, and accessibility."""

from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

import evenly
from chromium import launch, record

AXE = files(pytest.importorskip("axe_playwright_python")) / "axe.min.js"
DESKTOP, PHONE = {"width": 1400, "height": 900}, {"width": 390, "height": 844}


def frame(rows=2000, columns=6):
    """A table with columns that need attention, and ordinary ones."""
    rng = np.random.default_rng(0)
    data = {
        "year": np.full(rows, 2013),
        "code": rng.integers(0, 5, rows),
        "income": np.exp(2 * rng.normal(size=rows)),
        "time": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 10**6, rows), "s"),
        "gaps": np.where(rng.random(rows) < 0.4, np.nan, rng.normal(size=rows)),
    }
    data |= {f"x{i:03}": rng.normal(i, 10.0 ** (i % 7), rows) for i in range(columns)}
    return pd.DataFrame(data)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Write a page of each kind; return the folder."""
    folder = tmp_path_factory.mktemp("pages")
    table = frame()
    options = {"columns": list(table.columns)}
    moments = evenly.fit(table, distribution=True, **options)
    other = evenly.fit(frame(1000).assign(income=1.0).drop(columns="x000"), distribution=True)
    plain = evenly.fit(table, **options)
    wide = evenly.fit(frame(50, 250), distribution=True)
    empty = evenly.fit(pd.DataFrame({"gone": np.nan, "x": [1.0, 2.0]}), distribution=True)
    for name, page in {
        "report": moments.to_html("flights.json"),
        "plain": plain.to_html("flights.json"),
        "groups": evenly.fit(table, by="code", distribution=True).to_html("By code"),
        "diff": evenly.compare(moments.select([c for c in moments.columns if c != "time"]), other)
        .to_html(["a.json", "b.json"]),
        "wide": wide.to_html("wide.json"),
        "empty": evenly.compare(empty, empty).to_html(["a.json", "b.json"]),
    }.items():  # fmt: skip
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def browser():
    with launch() as browser:
        yield browser


@pytest.fixture
def visit(browser, pages):
    """Return a function that opens a page; at the end nothing was requested or logged."""
    contexts, messages, requests = [], [], []

    def open_page(name, viewport=DESKTOP, **options):
        context = browser.new_context(viewport=viewport, **options)
        contexts.append(context)
        page = context.new_page()
        record(page, messages, requests)
        page.goto((pages / f"{name}.html").as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert messages == []
    assert len(requests) == len(contexts)  # the pages themselves
    assert {url.partition(":")[0] for url in requests} == {"file"}


def names(page):
    return page.locator("tbody th button").all_inner_texts()


def cells(page, heading):
    """Return the texts of a column of the table."""
    headings = page.locator("thead th").all_inner_texts()
    index = [text.strip() for text in headings].index(heading)
    return [row.locator("th, td").nth(index).inner_text() for row in page.locator("tbody tr").all()]


def heading(page, text):
    return page.locator("thead th").get_by_role("button", name=f"{text}: Activate")


def sort_by(page, heading):
    """Click on a heading, and wait: DataTables sorts in a task of its own after the click."""
    page.get_by_text(heading, exact=True).click()
    page.evaluate("() => new Promise((done) => setTimeout(done))")


def test_columns_sort_by_size(visit):
    page = visit("plain")
    first = names(page)
    sort_by(page, "Mean")
    ascending = cells(page, "Mean")
    numbers = [float(text) for text in ascending if not text.startswith("2026")]
    assert numbers == sorted(numbers)
    assert ascending[-1].startswith("2026")  # seconds since 1970
    sort_by(page, "Mean")
    assert cells(page, "Mean") == ascending[::-1]
    sort_by(page, "Mean")
    assert names(page) == first  # by what needs attention


def test_search_finds_names_and_remarks(visit):
    page = visit("report")
    total = len(names(page))
    page.get_by_label("Search").fill("gap")
    assert names(page) == ["gaps"]
    page.get_by_label("Search").fill("constant")
    assert names(page) == ["year"]
    page.get_by_label("Search").fill("nothing like this")
    assert "No column matches." in page.locator("tbody").inner_text()
    page.get_by_label("Search").fill("")
    assert len(names(page)) == total


def test_row_opens_to_a_large_histogram(visit):
    page = visit("report")
    button = page.get_by_role("button", name="income")
    small = page.locator("tr", has=button).locator("svg").bounding_box()
    assert button.get_attribute("aria-expanded") == "false"
    button.click()
    assert button.get_attribute("aria-expanded") == "true"
    opened = page.locator("td.opened")
    large = opened.locator("svg").bounding_box()
    assert large["width"] > 2.5 * small["width"]
    texts = opened.locator("dt").all_inner_texts()
    assert [t for t in texts if "%" in t or t == "Median"][1:] == [
        "1 %",
        "25 %",
        "Median",
        "75 %",
        "99 %",
    ]
    assert "normalized" in opened.locator("figcaption").inner_text()
    button.click()
    assert page.locator("td.opened").count() == 0


def test_opened_row_lists_values_and_counts(visit):
    page = visit("report")
    page.get_by_role("button", name="code").click()
    listed = page.locator("td.opened dl").nth(1).inner_text().split()
    counts = frame()["code"].value_counts()
    expected = [part for value in range(5) for part in (str(value), str(counts[value]))]
    assert listed == ["Value", "Count", *expected]


def test_theme_follows_the_system_until_it_is_switched(visit):
    def background(page):
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    light, dark = (visit("report", color_scheme=scheme) for scheme in ("light", "dark"))
    white, black = background(light), background(dark)
    assert white != black
    light.get_by_role("button", name="Dark theme").click()
    assert background(light) == black
    dark.get_by_role("button", name="Light theme").click()
    assert background(dark) == white
    light.get_by_role("button", name="Light theme").click()
    assert background(light) == white


@pytest.mark.parametrize("name", ["report", "plain", "groups", "diff"])
def test_page_fits_on_a_phone(visit, name):
    page = visit(name, PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.locator("button.open").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    first = page.locator("tbody tr", has=page.get_by_role("button", name="x001")).first
    label = first.locator("td[data-label=Mean], td[data-label='Mean before']").first
    shown = label.evaluate("cell => getComputedStyle(cell, '::before').content")
    assert shown.startswith('"Mean')
    assert label.bounding_box()["x"] + label.bounding_box()["width"] <= PHONE["width"]


def test_cards_appear_when_the_window_becomes_narrow(visit):
    page = visit("report")
    assert page.locator("table.cards").count() == 0
    page.set_viewport_size(PHONE)
    page.wait_for_selector("table.cards")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_everything_works_with_the_keyboard(visit):
    page = visit("report")
    page.get_by_role("button", name="income").focus()
    page.keyboard.press("Enter")
    assert page.locator("td.opened").count() == 1
    page.keyboard.press("Space")
    assert page.locator("td.opened").count() == 0
    heading(page, "Std").focus()
    page.keyboard.press("Enter")
    page.locator("th[aria-sort=ascending]").get_by_text("Std").wait_for()
    page.locator("#theme").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_opened_row_leaves_out_empty_cells(visit):
    """The last cell of a row ends with a line break, also if it is empty."""
    page = visit("empty")
    page.get_by_role("button", name="gone").click()
    assert page.locator("td.opened dt").all_inner_texts() == ["Missing %"]


def test_long_tables_have_pages(visit):
    page = visit("wide")
    assert len(names(page)) == 100
    assert page.locator(".dt-info").inner_text() == "1 to 100 of 254 columns"
    page.get_by_role("link", name="3", exact=True).or_(
        page.get_by_role("button", name="3", exact=True)
    ).click()
    assert len(names(page)) == 54
    page.get_by_label("per page").select_option("All")
    assert len(names(page)) == 254


@pytest.mark.parametrize("name", ["report", "wide"])
def test_page_is_complete_without_javascript(visit, name):
    page = visit(name, java_script_enabled=False)
    rows = page.locator("tbody tr")
    assert rows.count() == {"report": 11, "wide": 254}[name]
    assert rows.last.is_visible()
    assert page.locator("svg").first.is_visible()
    assert page.locator("button:visible, input:visible").count() == 0


def test_table_is_shown_if_a_script_fails(browser, pages):
    broken = pages / "broken.html"
    text = (pages / "report.html").read_text(encoding="utf-8")
    broken.write_text(text.replace("window.DataTable=", "window.Other="), encoding="utf-8")
    page = browser.new_page()
    page.goto(broken.as_uri())
    assert page.locator("tbody tr").last.is_visible()
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["report", "plain", "groups", "diff", "wide", "phone"])
def test_axe_finds_no_violation(visit, name, scheme):
    viewport, name = (PHONE, "report") if name == "phone" else (DESKTOP, name)
    page = visit(name, viewport, color_scheme=scheme, bypass_csp=True)  # to run axe in it
    for button in page.locator("button.open").all()[:3]:
        button.click()
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_labels_of_the_axes_have_contrast(visit, scheme):
    """Axe does not judge text in drawings."""
    page = visit("report", color_scheme=scheme)
    colors = page.evaluate(
        """() => ["body", "svg > text", "svg g text"]
        .map((selector) => getComputedStyle(document.querySelector(selector)))
        .map((style, index) => index ? style.fill : style.backgroundColor)"""
    )
    paper, *inks = (luminance(color) for color in colors)
    for ink in inks:
        dark, light = sorted((ink, paper))
        assert (light + 0.05) / (dark + 0.05) >= 4.5


def luminance(color):
    """Return the relative luminance of ``rgb(r, g, b)``, as WCAG defines it."""
    parts = [int(part) / 255 for part in color[4:-1].split(",")]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
