"""JSON as RFC 8259 has it, read strictly and exactly.

Refused, each by name: NaN and Infinity, keys that stand twice, text behind the value, a byte order
mark (section 8.1), lone surrogates, bare or escaped (I-JSON, RFC 7493, section 2.1), and nesting
beyond `NESTING`. Integers keep all their digits, other numbers become `Decimal`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from itertools import islice
from typing import TypeAlias

import regex

from harness.common import NESTING, NUMBER_DIGITS, JsonValue, shown
from harness.scorers.markdown import fences

Exact: TypeAlias = "bool | int | Decimal | str | list[Exact] | dict[str, Exact] | None"


class NotJsonError(Exception):
    """A text is not JSON; the message says why in one line."""


def parse(text: str) -> Exact:
    """Return the value of a JSON text; raises `NotJsonError`."""
    if text.startswith("\ufeff"):
        raise NotJsonError("it begins with a byte order mark")
    if not text.strip():
        raise NotJsonError("it is empty")
    if surrogate := _SURROGATE.search(text):
        raise NotJsonError(
            f"lone surrogate {_named(surrogate[0])} at character {surrogate.start()}"
        )
    _check_nesting(text)
    try:
        value: Exact = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise NotJsonError(_where(error, text)) from None
    except RecursionError:
        raise NotJsonError(f"it nests deeper than {NESTING} levels") from None
    if _ESCAPED_SURROGATE.search(text):
        # Strings and keys may hold a surrogate that has no partner.
        waiting: list[Exact] = [value]
        while waiting:
            item = waiting.pop()
            if isinstance(item, dict):
                waiting += [*item, *item.values()]
            elif isinstance(item, list):
                waiting += item
            elif isinstance(item, str) and (found := _SURROGATE.search(item)):
                raise NotJsonError(f"lone surrogate {_named(found[0])} in a string")
    return value


_SURROGATE = regex.compile(r"[\ud800-\udfff]")
_ESCAPED_SURROGATE = regex.compile(r"\\u[dD][89a-fA-F]")
# A string, even one that is cut off, or a bracket.
_TOKEN = regex.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', regex.DOTALL)


def _where(error: json.JSONDecodeError, text: str) -> str:
    """`text behind the value at line 2 column 1 ('Hope')`.

    The messages of `json` change with Python's version, and since 3.13 a trailing comma is blamed
    itself, not what follows it; these do not.
    """
    what = "text behind the value" if error.msg == "Extra data" else "no JSON"
    before = text[: error.pos].rstrip()
    trailing = text[error.pos : error.pos + 1] in ("]", "}") and before.endswith(",")
    at = len(before) - 1 if trailing else error.pos
    rest = shown(text[at : at + 20]) if at < len(text) else "the end"
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    return f"{what} at line {line} column {column} ({rest})"


def _check_nesting(text: str) -> None:
    """Count brackets outside strings, before any recursion."""
    if text.count("[") + text.count("{") <= NESTING:
        return
    depth = 0
    for match in _TOKEN.finditer(text):
        token = match[0]
        depth += (token in "[{") - (token in "]}")
        if depth > NESTING:
            raise NotJsonError(f"it nests deeper than {NESTING} levels")


def _named(character: str) -> str:
    return f"\\u{ord(character):04x}"


def _pairs(pairs: list[tuple[str, Exact]]) -> dict[str, Exact]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise NotJsonError(f"the key {shown(twice)} stands twice")
    return found


def _integer(digits: str) -> int | Decimal:
    # int() takes quadratic time, and Python refuses it beyond 4300 digits.
    return int(digits) if len(digits) <= NUMBER_DIGITS else Decimal(digits)


def _fraction(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation:
        raise NotJsonError(f"the number {shown(digits, 30)} is out of range") from None


def _constant(name: str) -> Exact:
    raise NotJsonError(f"{name} is no JSON value")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_int=_integer, parse_float=_fraction, parse_constant=_constant
)


def kind(value: Exact) -> str:
    """Return the JSON type of a value: null, boolean, number, string, array or object."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | Decimal):
        return "number"
    return {str: "string", list: "array", dict: "object"}[type(value)]


def same(left: Exact, right: Exact, tolerance: Decimal = Decimal(0)) -> bool:
    """Return whether two values are equal: 1 and 1.0 are, 1 and "1" are not, nor 1 and true.

    Numbers, at any depth, may differ by `tolerance`.
    """
    if kind(left) != kind(right):
        return False
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(
            same(left[key], right[key], tolerance) for key in left
        )
    if isinstance(left, list) and isinstance(right, list):
        pairs = zip(left, right, strict=False)
        return len(left) == len(right) and all(same(a, b, tolerance) for a, b in pairs)
    if left == right or not tolerance:
        return left == right
    if isinstance(left, int | Decimal) and isinstance(right, int | Decimal):
        # Exact, and so only for numbers in reach.
        near = max(size(left), size(right)) <= NUMBER_DIGITS
        return near and abs(Fraction(left) - Fraction(right)) <= Fraction(tolerance)
    return False


def size(number: int | Decimal) -> int:
    """Return about how many digits the exact value has."""
    decimal = Decimal(number)
    if not decimal:
        return 1
    return max(abs(decimal.adjusted()), len(decimal.as_tuple().digits))


def exact(value: JsonValue) -> Exact:
    """Return a value of a YAML file as its author wrote it: floats become decimals."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, dict):
        return {key: exact(item) for key, item in value.items()}
    return [exact(item) for item in value] if isinstance(value, list) else value


def written(value: Exact, limit: int = 60) -> str:
    """Return a value in one line of JSON, cut to about `limit` characters."""
    text = "".join(_written(value, limit))
    return text if len(text) <= limit else text[:limit] + "..."


def _written(value: Exact, limit: int) -> Iterable[str]:
    if isinstance(value, dict):
        pairs = ((json.dumps(key[:limit]), value[key]) for key in list(value)[:limit])
        yield f"{{{', '.join(f'{key}: {written(item, limit)}' for key, item in pairs)}}}"
    elif isinstance(value, list):
        yield f"[{', '.join(written(item, limit) for item in value[:limit])}]"
    elif isinstance(value, str):
        yield json.dumps(value[: limit + 1])
    elif isinstance(value, Decimal):
        yield str(value)[: limit + 1]
    else:
        yield json.dumps(value)[: limit + 1]


# Inside brackets: strings on one line, and brackets. Outside, a quote of the prose is no string.
_INSIDE = regex.compile(r'"(?:[^"\\\n]|\\.)*+"|[\[\]{}]')
_OUTSIDE = regex.compile(r"[\[{]")
_OPENS = {"]": "[", "}": "{"}


def extract(text: str) -> Exact:
    """Return the value of the whole text, else of its one fenced block, else of its one JSON value.

    Of several fenced blocks only a single one marked `json` will do. Without a fence the text must
    have exactly one balanced array or object. Raises `NotJsonError`, also where there are several.
    """
    try:
        return parse(text.removeprefix("\ufeff"))
    except NotJsonError as error:
        blocks = fences(text)
        if not blocks:
            found = list(islice(_values(text), 2))
            if len(found) > 1:
                raise NotJsonError("ambiguous: it has several JSON values") from None
            if not found:
                raise NotJsonError(str(error)) from None
            return found[0]
    marked = [block for block in blocks if block.language in ("json", "jsonc", "json5")]
    chosen = marked or blocks
    if len(chosen) > 1:
        raise NotJsonError(f"ambiguous: it has {len(chosen)} code blocks")
    try:
        return parse(chosen[0].code)
    except NotJsonError as error:
        raise NotJsonError(f"in its code block: {error}") from None


def _values(text: str) -> Iterator[Exact]:
    """Yield the outermost balanced arrays and objects of a text that are JSON, in order."""
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
