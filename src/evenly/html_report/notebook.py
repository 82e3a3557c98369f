"""The table of columns in a notebook: static, in the colors of the notebook."""

from collections.abc import Sequence

from evenly.html_report.summary import ColumnSummary
from evenly.html_report.table import table, text

_STYLE = """
.evenly-columns td, .evenly-columns th { text-align: right; vertical-align: top; }
.evenly-columns td, .evenly-columns th { padding: .4em .6em; }
.evenly-columns th.text, .evenly-columns th.picture { text-align: left; }
.evenly-columns td:nth-of-type(-n+2), .evenly-columns th[scope=row] { text-align: left; }
.evenly-columns small { display: block; font-weight: normal; opacity: .7; }
.evenly-columns td p { margin: 0; text-align: left; max-width: 15em; opacity: .8; }
.evenly-columns svg { width: 190px; overflow: visible; font-size: 9px; text-anchor: middle; }
.evenly-columns svg { fill: currentColor; }
.evenly-columns path { fill: #6f9fdc; vector-effect: non-scaling-stroke; }
.evenly-columns path:nth-of-type(2) { display: none; }
.evenly-columns path:nth-of-type(3) { fill: none; stroke: currentColor; }
.evenly-columns svg > text { transform: translateY(45px); }
.evenly-columns svg g text { transform: translateY(58px); fill: #3f7fd6; }
.evenly-columns svg .out { transform: translateY(6px); text-anchor: end; }
"""


def fragment(title: str, columns: Sequence[ColumnSummary], footer: Sequence[str]) -> str:
    """Return the table as a part of another page, which may forbid scripts."""
    lines = "".join(f"<p>{text(line)}</p>" for line in footer)
    return (
        f'<div class="evenly-columns"><style>{_STYLE}</style><p>{text(title)}</p>'
        f"{table(columns, title)}{lines}</div>"
    )
