"""Foreign words and sentences in a text: what switches away from its main language.

Names, numbers, code, quotations, words in brackets and words of the conversation are no switches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import regex

from harness.scorers import scripts
from harness.scorers.detect import detect, function_words
from harness.scorers.languages import LANGUAGES

_BRACKETS = regex.compile(
    r"\([^()\n]{1,200}\)|（[^（）\n]{1,200}）|\[[^\[\]\n]{1,200}\]|【[^】\n]{1,200}】"
)
_SENTENCE = regex.compile(r"(?<=[.!?…])\s+|(?<=[。！？।؟])|\n+")
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
# A sentence shorter than this, or one that the detector is less sure of, may be a row of names.
_SENTENCE_LETTERS = 25
_SURE = 0.8
# So many function words of another language among so many words in a row are a switch.
_HITS = 3
_WINDOW = 6


@dataclass(frozen=True, slots=True)
class Switches:
    """The foreign words and sentences of a text, and how many words it has."""

    words: tuple[str, ...]
    sentences: tuple[tuple[str, str], ...]
    total: int

    @property
    def share(self) -> float:
        """Foreign words, those of foreign sentences included, in all words."""
        inside = sum(len(_words(text)) for _, text in self.sentences)
        return min(1.0, (len(self.words) + inside) / self.total) if self.total else 0.0


def switches(text: str, main: str, among: tuple[str, ...], known: frozenset[str]) -> Switches:
    """What of the text is not in `main`; `known` are words that may be used, in lower case."""
    bare = _BRACKETS.sub(" ", text)
    words: list[str] = []
    sentences: list[tuple[str, str]] = []
    for sentence in _SENTENCE.split(bare):
        said = _words(sentence or "")
        other = _foreign_sentence(sentence or "", main, among) if said else None
        if other:
            sentences.append((other, sentence.strip()))
            continue
        words.extend(word for word in said if _foreign_word(word, main, known))
        words.extend(_runs(said, main, known))
    return Switches(tuple(words), tuple(sentences), len(_words(bare)))


def _words(text: str) -> list[str]:
    """Words between spaces or signs; a run of another script is a word of its own."""
    return [piece for word in _WORD.findall(text) for piece in _pieces(word)]


def _pieces(word: str) -> Iterator[str]:
    """Scripts without spaces glue words together: 使用good的 is three."""
    yield from (word,) if word.isascii() else _PIECE.findall(word)


def _own_scripts(main: str) -> frozenset[str]:
    """The scripts that a text in this language is written in today."""
    return frozenset({"hangul"} if main == "ko" else LANGUAGES[main].scripts)


def _foreign_word(word: str, main: str, known: frozenset[str]) -> bool:
    own = _own_scripts(main)
    used = scripts.of_word(word) - {"other"}
    if not used or used <= own or word.lower() in known:
        return False
    if used == {"latin"} or (used - own == {"latin"} and not used & {"cyrillic", "greek"}):
        return _plain_word(word)
    if used == {"greek"}:
        return len(word) > 1  # α and π are signs
    return True


def _plain_word(word: str) -> bool:
    """Whether a word in Latin letters is no name, abbreviation, unit or sign."""
    latin = "".join(_LATIN.findall(word))
    return latin.islower() and latin == word and len(latin) >= 3 and latin not in _UNITS


def _foreign_sentence(sentence: str, main: str, among: tuple[str, ...]) -> str | None:
    """The language of a sentence that is surely in another one of the same script, or None."""
    found = detect(sentence, among, _SENTENCE_LETTERS)
    same_script = found.script in _own_scripts(main)
    sure = found.confidence >= _SURE and found.letters >= _SENTENCE_LETTERS
    return found.language if found.language != main and sure and same_script else None


def _runs(said: list[str], main: str, known: frozenset[str]) -> Iterator[str]:
    """English inside a sentence of another language in Latin script."""
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
        if not _title(said[at + hits[0] : at + hits[-1] + 2], english):
            yield from (window[n] for n in hits)


def _title(words: list[str], function: frozenset[str]) -> bool:
    """Whether all words with a meaning are capitalised, as in a name: The Lord of the Rings."""
    content = [word for word in words if word.lower() not in function]
    return bool(content) and words[0][:1].isupper() and all(w[:1].isupper() for w in content)
