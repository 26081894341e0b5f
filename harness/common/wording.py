"""How values, numbers, lists and times are said, in every message and report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from html import escape

import regex

_SHOWN = 60


def shown(value: object, limit: int = _SHOWN) -> str:
    """Show a value in one line: quoted, control characters escaped, cut to `limit` characters.

    Escape sequences and lone surrogates come out as `\\x1b` and `\\ud800`.
    """
    if isinstance(value, str):
        return _quoted(value) if len(value) <= limit else f"{_quoted(value[:limit])}..."
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "..."


# What is not printable in the tables of the `regex` package: those of `repr` change with Python.
_UNPRINTABLE = regex.compile(r"[[\p{C}\p{Z}]--[ ]]", regex.VERSION1)


def _quoted(text: str) -> str:
    """Quote as `repr` does."""
    if text.isascii():
        return repr(text)
    quote = '"' if "'" in text and '"' not in text else "'"
    plain = "".join(repr(sign)[1:-1] if sign in "\\\n\r\t" else sign for sign in text)
    escaped = _UNPRINTABLE.sub(_escaped, plain)
    return quote + (escaped if quote == '"' else escaped.replace("'", "\\'")) + quote


def _escaped(found: regex.Match[str]) -> str:
    code = ord(found[0])
    return (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )


# Line breaks and tabs are layout; what else is not printable could move the cursor, or turn the
# direction of what follows.
_ACTING = regex.compile(r"[[\p{Cc}\p{Cs}\p{Bidi_C}\p{Zl}\p{Zp}]--[\n\t]]", regex.VERSION1)


def visible(text: str) -> str:
    """Return a text as it may be shown: what would act on a terminal or page stands as an escape.

    The edge of every output calls it: escape sequences, carriage returns, bidirectional controls
    and lone surrogates come out as `\\x1b`, `\\u202e` and `\\ud800`.
    """
    return text if text.isascii() and text.isprintable() else _ACTING.sub(_escaped, text)


def listed(values: object, limit: int = 5) -> str:
    """Show several values in one line: the first `limit` of them, and how many more there are."""
    items = list(values) if isinstance(values, list | tuple) else [values]
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(shown(item) for item in items[:limit]) + more


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: "1 case", "7 cases", "1,204 cases"."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def joined(names: Sequence[str], most: int = 4) -> str:
    """Join names in a sentence: "a", "a and b", "a, b and 5 more"."""
    shown = list(names) if len(names) <= most else [*names[: most - 1]]
    if len(shown) < len(names):
        shown.append(f"{len(names) - len(shown)} more")
    if len(shown) < 2:
        return "".join(shown)
    return ", ".join(shown[:-1]) + " and " + shown[-1]


def first_of(names: Iterable[str], most: int = 5) -> str:
    """List the first names, and how many more there are: "a, b and 5 more"."""
    known = list(names)
    more = len(known) - most
    shown = ", ".join(known[:most])
    return f"{shown} and {more:,} more" if more > 0 else shown


def percent(rate: float | None, digits: int = 1) -> str:
    """Return a share as a percentage: "86.7 %"."""
    return "–" if rate is None else f"{rate * 100:.{digits}f} %"


def span(interval: Sequence[float] | None) -> str:
    """Return an interval of shares in whole percent: "76–93"."""
    return "" if interval is None else f"{interval[0] * 100:.0f}–{interval[1] * 100:.0f}"


def points(delta: float | None, digits: int = 1) -> str:
    """Return a difference of shares in percentage points, with its sign: "−35.0", "+5.0", "0.0"."""
    if delta is None:
        return "–"
    text = f"{abs(delta) * 100:.{digits}f}"
    if float(text) == 0:
        return text
    return ("−" if delta < 0 else "+") + text


def points_span(interval: Sequence[float] | None) -> str:
    """Return an interval of differences in whole points: "−47 to −22"."""
    return "" if interval is None else f"{points(interval[0], 0)} to {points(interval[1], 0)}"


def relative(growth: float | None) -> str:
    """Return a relative change in whole percent, with its sign: "+43 %", "−8 %", "0 %"."""
    return "–" if growth is None else f"{points(growth, 0)} %"


def relative_span(interval: Sequence[float] | None) -> str:
    """Return an interval of relative changes: "+31 to +57 %"."""
    return "" if interval is None else f"{points_span(interval)} %"


def probability(p: float | None) -> str:
    """Return a p value as a reader needs it: "0.020", "< 0.001"."""
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def moment(started: str) -> str:
    """Return a time of ISO 8601 for people: "21 Nov 2026, 10:33 UTC"; other text as it is."""
    try:
        when = datetime.fromisoformat(started)
    except ValueError:
        return started
    zone = " UTC" if when.utcoffset() == timedelta(0) else ""
    return f"{when.day} {_MONTHS[when.month - 1]} {when:%Y, %H:%M}{zone}"


# Not strftime("%b"): a report does not change with the locale of the machine.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def duration(seconds: float) -> str:
    """Return a time span as people say it: "8 s", "3 min 20 s", "2 h 05 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


_PLAIN = str.maketrans(
    {"✓": "+", "✗": "x", "·": "-", "−": "-", "–": "-", "≥": ">=", "≤": "<=", "×": "x", "…": "..."}
)


def encodable(text: str, encoding: str) -> str:
    """Return `text` for a terminal whose encoding may know neither "✓" nor "−"."""
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        plain = text.translate(_PLAIN)
        return plain.encode("ascii", "replace").decode("ascii")
    return text


def html_table(heads: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """Return a table for a notebook; every text is escaped, and keeps its line breaks."""

    def cells(tag: str, texts: Sequence[str]) -> str:
        style = "text-align:left;vertical-align:top;white-space:pre-wrap"
        row = (f'<{tag} style="{style}">{escape(visible(text))}</{tag}>' for text in texts)
        return f"<tr>{''.join(row)}</tr>"

    head = f"<thead>{cells('th', heads)}</thead>" if heads else ""
    body = "".join(cells("td", row) for row in rows)
    said = f"<p>{escape(visible(caption))}</p>" if caption else ""
    return f"{said}<table>{head}<tbody>{body}</tbody></table>"
