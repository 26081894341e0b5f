"""The values of `format` in JSON Schema: the same on every machine, and in linear time.

`jsonschema` checks `date` and the IP addresses, and half of the others where eleven further
packages are installed (5.6 MB). Of those, `iri` takes 49 ms for a short one and 29 s for one of
20,000 characters, `email` is any text with an @, `uuid` takes any script's digits, and `regex` and
`time` are not ECMA's and RFC 3339's; so the rest is checked here.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING

import regex

from harness.scorers.patterns import ecma

if TYPE_CHECKING:
    from jsonschema import FormatChecker

_TIME = regex.compile(r"(\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[zZ]|([+-])(\d\d):(\d\d))", regex.ASCII)
_DURATION = regex.compile(
    r"P(?:\d+W|(?=[\dT])(?:\d+Y(?:\d+M(?:\d+D)?)?|\d+M(?:\d+D)?|\d+D)?"
    r"(?:T(?=\d)(?:\d+H(?:\d+M(?:\d+S)?)?|\d+M(?:\d+S)?|\d+S))?)",
    regex.ASCII,
)
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = regex.compile(rf"{_LABEL}(?:\.{_LABEL})*+\.?")
_WIDE_LABEL = r"[\p{L}\p{M}\p{N}](?:[\p{L}\p{M}\p{N}\u200c\u200d·・-]{0,61}[\p{L}\p{M}\p{N}])?"
_WIDE_HOST = regex.compile(rf"{_WIDE_LABEL}(?:[.。．｡]{_WIDE_LABEL})*+[.。．｡]?")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++"
_LOCAL = regex.compile(rf'{_ATOM}(?:\.{_ATOM})*+|"(?:[^"\\\p{{Cc}}]|\\[ -~])*+"')
_WIDE_LOCAL = regex.compile(r"[^\s\p{Cc}@.<>()\[\],;:\\\"]++(?:\.[^\s\p{Cc}@.<>()\[\],;:\\\"]++)*+")
_UUID = regex.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_POINTER = regex.compile(r"(?:/(?:[^~/]|~[01])*+)*+", regex.DOTALL)
_RELATIVE_POINTER = regex.compile(r"(?:0|[1-9][0-9]*+)(?:#|(?:/(?:[^~/]|~[01])*+)*+)", regex.DOTALL)
_TEMPLATE = regex.compile(
    r"(?:[^\p{Cc} \"'%<>\\^`{|}]|%[0-9A-Fa-f]{2}"
    r"|\{[+#./;?&=,!@|]?(?:[\w.%]++(?::[1-9]\d{0,3}|\*)?)(?:,[\w.%]++(?::[1-9]\d{0,3}|\*)?)*+\})*+"
)


def _uri_patterns(wide: str) -> tuple[regex.Pattern[str], regex.Pattern[str]]:
    """Return RFC 3986 (`wide` empty) or RFC 3987: with a scheme, and one that may lack it."""
    char = rf"(?:[A-Za-z0-9._~!$&'()*+,;=:@{wide}-]|%[0-9A-Fa-f]{{2}})"
    user = rf"(?:[A-Za-z0-9._~!$&'()*+,;=:{wide}-]|%[0-9A-Fa-f]{{2}})*+@"
    host = rf"(?:\[[0-9A-Fa-fvV:.]++\]|(?:[A-Za-z0-9._~!$&'()*+,;={wide}-]|%[0-9A-Fa-f]{{2}})*+)"
    authority = rf"//(?:{user})?{host}(?::\d*+)?(?:/{char}*+)*+"
    path = rf"(?:{authority}|/(?:{char}++(?:/{char}*+)*+)?|{char}++(?:/{char}*+)*+)?"
    tail = rf"(?:\?(?:{char}|[/?])*+)?(?:\#(?:{char}|[/?])*+)?"
    first = rf"(?:(?!:){char})"
    relative = rf"(?:{authority}|/(?:{char}++(?:/{char}*+)*+)?|{first}++(?:/{char}*+)*+)?"
    whole = rf"[A-Za-z][A-Za-z0-9+.-]*+:{path}{tail}"
    flags = regex.ASCII if not wide else 0
    return (
        regex.compile(whole, flags),
        regex.compile(rf"(?:{whole}|{relative}{tail})", flags),
    )


_URI, _URI_REFERENCE = _uri_patterns("")
# RFC 3987, ucschar: all beyond ASCII but controls, surrogates, private use and noncharacters.
_IRI, _IRI_REFERENCE = _uri_patterns("\u00a0-\ud7ff\uf900-\ufdcf\ufdf0-\uffef\U00010000-\U000efffd")


@cache
def _checker() -> FormatChecker:
    from jsonschema import FormatChecker

    return FormatChecker(("date", "ipv4", "ipv6"))


def _known(name: str) -> Callable[[str], bool]:
    return lambda text: _checker().conforms(text, name)


_date, _ipv4, _ipv6 = _known("date"), _known("ipv4"), _known("ipv6")


def _time(text: str) -> bool:
    match = _TIME.fullmatch(text)
    if match is None:
        return False
    hour, minute, second = (int(match[n]) for n in (1, 2, 3))
    offset = int(match[5] or 0) * 60 + int(match[6] or 0)
    if hour > 23 or minute > 59 or int(match[5] or 0) > 23 or int(match[6] or 0) > 59:
        return False
    utc = (hour * 60 + minute + (offset if match[4] == "-" else -offset)) % 1440
    return second < 60 or (second == 60 and utc == 1439)  # a leap second ends a day in UTC


def _date_time(text: str) -> bool:
    return len(text) > 11 and text[10] in "Tt" and _date(text[:10]) and _time(text[11:])


def _hostname(text: str) -> bool:
    return len(text) <= 254 and bool(_HOST.fullmatch(text))


def _email(text: str) -> bool:
    local, _, domain = text.rpartition("@")
    if not _LOCAL.fullmatch(local) or len(local) > 64:
        return False
    if not (domain.startswith("[") and domain.endswith("]")):
        return _hostname(domain) and not domain.endswith(".")
    inner = domain[1:-1]
    return _ipv6(inner[5:]) if inner.lower().startswith("ipv6:") else _ipv4(inner)


def _idn_email(text: str) -> bool:
    local, _, domain = text.rpartition("@")
    return bool(_WIDE_LOCAL.fullmatch(local)) and bool(_WIDE_HOST.fullmatch(domain))


# Nobody writes a longer pattern, and compiling takes time.
_PATTERN_CHARS = 5_000


def _regex(text: str) -> bool:
    if len(text) > _PATTERN_CHARS:
        return False
    try:
        ecma(text)
    except (regex.error, RecursionError, OverflowError):
        return False
    return True


def _base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _matches(pattern: regex.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.fullmatch(text) is not None


# Formats of strings: those of JSON Schema 2020-12, and those of OpenAPI that say something.
STRINGS: dict[str, Callable[[str], bool]] = {
    "byte": _base64,
    "date": _date,
    "date-time": _date_time,
    "duration": _matches(_DURATION),
    "email": _email,
    "hostname": _hostname,
    "idn-email": _idn_email,
    "idn-hostname": lambda text: len(text) <= 254 and bool(_WIDE_HOST.fullmatch(text)),
    "ipv4": _ipv4,
    "ipv6": _ipv6,
    "iri": _matches(_IRI),
    "iri-reference": _matches(_IRI_REFERENCE),
    "json-pointer": _matches(_POINTER),
    "regex": _regex,
    "relative-json-pointer": _matches(_RELATIVE_POINTER),
    "time": _time,
    "uri": _matches(_URI),
    "uri-reference": _matches(_URI_REFERENCE),
    "uri-template": _matches(_TEMPLATE),
    "uuid": _matches(_UUID),
}
# Formats of OpenAPI for numbers, and those that restrict nothing.
_RANGES = {"int32": 2**31, "int64": 2**63}
KNOWN = frozenset({*STRINGS, *_RANGES, "float", "double", "binary", "password"})


def conforms(value: object, name: str) -> bool:
    """Return whether `value` has the format `name`; values of another type always do."""
    if isinstance(value, str):
        check = STRINGS.get(name)
        return check is None or check(value)
    if name in _RANGES and isinstance(value, int | Decimal) and not isinstance(value, bool):
        return -_RANGES[name] <= value < _RANGES[name]
    return True
