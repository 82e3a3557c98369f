"""Several statistics as one HTML page."""

from collections.abc import Iterable

from evenly.html_report.page import page
from evenly.html_report.table import sections
from evenly.moments import GroupedMoments, Moments
from evenly.moments.internal import report_section


def report_page(data: Iterable[tuple[str, Moments | GroupedMoments]]) -> str:
    """Return a page with a section for each of several statistics, given with their titles."""
    parts = [report_section(moments, title) for title, moments in data]
    title = parts[0].title if len(parts) == 1 else "Statistics"
    return page(title, sections(parts))
