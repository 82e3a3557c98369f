"""Write the picture of the first page for the README: `docs/_static/overview.svg`.

Run `python docs/pictures/save_overview.py` from the repository after a change of `overview.py`. A
test compares the picture with the file.
"""

import sys
from pathlib import Path

DOCS = Path(__file__).parents[1]
FILE = DOCS / "_static" / "overview.svg"
sys.path.insert(0, str(DOCS / "_ext"))

from examples import run_script  # noqa: E402
from pictures import site_style, svg_text  # noqa: E402


def draw() -> str:
    """Return the picture on a white background, as SVG."""
    _, (figure,) = run_script(DOCS / "pictures" / "overview.py")
    with site_style():
        return svg_text(figure, "overview", facecolor="white")


if __name__ == "__main__":
    FILE.write_text(draw(), encoding="utf-8")
