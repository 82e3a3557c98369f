"""The built site: no warning, nothing from other hosts, links to translations, every name."""

import inspect
import re
import subprocess
import sys
from collections.abc import Mapping
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

from chromium import launch, record
from site_build import DOCS, build, site_module

pytest.importorskip("sphinx", reason="needs evenly[docs]")
pytest.importorskip("torch")
MAX_FIRST_PAGE = 500_000
"""Bytes of the first page with everything that it loads."""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    build(DOCS, folder / "site", folder / "doctrees" / "en")
    build(DOCS / "ja", folder / "site" / "ja", folder / "doctrees" / "ja")
    return folder / "site"


class Attributes(HTMLParser):
    """Collects the addresses and the ids of a page."""

    def __init__(self, page):
        super().__init__()
        self.links, self.loads, self.ids = [], [], set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.ids.add(attributes.get("id"))
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        elif tag in {"script", "img", "iframe", "source"} and "src" in attributes:
            self.loads.append(attributes["src"])
        elif tag == "link" and attributes.get("rel") != "canonical":
            self.loads.append(attributes["href"])


@pytest.fixture(scope="module")
def pages(site):
    return {page: Attributes(page) for page in sorted(site.rglob("*.html"))}


def test_links_lead_to_pages_and_headings(site, pages):
    broken = []
    for page, attributes in pages.items():
        for link in attributes.links:
            path, _, anchor = link.partition("#")
            if "://" in link or link.startswith("mailto:"):
                continue
            target = (page.parent / unquote(path)).resolve() if path else page
            known = pages.get(target)
            if not target.exists() or (anchor and known and unquote(anchor) not in known.ids):
                broken.append((page.relative_to(site).as_posix(), link))
    assert broken == []


def test_no_page_loads_anything_from_another_host(pages):
    loads = {load for attributes in pages.values() for load in attributes.loads}
    assert loads
    assert [load for load in loads if "://" in load or load.startswith("//")] == []


def test_translated_pages_link_to_each_other(site):
    translated = [page.relative_to(DOCS / "ja") for page in (DOCS / "ja").rglob("*.md")]
    assert translated
    for source in translated:
        page = source.with_suffix(".html")
        up = "../" * (len(page.parts) - 1)
        for file, link in ((site / page, f"{up}ja/{page}"), (site / "ja" / page, f"{up}../{page}")):
            assert f'<a href="{link}" hreflang=' in file.read_text(encoding="utf-8")


def test_first_page_weighs_less_than_500_kb(site, pages):
    for first in (site / "index.html", site / "ja" / "index.html"):
        files = {(first.parent / load.partition("?")[0]).resolve() for load in pages[first].loads}
        assert sum(file.stat().st_size for file in {first, *files}) < MAX_FIRST_PAGE


def is_private(member):
    """Return whether a member is private, or that of any mapping."""
    return member.startswith("_") or hasattr(Mapping, member)


def public_names():
    """Yield every public name of the package, and its public methods and properties."""
    import evenly.sklearn
    import evenly.torch

    for module in (evenly, evenly.torch, evenly.sklearn):
        for name in getattr(module, "__all__", None) or vars(module):
            value = getattr(module, name)
            if name.startswith("_") or inspect.ismodule(value):
                continue
            yield f"{module.__name__}.{name}"
            if inspect.isclass(value) and module is evenly and not issubclass(value, Exception):
                members = (member for member in dir(value) if not is_private(member))
                yield from (f"evenly.{name}.{member}" for member in members)


def test_every_public_name_has_an_entry(site):
    entries = "".join(page.read_text("utf-8") for page in (site / "reference").glob("*.html"))
    ids = set(re.findall(r'id="([\w.]+)"', entries))
    ids |= {name.replace("evenly.errors.", "evenly.") for name in ids}
    assert [name for name in public_names() if name not in ids] == []


def test_every_command_has_an_entry(site):
    from evenly.cli import evenly as command

    page = (site / "reference" / "cli.html").read_text(encoding="utf-8")
    assert command.commands
    for name, sub in command.commands.items():
        assert f'id="evenly-{name}"' in page
        for option in (option for parameter in sub.params for option in parameter.opts):
            assert not option.startswith("--") or f"{option}</span>" in page, (name, option)


def test_diagram_of_the_repository_is_a_picture_on_the_site(site):
    nodes, edges = site_module("diagrams").parse((DOCS / "architecture.md").read_text("utf-8"))
    assert len(nodes) > 10
    assert {end for edge in edges for end in (edge.start, edge.end)} == nodes.keys()
    page = (site / "architecture.html").read_text(encoding="utf-8")
    assert "flowchart" not in page
    assert nodes["core"] in re.findall(r"<text[^>]*>([^<]*)</text>", page)


def test_gallery_shows_a_picture_of_every_example(site):
    page = (site / "gallery" / "index.html").read_text(encoding="utf-8")
    (shown,) = re.findall(r'<ul class="thumbnails">.*?</ul>', page, re.DOTALL)
    examples = {f"{script.stem}.html" for script in (DOCS / "gallery").glob("*.py")}
    assert set(re.findall(r'<a href="([^"]+)"><svg', shown)) == examples


def test_picture_of_the_japanese_page_has_japanese_texts(site):
    pages = [(site / name).read_text("utf-8") for name in ("index.html", "ja/index.html")]
    english, japanese = (re.findall(r"<text[^>]*>([^<]*)</text>", page) for page in pages)
    assert len(english) == len(japanese) > 20
    assert [text for text in english if re.search("[a-z]{3}", text)]
    assert [text for text in japanese if re.search("[a-z]{3}", text) and "mbar" not in text] == []


def test_theme_of_the_japanese_site_is_in_japanese(site):
    pages = [(site / name).read_text() for name in ("ja/index.html", ARTICLES["ja"])]
    for page in pages:
        assert not re.search(r">\s*(Next|Previous|Home|On this page|Back to top|Made with)\b", page)
    assert "次へ" in pages[0]
    assert "ホーム" in pages[1]


def test_picture_of_the_readme_is_what_its_script_draws():
    """If it differs, run `python docs/pictures/save_overview.py` and look at it."""
    program = (
        "import sys; sys.path.insert(0, 'docs/pictures'); import save_overview as script\n"
        "sys.exit(script.draw() != script.FILE.read_text('utf-8'))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=DOCS.parent, check=False)
    assert done.returncode == 0


def test_custom_properties_of_the_style_sheet_are_defined():
    style = (DOCS / "_static" / "site.css").read_text()
    used = set(re.findall(r"var\((--[\w-]+)", style))
    own = set(re.findall(r"(--[\w-]+):", style))
    set_by_scripts = set(re.findall(r'"(--[\w-]+)"', (DOCS / "article/figures.mjs").read_text()))
    from_theme = {name for name in used if name.startswith(("--color-", "--font-"))}
    assert used - own - set_by_scripts == from_theme - own
    assert set_by_scripts <= used


# ---- In a browser ----


@pytest.fixture(scope="module")
def browser():
    with launch() as browser:
        yield browser


@pytest.fixture
def visit(browser, site):
    """Return a function that opens a page; at the end nothing was requested or logged."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    messages, requests = [], []
    record(page, messages, requests)

    def open_page(name, query=""):
        page.goto(f"{(site / name).as_uri()}?{query}")
        return page

    yield open_page
    assert messages == []
    assert requests
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    context.close()


ARTICLES = {"en": "article/batch-normalization.html", "ja": "ja/article/batch-normalization.html"}


@pytest.fixture(params=ARTICLES)
def article(request, visit):
    page = visit(ARTICLES[request.param])
    page.wait_for_selector("live-figure form")
    return page


def move(article, figure, slider, value):
    """Move a slider of a figure as a user does."""
    control = article.locator(f'live-figure[name="{figure}"] input[name="{slider}"]')
    if control.get_attribute("type") == "checkbox":
        control.set_checked(value)
    else:
        control.fill(str(value))


def shown(article, figure):
    """Return the numbers below a figure, in order."""
    return article.locator(f'live-figure[name="{figure}"] dd').all_inner_texts()


def drawn(article, figure):
    """Return the texts in the drawing."""
    return article.locator(f'live-figure[name="{figure}"] svg text').all_text_contents()


def test_rows_slider_shows_the_ratio_under_the_thumb(article):
    figure = article.locator('live-figure[name="rows"]')
    for rows, ratio in ((100, "1.0101"), (10, "1.1111"), (3, "1.5000")):
        move(article, "rows", "rows", rows)
        assert ratio in drawn(article, "rows")
        assert shown(article, "rows") == ["1.0000", ratio]
        assert figure.locator(".live-below").inner_text() == f"n / (n − 1) = {rows}/{rows - 1}"
        point, slider = (figure.locator(part).bounding_box() for part in ("path.large", "input"))
        thumb = slider["x"] + 8 + (rows - 1) / 99 * (slider["width"] - 16)
        assert point["x"] + point["width"] / 2 == pytest.approx(thumb, abs=3)
        words, whole = (x.bounding_box() for x in (figure.locator(".live-below"), figure))
        assert whole["x"] <= words["x"] <= thumb <= words["x"] + words["width"]
        assert words["x"] + words["width"] <= whole["x"] + whole["width"]


def test_one_row_shows_pytorchs_error(article):
    move(article, "rows", "rows", 1)
    label = article.locator('live-figure[name="rows"] dt').inner_text()
    assert label.startswith("ValueError: Expected more than 1 value per channel when training")


def test_offset_slider_shows_how_far_float32_is_off(article):
    move(article, "offset", "exponent", 0)
    assert shown(article, "offset") == ["1", "< 0.001"]
    move(article, "offset", "exponent", 6)
    offset, error = shown(article, "offset")
    assert offset == "1,000,000"
    right = site_module("figure_models").offset(6)["error"]
    assert float(error) == pytest.approx(right, abs=0.13)  # one float32 step of the output


def test_constant_column_is_noise_in_float32_and_zero_in_evenly(article):
    move(article, "constant", "exponent", 6.25)
    value, mean, torch, ours = shown(article, "constant")
    assert value != mean
    assert abs(float(torch.replace("−", "-"))) > 0.5
    assert ours == "0"


def test_nan_and_constant_boxes_change_one_column(article):
    assert shown(article, "columns")[-2:] == ["0", "0"]
    move(article, "columns", "nan", True)
    assert shown(article, "columns")[-2:] == ["100", "1"]
    move(article, "columns", "constant", True)
    assert shown(article, "columns")[3] in {"0", "2e−5"}  # 0 up to one rounding


def test_eps_slider_shows_the_standard_deviation(article):
    assert shown(article, "eps") == ["1.0", "0.999995"]
    move(article, "eps", "std", -3)
    assert shown(article, "eps")[1].startswith("0.301")


def test_momentum_and_nan_sliders_move_the_running_mean(article):
    move(article, "running", "momentum", 1)
    at_one = shown(article, "running")
    move(article, "running", "momentum", 0.01)
    at_a_hundredth = shown(article, "running")
    assert at_one[1] == at_a_hundredth[1]
    assert float(at_a_hundredth[0]) < 1.1 < 2.5 < float(at_one[0])
    move(article, "running", "nan", 20)
    assert shown(article, "running")[0] == "NaN"


def test_sliders_move_by_keyboard_and_have_names(article):
    slider = article.locator('live-figure[name="rows"] input')
    slider.focus()
    slider.press("Home")
    slider.press("ArrowRight")
    assert "2.0000" in drawn(article, "rows")
    for control in article.locator("live-figure input").all():
        assert control.evaluate("input => input.labels[0].innerText.trim()")


def test_without_javascript_the_figures_are_there(browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((site / ARTICLES["en"]).as_uri())
    assert page.locator("live-figure svg text").count() > 60
    assert "1.0101" in page.locator('live-figure[name="rows"]').text_content()
    assert page.locator("live-figure input").count() == 0
    context.close()


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("search.html?q=subtract", "Command line"),
        ("ja/search.html?q=分散", "バッチ正規化"),
        ("ja/search.html?q=標準偏差", "バッチ正規化"),
    ],
)
def test_search_finds_pages_from_a_file(visit, address, found):
    path, _, query = address.partition("?")
    page = visit(path, query)
    page.wait_for_selector("#search-results li a")
    page.wait_for_function(
        "text => document.querySelector('#search-results').innerText.includes(text)", arg=found
    )


@pytest.mark.parametrize("width", [360, 390, 768])
@pytest.mark.parametrize("name", ["index.html", ARTICLES["ja"], "reference/evenly.html"])
def test_no_page_is_wider_than_a_phone(browser, site, name, width):
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto((site / name).as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


ACCESSIBLE = [
    "index.html",
    "ja/index.html",
    *ARTICLES.values(),
    "guides/pytorch.html",
    "reference/evenly.html",
    "gallery/index.html",
    "gallery/drift.html",
    "architecture.html",
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ACCESSIBLE)
def test_axe_finds_no_violation(browser, site, name, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto((site / name).as_uri())
    if name in ARTICLES.values():
        page.wait_for_selector("live-figure form")
    results = axe.Axe().run(page)
    context.close()
    assert results.response["passes"]
    violations = results.response["violations"]
    assert [(found["id"], node["html"]) for found in violations for node in found["nodes"]] == []
