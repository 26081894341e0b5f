"""What is wrong with one row, looked at alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import regex

from harness.chat import Message
from harness.scorers import Answer, Check, Context, parse_check
from harness.scorers import scripts as writing
from harness.scorers.counting import words as counted_words
from harness.scorers.detect import detect
from harness.scorers.json_text import NotJsonError, parse
from harness.scorers.languages import COMMON, LANGUAGES, language_code
from harness.scorers.limits import shown
from harness.scorers.markdown import fences
from harness.scorers.readable import prose
from harness.training.cleaning.values import CleaningSettings, CountTokens, Reason
from harness.training.values import Row

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
    row: Row, settings: CleaningSettings, count_tokens: CountTokens | None
) -> Fault | None:
    """The first thing that is wrong with a row, or None."""
    for reason, find in _FINDERS.items():
        if reason not in settings.off and (detail := find(row, settings)):
            return reason, detail
    if "too_long" not in settings.off and settings.max_tokens and count_tokens:
        tokens = count_tokens(row.messages)
        if tokens > settings.max_tokens:
            return "too_long", f"{tokens} tokens, and the model takes {settings.max_tokens}"
    return None


def _empty(row: Row, settings: CleaningSettings) -> str:
    for number, message in enumerate(_turns(row), start=1):
        if message.role == "user" and not message.content.strip():
            return f"turn {number}: the user says nothing"
        if message.role == "assistant" and not _SAYS.search(message.content):
            return f"turn {number}: the answer is {shown(message.content)}"
    return ""


def _garbled(row: Row, settings: CleaningSettings) -> str:
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


def _placeholder(row: Row, settings: CleaningSettings) -> str:
    for message in row.messages:
        if found := _PLACEHOLDER.search(message.content):
            return f"{shown(found[0])} in what the {message.role} says"
    return ""


def _broken_json(row: Row, settings: CleaningSettings) -> str:
    asked = last = ""
    for message in row.messages:
        if message.role == "system":
            asked = message.content
        elif message.role == "user":
            last = message.content
        elif _ASKS_JSON.search(f"{asked}\n{last}") and (wrong := _not_json(message.content)):
            return wrong
    return ""


def _not_json(answer: str) -> str:
    """Why neither the answer nor its one fenced block is JSON; empty where it is."""
    blocks = fences(answer)
    text = blocks[0].code if len(blocks) == 1 else answer
    try:
        parse(text.strip())
    except NotJsonError as error:
        return f"JSON is asked for, and the answer is none: {error}"
    return ""


# -- languages -------------------------------------------------------------------------------------


def _language(row: Row, settings: CleaningSettings) -> str:
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


def _other_language(row: Row, settings: CleaningSettings) -> str:
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
    """The language or script that a text is in, where that is surely none of those wanted."""
    found = detect(text, tuple(sorted({*wanted, *COMMON})), _SURE_LETTERS)
    known = {script for code in wanted for script in LANGUAGES[code].scripts}
    if found.letters >= _SURE_LETTERS and found.script not in known:
        return found.language or f"{found.script} letters"
    sure = found.language is not None and found.confidence >= _SURE
    return (found.language or "") if sure and found.language not in wanted else ""


def _names_a_language(text: str) -> bool:
    """Whether a language is spoken of: then its letters are no surprise."""
    return any(_is_language(word) for word in counted_words(text) if word.isalpha())


def _is_language(word: str) -> bool:
    try:
        return len(word) > 2 and bool(language_code(word))
    except ValueError:
        return False


def leading_script(row: Row) -> str:
    """The script that most letters of the last answer are in; `none` where it has no letters."""
    found = writing.count(row.messages[-1].content)
    return max(found, key=lambda name: (found[name], name)) if found else "none"


# -- small -----------------------------------------------------------------------------------------

_FINDERS: dict[Reason, Callable[[Row, CleaningSettings], str]] = {
    "empty": _empty,
    "garbled": _garbled,
    "placeholder": _placeholder,
    "broken_json": _broken_json,
    "language": _language,
}
_CHECKS: dict[str, Check] = {}


def _check(raw: Mapping[str, object]) -> Check:
    """A check of the suites, made once."""
    return _CHECKS.setdefault(repr(raw), parse_check(raw))


def _turns(row: Row) -> list[Message]:
    return [message for message in row.messages if message.role != "system"]


def _answers(row: Row) -> Iterator[Message]:
    return (message for message in row.messages if message.role == "assistant")
