"""Which language a text is in, or that nobody can tell.

The writing system decides where one language uses it; kana decides between Chinese and Japanese.
Nepali, which lingua does not know, is told from Hindi and Marathi by its function words.
Otherwise lingua decides among a set of languages (restricted sets are both better and faster), and
only on enough letters. lingua has no random state: the same text has the same language everywhere.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

import regex
import yaml

from harness.common import JsonValue
from harness.scorers import scripts
from harness.scorers.languages import LANGUAGES, RARE
from harness.scorers.unicode_text import nfkc

if TYPE_CHECKING:
    from lingua import LanguageDetector

# Fewer letters than this in a script of many languages, and lingua guesses (compared on real
# model output: accuracy falls steeply below 20 characters).
MIN_LETTERS = 20
# Scripts other than Latin have few languages each, with letters of their own.
_ENOUGH_ELSEWHERE = 4
# lingua looks at trigrams alone on long texts; more than this much adds time and no certainty.
_LONG = 4_000
# On lines shorter than this, lingua alone errs where names of other languages stand in them
# ("A capital da França é Paris." is no French); function words mend it. A function word makes its
# language so many times more likely.
_SHORT = 80
# Below this confidence a line's language is not held against the rest of the answer.
_SURE = 0.5
_WORD_WEIGHT = 2.5
# How much less likely an answer is in a seldom asked language than in its big neighbour.
_RARE = 0.4


@dataclass(frozen=True, slots=True)
class Guess:
    """`language` is an ISO 639-1 code, or None with the reason in `why`."""

    language: str | None
    script: str | None
    letters: int
    confidence: float = 1.0
    why: str = ""


def detect(text: str, among: tuple[str, ...], min_letters: int = MIN_LETTERS) -> Guess:
    """The language of a piece of prose, among some that share a script, or any by script alone."""
    found = scripts.count(text)
    total = found.total()
    if not total:
        return Guess(None, None, 0, why="it has no letters")
    script = _leading(found)
    by_script = _by_script(script, found, among)
    if by_script:
        return Guess(by_script, script, total)
    enough = min_letters if script == "latin" else min(min_letters, _ENOUGH_ELSEWHERE)
    if total < enough:
        why = f"{total} letters are too few to tell the language (min_letters: {min_letters})"
        return Guess(None, script, total, why=why)
    candidates = tuple(sorted(c for c in among if script in LANGUAGES[c].scripts))
    by_words = _by_words(text[:_LONG], script, total, candidates)
    return by_words or _by_lingua(text[:_LONG], script, total, candidates)


@dataclass(frozen=True, slots=True)
class Mixture:
    """The language of a text, and those of its lines that are long enough to have one."""

    main: Guess
    lines: tuple[Guess, ...]

    def share(self, language: str) -> float:
        """The share of the letters that stand in lines of this language, short lines left out."""
        total = sum(line.letters for line in self.lines)
        own = sum(line.letters for line in self.lines if line.language == language)
        return own / total if total else float(self.main.language == language)

    def others(self, language: str) -> list[JsonValue]:
        """The languages of the other lines, sorted."""
        found = {line.language for line in self.lines if line.language} - {language}
        return list[JsonValue](sorted(found))


def mixture(text: str, among: tuple[str, ...], min_letters: int = MIN_LETTERS) -> Mixture:
    """The language of a text as a whole and of its lines.

    A line of another language counts when it is long enough and its language is likely; the main
    language is that of most letters.
    """
    whole = detect(text, among, min_letters)
    if whole.language is None:
        return Mixture(whole, ())
    enough, rows = max(min_letters, MIN_LETTERS), [row for row in text.splitlines() if row.strip()]
    alone = len(rows) == 1 and whole.letters >= enough
    lines = [whole] if alone else [detect(row, among, enough) for row in rows]
    sure = [line for line in lines if line.language and line.confidence >= _SURE]
    letters: Counter[str] = Counter()
    for line in sure:
        letters[str(line.language)] += line.letters
    if not letters or letters[whole.language] * 2 >= letters.total():
        return Mixture(whole, tuple(sure))
    most = letters.most_common(1)[0][0]
    return Mixture(replace(whole, language=most), tuple(sure))


def _leading(found: dict[str, int]) -> str:
    """The script of most letters; one Han or kana sign is worth two Latin letters or more."""
    weight = {"han": 2.5, "kana": 1.5, "hangul": 2.0}
    ranked = {name: number * weight.get(name, 1.0) for name, number in found.items()}
    # Chinese quotes a kana word now and then; Japanese is hardly ever less than a fifth kana.
    if "kana" in ranked and found["kana"] * 5 >= found.get("han", 0):
        ranked["kana"] += ranked.pop("han", 0)
    return max(ranked, key=lambda name: ranked[name])


def _by_script(script: str, found: dict[str, int], among: tuple[str, ...]) -> str | None:
    if script == "kana":
        return "ja"
    if script == "han":
        # A word or two in Han alone may be Japanese (東京); a sentence has kana in it.
        return "ja" if "ja" in among and "zh" not in among and found["han"] <= 8 else "zh"
    if script in scripts.SOLE_LANGUAGE:
        return scripts.SOLE_LANGUAGE[script]
    users = [code for code in among if script in LANGUAGES[code].scripts]
    return users[0] if len(users) == 1 and script != "latin" else None


# Endings of Nepali words that have none in the languages beside it: plural, object, tenses.
_NEPALI = regex.compile(r"\w(?:हरू|हरु|हरूको|हरूलाई|लाई|न्छ|न्छन्|[एे]को|सँग)$")


def _by_words(text: str, script: str, total: int, among: tuple[str, ...]) -> Guess | None:
    """Nepali, which lingua does not know, where its words outnumber those of its neighbours."""
    if "ne" not in among or script != "devanagari":
        return None
    said, lists = words_of(text), function_words()
    hits = {code: sum(word in lists.get(code, ()) for word in said) for code in among}
    hits["ne"] += sum(word not in lists["ne"] and bool(_NEPALI.search(word)) for word in said)
    if hits["ne"] > max((hits[code] for code in among if code != "ne"), default=0):
        return Guess("ne", script, total, round(hits["ne"] / sum(hits.values()), 3))
    return None


def _by_lingua(text: str, script: str, total: int, among: tuple[str, ...]) -> Guess:
    known = tuple(code for code in among if code in _lingua_codes())
    if not known:
        return Guess(None, script, total, why=f"no language among those asked for is in {script}")
    if len(known) == 1:
        return Guess(known[0], script, total)
    values = {
        row.language.iso_code_639_1.name.lower(): row.value
        for row in _detector(known).compute_language_confidence_values(text)
    }
    if total < _SHORT:
        values = _weighed(values, words_of(text))
    best = max(values, key=lambda code: values[code])
    if values[best] == 0:
        return Guess(None, script, total, 0.0, "no language fits")
    return Guess(best, script, total, round(values[best], 3))


def _weighed(values: dict[str, float], said: list[str]) -> dict[str, float]:
    """The confidences, weighed by how many of the words are function words of each language."""
    hits = function_word_hits(said)
    weights = {
        code: value * _WORD_WEIGHT ** min(hits[code], 6) * (_RARE if code in RARE else 1)
        for code, value in values.items()
    }
    total = sum(weights.values())
    return {code: weight / total for code, weight in weights.items()} if total else values


_WORD = regex.compile(r"[\p{L}\p{M}]+")


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, elided articles apart (l'ami: l, ami)."""
    return _WORD.findall(nfkc(text).lower())


@lru_cache(maxsize=1)
def function_words() -> dict[str, frozenset[str]]:
    """The commonest words of languages, by ISO 639-1 code."""
    text = files("harness.scorers").joinpath("function_words.yaml").read_text("utf-8")
    rows = yaml.load(text, Loader=yaml.BaseLoader)
    return {code: frozenset(words) for code, words in rows.items()}


def function_word_hits(said: list[str]) -> Counter[str]:
    """How many of the words are function words of each language, by code."""
    languages = _languages_of_words()
    return Counter(code for word in said for code in languages.get(word, ()))


@lru_cache(maxsize=1)
def _languages_of_words() -> dict[str, tuple[str, ...]]:
    """Function words with the languages that have them: one look-up a word, not one a language."""
    found: dict[str, tuple[str, ...]] = {}
    for code, words in function_words().items():
        for word in words:
            found[word] = (*found.get(word, ()), code)
    return found


@lru_cache(maxsize=1)
def _lingua_codes() -> frozenset[str]:
    from lingua import Language

    return frozenset(language.iso_code_639_1.name.lower() for language in Language.all())


@lru_cache(maxsize=32)
def _detector(among: tuple[str, ...]) -> LanguageDetector:
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    codes = [getattr(IsoCode639_1, code.upper()) for code in among]
    return LanguageDetectorBuilder.from_iso_codes_639_1(*codes).build()
