"""The check `no_code_switching`: foreign words and sentences in an answer.

Names, numbers, code, commands, quotations, examples, words in brackets and words that the user
said or asked about are no switches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Annotated

import regex
import yaml
from pydantic import ConfigDict, Field

from harness.common import JsonValue, shown
from harness.scorers import scripts
from harness.scorers.arguments import LISTED, ONE_OR_MORE
from harness.scorers.detect import (
    MIN_LETTERS,
    detect,
    function_words,
    is_chinese,
    judge,
    leading,
    words_of,
)
from harness.scorers.language import Code
from harness.scorers.languages import LANGUAGES, neighbourhood
from harness.scorers.registry import Args, Example, scorer
from harness.scorers.unicode_text import clipped, prose
from harness.scorers.values import Answer, Context, Finding

# Word by word, this costs about a second for a million letters.
_READ = 40_000


class NoCodeSwitchingArgs(Args):
    """`is`: the main language; left out, it is that of most of the answer.

    `among`: the languages that sentences may be in, besides English (see `language`). `allow`:
    foreign words that are no switch. `max_share`: the share of foreign words that is tolerated.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    is_: Code | None = Field(None, alias="is")
    among: Annotated[tuple[Code, ...], LISTED, ONE_OR_MORE] = ()
    allow: Annotated[tuple[str, ...], LISTED, ONE_OR_MORE] = ()
    max_share: float = Field(0.0, ge=0, lt=1)
    min_letters: int = Field(MIN_LETTERS, ge=1)


@scorer(
    "no_code_switching",
    version=3,
    shorthand="is",
    example=Example(
        {"is": "zh"},
        passes="这个方案很好，可以使用 Python 3 来实现。",
        fails="这个方案很 good，可以 implement 一下。",
    ),
)
def no_code_switching(answer: Answer, context: Context, args: NoCodeSwitchingArgs) -> Finding:
    """The answer stays in one language; names, code, quotations and words of the user are fine.

    `detail.read` says how many characters of prose were read, where that is not all of them.
    """
    text = prose(answer.text, quotations=False)
    among = tuple(sorted({*args.among, "en", *filter(None, [args.is_])})) if args.among else ()
    main = args.is_ or detect(text.text, among or neighbourhood("en"), args.min_letters).language
    if main is None or not scripts.letters(text.text):
        return Finding(None, 0.0, "cannot tell: no main language is found", {"language": main})
    short = clipped(text.text, _READ)
    said = " ".join(m.content[:20_000] for m in context.messages if m.role != "assistant")
    found = switches(short.text, main, among, known(said, args.allow))
    share = found.share
    passed = share <= args.max_share
    places = [*found.words[:3], *(said for _, said in found.sentences[:2])]
    shows = ", ".join(shown(place, 40) for place in places)
    reason = f"foreign to {main}: {shows}" if places else f"all of it is in {main}"
    words = list[JsonValue](word[:100] for word in found.words[:20])
    lines = list[JsonValue](code for code, _ in found.sentences[:20])
    detail: dict[str, JsonValue] = {"language": main, "words": words, "sentences": lines}
    detail |= {"share": round(share, 4)}
    detail |= {"read": len(short.text)} if short.cut or text.cut else {}
    return Finding(passed, 1 - share, reason, detail)


_BRACKETS = regex.compile(
    r"\([^()\n]{1,200}\)|（[^（）\n]{1,200}）|\[[^\[\]\n]{1,200}\]|【[^】\n]{1,200}】"
)
# Words in italics are spoken about; so is a short piece in bold.
_MENTION = regex.compile(
    r"(?<![*\w])\*(?=[^\s*])[^*\n]{1,120}(?<=[^\s*])\*(?![*\w])"
    r"|(?<![_\w])_(?=[^\s_])[^_\n]{1,120}(?<=[^\s_])_(?![_\w])"
    r"|\*\*[^*\n.!?。！？]{1,40}\*\*(?=\s*[:：=–—-])"
)
_SENTENCE = regex.compile(r"(?<=[.!?…]['\"”’»)\]*]{0,2})\s+|(?<=[。！？।؟])|\n+")
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}_]+(?:['’.&/-][\p{L}\p{M}\p{N}_]+)*")
_PIECE = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}ー\p{Hangul}\p{Thai}\p{M}]+"
    r"|[^\p{Han}\p{Hiragana}\p{Katakana}ー\p{Hangul}\p{Thai}]+"
)
_LATIN = regex.compile(r"\p{Latin}+")
# Signs and units that every language writes in Latin or Greek letters.
_UNITS = frozenset({
    "kwh", "khz", "mhz", "ghz", "mph", "rpm", "dpi", "min", "max", "sin", "cos", "tan", "log",
    "http", "https", "www", "com", "org", "net", "html", "css", "json", "xml", "pdf", "png", "jpg",
    "wifi", "email", "etc", "app", "web", "online",
})  # fmt: skip
# A command in prose: a program's name and what follows it in Latin letters.
_COMMAND = regex.compile(
    r"(?<![\p{Latin}\p{N}_./-])(?:sudo\s+)?(?:npm|npx|yarn|pnpm|pip3?|pipx|uv|conda|python3?|node|git"
    r"|docker|kubectl|helm|brew|apt(?:-get)?|yum|dnf|cargo|go|make|cmake|curl|wget|ssh|scp|cd|ls"
    r"|mkdir|chmod|chown|grep|sed|awk|cat|echo|export|source|java|javac|mvn|gradle|terraform)"
    r"(?:[ \t]+[\p{Latin}\p{N}_./:=+@~<>\"'-]+)+"
)
# What comes behind such a label is an example, up to the end of the sentence.
_EXAMPLE = regex.compile(
    r"(?i)(?:\bexamples?|\be\.\s?g\.|\bbeispiel\w*|\bz\.\s?b\.|\bejemplos?|\bexemples?|\bexemplos?"
    r"|\besemp[io]+|\bvoorbeeld\w*|\bprzykład\w*|\bexempel|\beksempel|ví dụ|\börne[kğ]\w*|\bmesela"
    r"|\bcontoh\w*|\bпример\w*|\bнапример|\bприклад\w*|例えば|例文"
    r"|例如|例句|例子|例|예를 들어|예문|예시|예"
    r"|مثال|उदाहरण\w*|παράδειγμα)[^:：\n]{0,40}[:：](.+)"
)
# Closing and opening phrases of English answers: alone they are a sentence of another language,
# though they are short.
_STOCK = regex.compile(
    r"(?i)^\W*(?:(?:i\s+)?hope\s+(?:this|that|it|you)\b|let\s+me\s+know\b|feel\s+free\b"
    r"|(?:i(?:'|’)m\s+|i\s+am\s+)?(?:happy|glad|here)\s+to\s+(?:help|assist)|thank\s+you\b|you(?:'|’)re\s+welcome"
    r"|(?:have|enjoy)\s+(?:a|an|your|the)\s|best\s+(?:regards|wishes)\b|kind\s+regards\b"
    r"|(?:sure|certainly|of\s+course|absolutely|okay)\b[,!.]?\s*(?:here|i|let|the|this|$|\W*$)"
    r"|here(?:'|’)?s?\s+(?:is|are|a|an|the|you)\b|is\s+there\s+anything\b|if\s+you\s+(?:have|need|want)\b"
    r"|please\s+(?:let|note|feel)\b|in\s+(?:conclusion|summary)\b|note\s+that\b|(?:good|great|excellent)\s+(?:question|luck|job|point)\b|enjoy\W*$|cheers\W*$)"
)
_ENDS = regex.compile(r"[.!?…]\W*$")
# A sentence shorter than this, or one that the detectors are less sure of, may be a row of names.
_SENTENCE_LETTERS = 25
_SURE = 0.8
# Shorter ones need so many words, a function word of the other language and none of the main one.
_SHORT_WORDS = 3
# A phrase that the user asked about is short; a longer one was copied from a source.
_ASKED_WORDS = 6
# So many function words of another language among so many words in a row are a switch.
_HITS = 3
_WINDOW = 6


@dataclass(frozen=True, slots=True)
class Known:
    """What the conversation lets an answer say in another language.

    Words in lower case; what the user wrote, in words with one space between; and the languages
    that the user named.
    """

    words: frozenset[str] = frozenset()
    said: str = ""
    languages: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Switches:
    """The foreign words and sentences of a text, and how many words it has."""

    words: tuple[str, ...]
    sentences: tuple[tuple[str, str], ...]
    total: int

    @property
    def share(self) -> float:
        """Return the share of foreign words, those of foreign sentences included."""
        inside = sum(len(_words(text)) for _, text in self.sentences)
        return min(1.0, (len(self.words) + inside) / self.total) if self.total else 0.0


def known(said: str, allow: tuple[str, ...]) -> Known:
    """Return what may be said in another language, from the user's text and the suite's list."""
    words = words_of(said)
    plain = f" {' '.join(words)} "
    named = frozenset(
        code
        for code, names in language_names().items()
        if any(name in plain if not name.isascii() else f" {name}" in plain for name in names)
    )
    allowed = {word for item in allow for word in words_of(item)}
    return Known(frozenset(words) | allowed, plain, named)


@lru_cache(maxsize=1)
def language_names() -> dict[str, tuple[str, ...]]:
    """Return the stems that languages are named with in several languages, by code."""
    text = files("harness.scorers").joinpath("language_names.yaml").read_text("utf-8")
    rows = yaml.load(text, Loader=yaml.BaseLoader)
    return {code: tuple(names) for code, names in rows.items()}


def switches(text: str, main: str, among: tuple[str, ...], may: Known) -> Switches:
    """Return what of the text is not in `main` and has no reason to be in another language."""
    bare = _MENTION.sub(" ", _BRACKETS.sub(" ", text))
    if "latin" not in LANGUAGES[main].scripts:
        bare = _COMMAND.sub(" ", bare)
    words: list[str] = []
    sentences: list[tuple[str, str]] = []
    for sentence in _SENTENCE.split(bare):
        own = _EXAMPLE.sub(lambda match: match[0][: match.start(1) - match.start()], sentence or "")
        said = _words(own)
        if not said:
            continue
        other = _foreign_sentence(own, main, among)
        if other:
            phrase = words_of(own)
            again = len(phrase) <= _ASKED_WORDS and f" {' '.join(phrase)} " in may.said
            asked = again or other in may.languages
            sentences += [] if asked else [(other, own.strip())]
            continue
        words.extend(word for word in said if _foreign_word(word, main, may))
        words.extend(_runs(said, main, may.words))
    return Switches(tuple(words), tuple(sentences), len(_words(bare)))


def _words(text: str) -> list[str]:
    """Return words between spaces or signs; scripts without spaces part them too: 使用good的."""
    return [
        piece
        for word in _WORD.findall(text)
        for piece in ([word] if word.isascii() else _PIECE.findall(word))
    ]


def _own_scripts(main: str) -> frozenset[str]:
    """Return the scripts that a text in this language is written in today."""
    return frozenset({"hangul"} if main == "ko" else LANGUAGES[main].scripts)


def _foreign_word(word: str, main: str, may: Known) -> bool:
    """Return whether a word in letters of another script is no name, abbreviation, unit or sign."""
    own = _own_scripts(main)
    used = scripts.of_word(word) - {"other"}
    if not used or used <= own or word.lower() in may.words:
        return False
    if any(used <= set(LANGUAGES[code].scripts) for code in may.languages - {main}):
        return False
    if used == {"latin"} or (used - own == {"latin"} and not used & {"cyrillic", "greek"}):
        latin = "".join(_LATIN.findall(word))
        return latin.islower() and latin == word and len(latin) >= 3 and latin not in _UNITS
    return used != {"greek"} or len(word) > 1  # α and π are signs


def _foreign_sentence(sentence: str, main: str, among: tuple[str, ...]) -> str | None:
    """Return the language of a sentence that is surely in another one of the same script."""
    found = scripts.count(sentence)
    own = _own_scripts(main)
    if not found or leading(found) not in own:
        return None
    if main == "ja":
        return "zh" if leading(found) == "han" and is_chinese(sentence) else None
    if main != "en" and "latin" in own and _STOCK.match(sentence):
        return "en"
    words = words_of(sentence)
    guess = judge(sentence, main, among, 1)
    other = guess.language
    if other is None or other == main or guess.script not in own or guess.confidence < _SURE:
        return None
    lists = function_words()
    if not _ENDS.search(sentence) and _is_name(_words(sentence), lists.get(other, frozenset())):
        return None
    mine, theirs = lists.get(main, frozenset()), lists.get(other, frozenset())
    hits = sum(word in theirs and word not in mine for word in words)
    against = sum(word in mine and word not in theirs for word in words)
    if found.total() >= _SENTENCE_LETTERS:
        return other if hits > against or not theirs else None
    return other if len(words) >= _SHORT_WORDS and hits and not against else None


def _runs(said: list[str], main: str, known: frozenset[str]) -> Iterator[str]:
    """Yield English words that stand together in a sentence of another language in Latin script."""
    if main == "en" or "latin" not in LANGUAGES[main].scripts:
        return
    english, own = function_words()["en"], function_words().get(main, frozenset())
    lower = [word.lower() for word in said]
    end = 0
    for at in range(len(said)):
        window = lower[at : at + _WINDOW]
        hits = [n for n, word in enumerate(window) if word in english and word not in own | known]
        mine = sum(word in own for word in window)
        if at < end or len(hits) < _HITS or len(hits) <= mine:
            continue
        end = at + _WINDOW
        if not _is_name(said[at + hits[0] : at + hits[-1] + 2], english):
            yield from (window[n] for n in hits)


def _is_name(words: list[str], function: frozenset[str]) -> bool:
    """Return whether all words with a meaning are capitalised: The Lord of the Rings."""
    content = [word for word in words if word.lower() not in function and len(word) > 1]
    return bool(content) and words[0][:1].isupper() and all(w[:1].isupper() for w in content)
