"""Tables in GitHub's Markdown."""

from __future__ import annotations

from dataclasses import dataclass

import regex

from harness.scorers.markdown import marked_lines

_RULE = regex.compile(r"\s*+\|?\s*:?-+:?\s*+(?:\|\s*:?-+:?\s*+)*+\|?\s*+")
_BAR = regex.compile(r"(?<!\\)(?:\\\\)*+\|")


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its header, its rows, the line of its header from 0, how many lines it takes.

    `ragged` is the first row, from 0, with another number of cells than the header.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    line: int

    @property
    def lines(self) -> int:
        """Lines of header, rule and rows."""
        return len(self.rows) + 2

    @property
    def ragged(self) -> int | None:
        """The first row that has more or fewer cells than the header."""
        widths = (len(row) for row in self.rows)
        return next((n for n, width in enumerate(widths) if width != len(self.header)), None)


def tables(text: str) -> list[Table]:
    """All tables outside code blocks."""
    rows = ["" if line.code else line.text for line in marked_lines(text)]
    found: list[Table] = []
    place = 1
    while place < len(rows):
        header = _cells(rows[place - 1])
        if _is_rule(rows[place]) and header and len(_cells(rows[place])) == len(header):
            body = _body(rows, place + 1)
            found.append(Table(header, body, place - 1))
            place += len(body)
        place += 1
    return found


def _body(rows: list[str], start: int) -> tuple[tuple[str, ...], ...]:
    end = start
    while end < len(rows) and "|" in rows[end]:
        end += 1
    return tuple(_cells(row) for row in rows[start:end])


def _is_rule(row: str) -> bool:
    return "|" in row and "-" in row and _RULE.fullmatch(row) is not None


def _cells(row: str) -> tuple[str, ...]:
    """The cells of a row; bars after a backslash are text. No bar: no cells."""
    text = row.strip()
    if "|" not in text:
        return ()
    ends = [match.end() - 1 for match in _BAR.finditer(text)]
    starts = [0, *(end + 1 for end in ends)]
    parts = [text[a:b] for a, b in zip(starts, [*ends, len(text)], strict=True)]
    parts = parts[1:] if text.startswith("|") else parts
    parts = parts[:-1] if parts and ends and ends[-1] == len(text) - 1 else parts
    return tuple(part.strip() for part in parts)
