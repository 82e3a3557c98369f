"""The page around the tables: style, scripts, and the policy that allows only these."""

from base64 import b64encode
from functools import cache
from hashlib import sha256

from evenly.html_report.table import text

DATATABLES = "dataTables.min.js"
_START = (
    'const page = document.documentElement.classList; page.add("starting"); '
    'addEventListener("load", () => page.remove("starting"));'
)
"""Run before the table is read: report.css hides it until the scripts have run, or failed."""


@cache
def asset(name: str) -> str:
    """Return the text of a file of the package."""
    from importlib.resources import files  # takes 15 ms

    return (files("evenly.html_report") / "assets" / name).read_text(encoding="utf-8")


def page(title: str, body: str) -> str:
    """Return a complete page.

    Parameters
    ----------
    title
        The title as plain text.
    body
        The content as HTML.

    Notes
    -----
    The Content-Security-Policy allows the page's own style and scripts by their hashes. Everything
    else is forbidden, in particular any request.
    """
    style = asset("report.css")
    scripts = [_START, asset(DATATABLES), asset("report.js")]
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; "
        f"script-src {' '.join(map(_hash, scripts))}; base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{text(title)}</title>\n<style>{style}</style>\n"
        f"<script>{_START}</script>\n</head>\n<body>\n"
        f"<header><h1>{text(title)}</h1>"
        '<button type="button" id="theme" hidden>Dark theme</button></header>\n'
        f"<main>\n{body}</main>\n"
        "<footer><p>Made by evenly. Tables by DataTables (MIT license).</p></footer>\n"
        f"<!-- DataTables\n{asset('dataTables.license.txt')}-->\n"
        f"{''.join(f'<script>{script}</script>' for script in scripts[1:])}\n</body>\n</html>\n"
    )


def _hash(content: str) -> str:
    """Return the source expression that allows an inline script or style.

    >>> _hash("")
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    """
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"
