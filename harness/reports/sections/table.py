"""A plain table that scrolls by itself on a narrow screen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from harness.reports.words import percent

Cell = str | Markup


def table(label: str, head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Markup:
    """Escaped HTML; the first cell of each row is its heading."""
    heads = Markup("").join(Markup('<th scope="col">{}</th>').format(text) for text in head)
    return Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="{}">'
        '<table class="plain"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(label, heads, Markup("").join(map(_row, rows)))


def legend(text: str) -> Markup:
    """The paragraph before a table."""
    return Markup('<p class="legend">{}</p>').format(text)


def share(value: float, of: int) -> Markup:
    """A percentage with the number that it is a share of."""
    return Markup('<strong>{}</strong> <span class="quiet">of {:,}</span>').format(
        percent(value), of
    )


def _row(cells: Sequence[Cell]) -> Markup:
    body = Markup("").join(Markup("<td>{}</td>").format(cell) for cell in cells[1:])
    return Markup('<tr><th scope="row">{}</th>{}</tr>').format(cells[0], body)
