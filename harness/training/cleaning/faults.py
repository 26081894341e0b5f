"""What is wrong with one row, looked at alone."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import regex

from harness.common import Message, shown
from harness.scorers import Answer, Check, Context, parse_check
from harness.scorers import scripts as writing
from harness.scorers.counting import words as counted_words
from harness.scorers.detect import detect
from harness.scorers.json_text import NotJsonError, parse
from harness.scorers.languages import COMMON, LANGUAGES, language_code
from harness.scorers.markdown import fences
from harness.scorers.unicode_text import prose
from harness.training.cleaning.values import CleaningSettings, CountTokens, Noticed, Private, Reason
from harness.training.values import TrainingRow

Fault = tuple[Reason, str]

# Something visible besides dots: `<` may be an answer, `...` is none.
_SAYS = regex.compile(r"[^\s\p{Cc}\p{Cf}.…]")
# Text that was read in the wrong encoding, and signs that no keyboard writes.
_MOJIBAKE = regex.compile(r"Ã[\u0080-\u00bf]|â€[\u0080-\u00bf™œ\u009d“”˜¦]|ï»¿|Â[\u00a0-\u00bf]")
_UNREADABLE = regex.compile(r"[\ufffd\p{Co}\p{Cn}]|[\p{Cc}--[\t\n\r]]", regex.VERSION1)
_SAME_SIGN = regex.compile(r"([^\s\-=_*.#~])\1{49}")
# An answer of so many words is long enough to go round in circles: half of it was said before.
_CIRCLES = 20
_REPETITION = {"no_repetition": {"n": 4, "max": 0.5}}
# With fewer letters, or less confidence, a language is a guess.
_SURE_LETTERS = 25
_SURE = 0.9
_PLACEHOLDER = regex.compile(
    r"\{\{\s{0,3}[\p{L}_][\p{L}\p{N}_.\- ]{0,60}\}\}"  # {{NAME}}
    r"|\[(?:your|insert|enter)\s[\p{L}\s'’/-]{1,40}\]|<(?:your|insert)\s[\p{L}\s'’/-]{1,40}>",
    regex.IGNORECASE,
)
# Wordings that ask for an answer in JSON; a question about JSON is none.
_ASKS_JSON = regex.compile(
    r"\b(?:as|in|into|only|valid|strict|return|write|answer with|respond with|output|produce)"
    r"\s(?:an?\s|one\s|the\s|only\s|valid\s|strict\s|single\s|this\s){0,3}json\b"
    r"|\bjson\s(?:only|object|array|list|with the)\b|\bjson, please",
    regex.IGNORECASE,
)


def first_fault(
    row: TrainingRow, settings: CleaningSettings, count_tokens: CountTokens | None
) -> Fault | None:
    """Return the first thing that is wrong with a row, or None."""
    for reason, find in _FINDERS.items():
        if reason not in settings.off and (detail := find(row, settings)):
            return reason, detail
    if "too_long" not in settings.off and settings.max_tokens and count_tokens:
        tokens = count_tokens(row)
        if tokens > settings.max_tokens:
            return "too_long", f"{tokens} tokens, and the model takes {settings.max_tokens}"
    return None


def _empty(row: TrainingRow, settings: CleaningSettings) -> str:
    turns = (message for message in row.messages if message.role != "system")
    for number, message in enumerate(turns, start=1):
        if message.role == "user" and not message.content.strip():
            return f"turn {number}: the user says nothing"
        says = _SAYS.search(message.content) or message.tool_calls
        if message.role == "assistant" and not says:
            return f"turn {number}: the answer is {shown(message.content)}"
    return ""


def _garbled(row: TrainingRow, settings: CleaningSettings) -> str:
    for message in _answers(row):
        for said, pattern in (
            ("text in the wrong encoding", _MOJIBAKE),
            ("a sign that is no text", _UNREADABLE),
            ("one sign many times", _SAME_SIGN),
        ):
            if found := pattern.search(message.content):
                return f"{said}: {shown(found[0], 20)}"
        if len(counted_words(message.content)) >= _CIRCLES:
            finding = _check(_REPETITION)(Answer(message.content), Context())
            if finding.passed is False:
                return finding.reason
    return ""


def _placeholder(row: TrainingRow, settings: CleaningSettings) -> str:
    for message in row.messages:
        if found := _PLACEHOLDER.search(message.content):
            return f"{shown(found[0])} in what the {message.role} says"
    return ""


def _broken_json(row: TrainingRow, settings: CleaningSettings) -> str:
    asked = last = ""
    for message in row.messages:
        if message.role == "system":
            asked = message.content
        elif message.role == "user":
            last = message.content
        elif message.role == "assistant" and message.tool_calls:
            continue
        elif message.role == "assistant" and _ASKS_JSON.search(f"{asked}\n{last}"):
            blocks = fences(message.content)
            text = blocks[0].code if len(blocks) == 1 else message.content
            try:
                parse(text.strip())
            except NotJsonError as error:
                return f"JSON is asked for, and the answer is none: {error}"
    return ""


# -- languages -------------------------------------------------------------------------------------


def _language(row: TrainingRow, settings: CleaningSettings) -> str:
    if settings.languages:
        return _other_language(row, settings)
    asked = " ".join(message.content for message in row.messages if message.role != "assistant")
    known = writing.count(asked).keys() | {"latin", "other"}
    for message in _answers(row):
        said = [writing.of_word(word) for word in counted_words(prose(message.content).text)]
        strays = [scripts - known for scripts in said if scripts - known]
        # An answer that is in that script, but for its names, is a translation.
        if 0 < len(strays) < len(said) / 2 and not _names_a_language(asked):
            alien = ", ".join(sorted(frozenset[str]().union(*strays)))
            return f"words of another script in the answer: {alien}"
    return ""


def _other_language(row: TrainingRow, settings: CleaningSettings) -> str:
    wanted = settings.languages
    switching = _check({"no_code_switching": {"among": list(wanted)}})
    for at, message in enumerate(row.messages):
        if message.role != "assistant":
            continue
        if main := _surely_in(prose(message.content).text, wanted):
            return f"the answer is in {main}"
        finding = switching(Answer(message.content), Context(row.messages[:at]))
        if finding.passed is False:
            return finding.reason
    return ""


def _surely_in(text: str, wanted: tuple[str, ...]) -> str:
    """Return the language or script of a text where that is surely none of those wanted."""
    found = detect(text, tuple(sorted({*wanted, *COMMON})), _SURE_LETTERS)
    known = {script for code in wanted for script in LANGUAGES[code].scripts}
    if found.letters >= _SURE_LETTERS and found.script not in known:
        return found.language or f"{found.script} letters"
    sure = found.language is not None and found.confidence >= _SURE
    return (found.language or "") if sure and found.language not in wanted else ""


def _names_a_language(text: str) -> bool:
    """Return whether a language is spoken of: then its letters are no surprise."""
    for word in counted_words(text):
        if word.isalpha() and len(word) > 2:
            with suppress(ValueError):
                language_code(word)
                return True
    return False


def leading_script(row: TrainingRow) -> str:
    """Return the script of most letters of the last answer; `none` where it has no letters."""
    found = writing.count(row.messages[-1].content)
    return max(found, key=lambda name: (found[name], name)) if found else "none"


# -- small -----------------------------------------------------------------------------------------

_FINDERS: dict[Reason, Callable[[TrainingRow, CleaningSettings], str]] = {
    "empty": _empty,
    "garbled": _garbled,
    "placeholder": _placeholder,
    "broken_json": _broken_json,
    "language": _language,
}
_CHECKS: dict[str, Check] = {}


def _check(raw: Mapping[str, object]) -> Check:
    """Return a check of the suites, made once."""
    return _CHECKS.setdefault(repr(raw), parse_check(raw))


def _answers(row: TrainingRow) -> Iterator[Message]:
    return (message for message in row.messages if message.role == "assistant")


# The published forms of keys and tokens; a password looks like any other word.
_SECRETS = (
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    r"\bgh[pousr]_[A-Za-z0-9]{36,255}\b",
    r"\bgithub_pat_[A-Za-z0-9_]{22,255}\b",
    r"\bsk-[A-Za-z0-9_-]{20,255}(?![A-Za-z0-9_-])",
    r"\bAIza[0-9A-Za-z_-]{35}(?![A-Za-z0-9_-])",
    r"\bxox[abprs]-[A-Za-z0-9-]{10,255}",
    r"\bhf_[A-Za-z0-9]{30,255}\b",
    r"\beyJ[\w-]{10,2000}\.[\w-]{10,4000}\.[\w-]{10,2000}",
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]{1,8000}-----END [A-Z ]{0,30}PRIVATE KEY-----",
)
_PATTERNS: dict[Private, regex.Pattern[str]] = {
    "secret": regex.compile("|".join(_SECRETS)),
    "e-mail address": regex.compile(
        r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\p{L}\p{N}-]{1,63}\.){1,8}\p{L}{2,24}(?![\w-])"
    ),
}


def without_private(row: TrainingRow, *, redact: bool) -> tuple[TrainingRow, list[Noticed]]:
    """Return the row, with `[secret]` and `[e-mail address]` in their places if asked for."""
    texts = [text for message in row.messages for text in (message.content, message.reasoning)]
    noticed = []
    for what, pattern in _PATTERNS.items():
        count = sum(len(pattern.findall(text)) for text in texts)
        if count:
            noticed.append(Noticed(row.source, what, count, redact))
            texts = [pattern.sub(f"[{what}]", text) for text in texts] if redact else texts
    if not (noticed and redact):
        return row, noticed
    pairs = zip(row.messages, texts[::2], texts[1::2], strict=True)
    clean = (replace(m, content=content, reasoning=thought) for m, content, thought in pairs)
    return replace(row, messages=tuple(clean)), noticed


LENGTH = 5
_SPACE = re.compile(r"\s+")
_NUMBER = re.compile(r"\d+")


def twins(texts: Sequence[str], threshold: float) -> dict[int, tuple[int, float]]:
    """Return the texts that are near copies of an earlier one that stays: by number, the earlier
    one's number and the similarity.

    Texts with other numbers are other texts, however alike the rest is.
    """
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for at, text in enumerate(texts):
        groups[tuple(_NUMBER.findall(text))].append(at)
    found: dict[int, tuple[int, float]] = {}
    for members in groups.values():
        if len(members) > 1:
            plain = {at: _SPACE.sub(" ", texts[at]).strip() for at in members}
            sets = {
                at: frozenset(
                    text[start : start + LENGTH] for start in range(max(1, len(text) - LENGTH + 1))
                )
                for at, text in plain.items()
            }
            found |= _twins_in(sets, threshold)
    return found


def _twins_in(sets: dict[int, frozenset[str]], threshold: float) -> dict[int, tuple[int, float]]:
    often = Counter(one for members in sets.values() for one in members)
    kept: dict[str, list[int]] = defaultdict(list)  # by a rare member
    found: dict[int, tuple[int, float]] = {}
    for at, members in sets.items():
        rarest = sorted(members, key=lambda one: (often[one], one))
        prefix = rarest[: len(members) - math.ceil(threshold * len(members)) + 1]
        alike: list[tuple[float, int]] = []  # by Jaccard's measure, the first of equal ones first
        for other in {other for one in prefix for other in kept[one]}:
            both = len(members & sets[other])
            alike.append((-both / (len(members) + len(sets[other]) - both), other))
        if alike and -min(alike)[0] >= threshold:
            found[at] = (min(alike)[1], -min(alike)[0])
            continue
        for one in prefix:
            kept[one].append(at)
    return found
