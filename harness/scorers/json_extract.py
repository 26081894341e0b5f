"""The one JSON value in an answer that also has other text, where there is no doubt which."""

from __future__ import annotations

from collections.abc import Iterator

import regex

from harness.scorers.json_text import Exact, NotJsonError, parse
from harness.scorers.markdown import fences

# Inside brackets: strings on one line, and brackets. Outside, a quote of the prose is no string.
_INSIDE = regex.compile(r'"(?:[^"\\\n]|\\.)*+"|[\[\]{}]')
_OUTSIDE = regex.compile(r"[\[{]")
_OPENS = {"]": "[", "}": "{"}


def extract(text: str) -> Exact:
    """The value of the whole text, else of its one fenced block, else of its one JSON value.

    Of several fenced blocks only a single one marked `json` will do. Without a fence the text must
    have exactly one balanced array or object. Raises `NotJsonError`, also where there are several.
    """
    try:
        return parse(text.removeprefix("\ufeff"))
    except NotJsonError as error:
        blocks = fences(text)
        if not blocks:
            return _only(_values(text), str(error))
    marked = [block for block in blocks if block.language in ("json", "jsonc", "json5")]
    chosen = marked or blocks
    if len(chosen) > 1:
        raise NotJsonError(f"ambiguous: it has {len(chosen)} code blocks")
    try:
        return parse(chosen[0].code)
    except NotJsonError as error:
        raise NotJsonError(f"in its code block: {error}") from None


def _only(values: Iterator[Exact], otherwise: str) -> Exact:
    found = []
    for value in values:
        found.append(value)
        if len(found) > 1:
            raise NotJsonError("ambiguous: it has several JSON values")
    if not found:
        raise NotJsonError(otherwise)
    return found[0]


def _values(text: str) -> Iterator[Exact]:
    """The outermost balanced arrays and objects of a text that are JSON, in order."""
    for first, end in _balanced(text):
        try:
            yield parse(text[first:end])
        except NotJsonError:
            continue


def _balanced(text: str) -> list[tuple[int, int]]:
    """Spans of outermost balanced brackets, in one pass; what nothing closes does not count."""
    spans: list[tuple[int, int]] = []
    open_ones: list[tuple[str, int]] = []
    match = _OUTSIDE.search(text)
    while match:
        token = match[0]
        if token in "[{":
            open_ones.append((token, match.start()))
        elif token in _OPENS:
            _close(_OPENS[token], match.end(), open_ones, spans)
        match = (_INSIDE if open_ones else _OUTSIDE).search(text, match.end())
    return spans


def _close(
    opening: str, end: int, open_ones: list[tuple[str, int]], spans: list[tuple[int, int]]
) -> None:
    """Close the last open bracket; one that does not fit undoes all that are open."""
    token, start = open_ones.pop()
    if token != opening:
        open_ones.clear()
        return
    while spans and spans[-1][0] > start:
        spans.pop()
    spans.append((start, end))
