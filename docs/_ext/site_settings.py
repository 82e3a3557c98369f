"""Settings that the English and the Japanese build share."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))

project = "evenly"
author = "The evenly maintainers"
copyright = f"2026, {author}"
version = release = version_of("evenly")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "numpydoc",
    "sphinx_click",
    "command_line",
    "outside_pages",
    "diagrams",
    "japanese",
    "japanese_search",
    "languages",
    "mathml",
    "pictures",
    "examples",
    "reports",
    "thumbnails",
    "accessibility",
    "live_figures",
]
source_suffix = {".md": "markdown"}
templates_path = [str(DOCS / "_templates")]
html_static_path = [str(DOCS / "_static")]
html_css_files = ["site.css"]
html_theme = "furo"
html_title = "evenly"
html_show_sphinx = False
html_copy_source = False
html_show_search_summary = False  # it would fetch pages, which browsers forbid for file://
html_favicon = str(DOCS / "_static" / "icon.svg")
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#1f5fbf",
        "color-brand-content": "#1f5fbf",
        "color-brand-visited": "#1f5fbf",
    },
    "dark_css_variables": {
        "color-brand-primary": "#8ab8ff",
        "color-brand-content": "#8ab8ff",
        "color-brand-visited": "#8ab8ff",
    },
}
html_math_renderer = "mathml"
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4  # the anchors that GitHub gives, which the pages use

default_role = "py:obj"
autosummary_generate = False
numpydoc_show_class_members = False
numpydoc_attributes_as_param_list = True
autodoc_typehints = "none"  # docstrings describe the arguments; signatures show the defaults
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}

nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(collections|datetime|numpy|os|pathlib|sklearn|torch|typing)\b.*")
]
