"""Write the picture of the first page for the README: `docs/_static/overview.svg`.

Run `python docs/pictures/save_overview.py` from the repository after a change of `overview.py`.
"""

import sys
from pathlib import Path

DOCS = Path(__file__).parents[1]
sys.path.insert(0, str(DOCS / "_ext"))

from examples import run_script  # noqa: E402
from pictures import site_style, svg_text  # noqa: E402

_, (figure,) = run_script(DOCS / "pictures" / "overview.py")
with site_style():
    text = svg_text(figure, "overview", facecolor="white")
(DOCS / "_static" / "overview.svg").write_text(text, encoding="utf-8")
