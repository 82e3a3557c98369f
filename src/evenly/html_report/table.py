"""The table of columns as HTML: one row per column, those that need attention first."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from evenly.html_report.histogram import svg
from evenly.html_report.numbers import count_text, number, share_text, spread
from evenly.html_report.remarks import Remark, attention, remarks
from evenly.html_report.summary import ColumnSummary
from evenly.printable import printable

_SHOWN_VALUES = 20


class Heading(NamedTuple):
    """The heading of a table column.

    Attributes
    ----------
    text
        The visible text.
    kind
        The class of the heading: ``"text"``, ``"number"``, or ``"picture"``, which cannot be
        sorted.
    """

    text: str
    kind: str = "number"


def table(columns: Sequence[ColumnSummary], title: str) -> str:
    """Return the table of columns, sorted by what needs attention."""
    groups = any(column.group is not None for column in columns)
    pictures = any(column.distribution is not None for column in columns)
    headings = [Heading("Column", "text"), Heading("Remarks", "text")]
    headings = [Heading("Group", "text")] * groups + headings
    headings += [Heading("Distribution", "picture")] * pictures
    headings += [Heading(text) for text in ("Mean", "Std", "Missing %", "Min")]
    headings += [Heading(text) for text in ("1 %", "Median", "99 %")] * pictures
    headings += [Heading(text) for text in ("Max", "Count")]
    found = [(column, remarks(column)) for column in columns]
    found.sort(key=lambda pair: attention(pair[1]), reverse=True)
    return render(headings, (_row(*pair, groups, pictures) for pair in found), title)


def render(headings: Sequence[Heading], rows: Iterable[str], title: str, legend: str = "") -> str:
    """Return a table, without optional end tags: they are a third of its size.

    Parameters
    ----------
    legend
        The text below the drawing of an expanded row.
    """
    top = "".join(f"<th scope=col class={kind}>{escape(text)}" for text, kind in headings)
    about = f' data-legend="{text(legend)}"' if legend else ""
    return (
        f'<table class="report" aria-label="{text(title)}"{about}>\n<thead><tr>{top}\n'
        f"<tbody>\n{''.join(rows)}</table>\n"
    )


def text(value: str) -> str:
    """Return text from data or files as HTML, with control characters escaped."""
    return escape(printable(value))


def _row(column: ColumnSummary, found: list[Remark], groups: bool, pictures: bool) -> str:
    group = f"<td class=group>{text(column.group or '')}" if groups else ""
    return (
        f"<tr{_details(column)}>{group}<th scope=row>{text(column.name)}<small>"
        f"{text(column.dtype)}</small><td>{remark_list(found)}"
        f"{''.join(f'<td>{cell}' for cell in _cells(column, pictures))}\n"
    )


def remark_list(found: Iterable[tuple[str, str]]) -> str:
    """Return remarks, each in the color of its level."""
    return "".join(f"<p class={level}>{text(line)}</p>" for level, line in found)


def _cells(column: ColumnSummary, pictures: bool) -> list[str]:
    """Return the picture and the numbers, which sort as numbers."""
    dtype, distribution = column.dtype, column.distribution
    quantiles: list[str] = []
    if pictures:
        known = distribution.quantile_texts(dtype) if distribution else [""] * 5
        quantiles = known[::2]
    missing = share_text(column.missing_share).removesuffix(" %")
    return [
        *([svg(column)] if pictures else []),
        number(column.mean, dtype),
        spread(column.std, dtype),
        escape(missing),
        number(column.min, dtype),
        *quantiles,
        number(column.max, dtype),
        count_text(column.count).replace(",", ""),
    ]


def _details(column: ColumnSummary) -> str:
    """Return the attribute with the details of an expanded row: quartiles, and counts of values."""
    distribution = column.distribution
    if distribution is None or not column.count:
        return ""
    quartiles = "|".join(distribution.quantile_texts(column.dtype)[1::2])
    attribute = f' data-quartiles="{escape(quartiles)}"'
    if distribution.values and len(distribution.values) <= _SHOWN_VALUES:
        values = "|".join(f"{number(v, column.dtype)}={n}" for v, n in distribution.values)
        attribute += f' data-values="{escape(values)}"'
    return attribute


class Section(NamedTuple):
    """A part of the page: a data set.

    Attributes
    ----------
    title
        The heading.
    about
        A line below it.
    notes
        Remarks on the data set as a whole.
    columns
        The columns of its table.
    """

    title: str
    about: str
    notes: Sequence[str]
    columns: Sequence[ColumnSummary]


def sections(data: Iterable[Section]) -> str:
    """Return the sections of a page as HTML."""
    return "\n".join(
        f"<section><h2>{text(part.title)}</h2><p class=lead>{text(part.about)}</p>"
        f"{''.join(f'<p class=lead>{text(note)}</p>' for note in part.notes)}"
        f"{_hint(part.columns)}{table(part.columns, part.title)}</section>"
        for part in data
    )


def _hint(columns: Sequence[ColumnSummary]) -> str:
    """Return a note on how to get histograms; empty if there are histograms."""
    if not columns or any(column.distribution for column in columns):
        return ""
    return (
        "<p class=hint>Histograms and quantiles need distributions, which these statistics do not "
        "have. Fit the data again with <code>evenly fit --distribution</code>, or "
        "<code>evenly.fit(x, distribution=True)</code>.</p>"
    )
