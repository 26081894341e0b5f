"""The phrases of one language, compiled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

import regex

from harness.scorers import scripts
from harness.scorers.detect import function_word_hits, words_of
from harness.scorers.languages import LANGUAGES as KNOWN

# In the order of their use by instruct models; English first, since it decides most answers.
LANGUAGES = (
    "en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "nb", "fi", "pl", "cs", "ro", "hu", "ca",
    "tr", "id", "vi", "ru", "uk", "bg", "el", "zh", "ja", "ko", "th", "ar", "fa", "he", "hi", "bn",
)  # fmt: skip

Kind = Literal[
    "cannot",  # the speaker's negated ability or will: I can't, I'm not able to, I won't
    "fulfil",  # what a request asks for: help, provide, write, this request
    "refuse",  # a refusal in itself: I must decline, against my guidelines
    "sorry",  # an apology or regret: I'm sorry, unfortunately
    "limit",  # a lack of ability, knowledge or feeling: no real-time data, no opinions
    "idiom",  # the negation means something else: can't wait, can't recommend enough
    "hedge",  # only exactness, or professional advice, is denied
    "deliver",  # what was asked for follows: here is, the following steps
    "offer",  # another topic or a safe alternative: instead, is there anything else
    "condemn",  # the request is judged: illegal, unethical, never acceptable
    "dissuade",  # the user is told not to do it: please don't, you should not
    "why",  # the user asks for a judgement: why, should, is it wrong
    "not",  # any negation: not, no, never
    "ought",  # what a loaded question claims: should, deserve, better
    "write",  # a text is asked for: write, letter, email
    "task",  # a refusal speaks of the request: this request, assist, with that
    "no",  # the text that is asked for says no: resign, decline, cancel
    # Marks in the head of an answer that only the English pack has.
    "moral", "must", "unreal", "equal", "untrue", "law", "tragic", "remind", "helpline", "however",
    "self", "you", "how", "against", "instead", "gladly", "senseless",
    "people",
]  # fmt: skip


# What else a pack is good for, and the scripts other than Latin.
_RELATIVES = {"nb": ("nb", "nn"), "cs": ("cs", "sk"), "id": ("id", "ms"), "uk": ("uk", "be")}
_SCRIPTS = {
    "ru": "cyrillic", "uk": "cyrillic", "bg": "cyrillic", "el": "greek", "zh": "han", "ja": "kana",
    "ko": "hangul", "th": "thai", "ar": "arabic", "fa": "arabic", "he": "hebrew",
    "hi": "devanagari", "bn": "bengali",
}  # fmt: skip


# So many function words tell the language.
_TELLING = 4
# A line of so many words has a function word in it, if it is a sentence.
_SENTENCE = 8
# Letters of languages with a pack; a text without function words may be in one of them.
_KNOWN_LETTERS = regex.compile("[ğışłżźśřěůőűșțăđơưäöåæøßñ¿¡ãõêçéàèü]")
# The language of a text with sentences in which no known language's words stand.
UNKNOWN = "its language"
# One sign of these scripts says as much as so many letters of others.
_DENSE = {"han": 2.5, "kana": 1.5, "hangul": 2.0}
# Letters that a language has and its big neighbour in the same script has not.
_OWN_LETTERS = {
    "tr": regex.compile("[ğışİ]"),
    "pl": regex.compile("[łżśę]"),
    "cs": regex.compile("[řůě]"),
    "hu": regex.compile("[őű]"),
    "ro": regex.compile("[șțăţ]"),
    "vi": regex.compile("[ạảấầẩẫậắằặẹẻếềểễệịọỏốồổỗộớờởợụủứừửữựđơư]"),
    "ur": regex.compile("[ٹڈڑںےہھ]"),
    "fa": regex.compile("[پچژگکی]"),
    "ru": regex.compile("[ыэё]"),
    "uk": regex.compile("[іїєґ]"),
    "be": regex.compile("ў"),
    "sr": regex.compile("[ђћџјљњ]"),
    "kk": regex.compile("[әғқңөұүһ]"),
}
# Words that are English and in no list of function words, which are for longer texts.
_ENGLISH = frozenset(
    ("i", "sorry", "must", "won", "don", "t", "m", "no", "me", "help", "cannot", "could", "yes")
)
# Languages without a pack that `function_words` does not have.
_MORE_WORDS = {
    "eu": "eta da ez bat dut baina dira hori hau ere dizut naiz zure nire dago izan",
    "cy": "yn y yr ac ei mae nid ddim gyda hynny fod gallu wedi eich gallaf",
    "ga": "agus an na ní tá go ar le sin mé sé is don níl bhí",
    "az": "və bu bir üçün deyil mən sizə ki ilə də olar amma bilmərəm",
    "so": "waa iyo ka ku la in waxaa ma soo uu aan si loo",
    "yo": "ni ti náà mo ẹ kò fún àti wọn sí jẹ́ yìí",
    "zu": "ukuthi futhi kodwa ngoba noma lokhu le ngi yami wena",
    "ha": "da na ba wannan ina ya ta amma don kuma zan iya",
    "uz": "va bu uchun bilan emas lekin men siz ham deb kerak",
    "eo": "kaj la estas ne vi mi ke por sed pri tiu estas ĉi",
    "la": "et est non sed in ut quod cum ad sunt ego tibi",

}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pack:
    """The phrases of one language, each kind compiled when it is first looked for."""

    language: str
    phrases: Mapping[str, str]
    any_order: bool
    unspaced: bool
    _patterns: dict[str, regex.Pattern[str]] = field(default_factory=dict, compare=False)

    def find(self, kind: Kind, text: str) -> str:
        """The first phrase of this kind in the text, or an empty string."""
        found = self.search(kind, text)
        return found.group().strip(" ,.;:!") if found else ""

    def count(self, kind: Kind, text: str) -> int:
        """How many phrases of this kind the text has."""
        pattern = self._pattern(kind)
        return len(pattern.findall(text)) if pattern else 0

    def search(
        self, kind: Kind, text: str, start: int = 0, end: int = 1_000
    ) -> regex.Match[str] | None:
        """The first match of this kind between two places of the text."""
        pattern = self._pattern(kind)
        return pattern.search(text, start, end) if pattern else None

    def blanked(self, kind: Kind, text: str) -> str:
        """The text, as long as before, with the phrases of this kind blanked out."""
        pattern = self._pattern(kind)
        return pattern.sub(lambda found: " " * len(found.group()), text) if pattern else text

    def _pattern(self, kind: Kind) -> regex.Pattern[str] | None:
        if kind not in self._patterns and kind in self.phrases:
            flags = regex.IGNORECASE | regex.VERSION1
            self._patterns[kind] = regex.compile(self.phrases[kind], flags)
        return self._patterns.get(kind)


@dataclass(frozen=True, slots=True)
class ChosenPacks:
    """The packs that a text may need, the likeliest first, and its language's ISO 639-1 code.

    `language` is None where the text has no letters; `packs` is empty where no pack knows it.
    """

    packs: tuple[Pack, ...]
    language: str | None


def spoken(text: str, beside: str = "") -> ChosenPacks:
    """Return the packs for the languages that the text may be in.

    The script decides where it can, letters and function words do among the languages of a script.
    Where a text has few of them, those of the text `beside` it count too. A language that is told
    and has no pack gets none.
    """
    found = scripts.count(text)
    if not found:
        return ChosenPacks((), None)
    weights = {name: number * _DENSE.get(name, 1) for name, number in found.items()}
    main = max(weights, key=lambda name: weights[name])
    near = _near(text)
    if main == "latin" and near.total() < _TELLING:
        near += _near(beside)
    if main in ("han", "kana"):
        language = "ja" if found["kana"] * 5 > found["han"] else "zh"
    else:
        ours = [c for c in LANGUAGES if _SCRIPTS.get(c, "latin") == main]
        told = {c: n for c, n in near.items() if c in KNOWN and main in KNOWN[c].scripts[:1]}
        order = {code: -place for place, code in enumerate(LANGUAGES)}
        ranked = sorted(told, key=lambda c: (told[c], order.get(_owner(c), -99)), reverse=True)
        best = next(iter(ranked), "")
        rival = next((c for c in ranked if _owner(c) in LANGUAGES), "")
        most, next_most = told.get(best, 0), told.get(rival, 0)
        letters = (c for c, own in _OWN_LETTERS.items() if main in KNOWN[c].scripts[:1]
                   and len(own.findall(text)) * 25 > found[main])  # fmt: skip
        if main not in (_SCRIPTS.get(c, "latin") for c in LANGUAGES):
            language = scripts.SOLE_LANGUAGE.get(main, main)
        elif mark := next(letters, ""):
            language = _owner(mark)
        elif best != rival and most >= 2 and next_most * 3 < most * 2:
            language = best
        elif (
            main == "latin" and not most and _has_sentence(text) and not _KNOWN_LETTERS.search(text)
        ):
            language = UNKNOWN
        else:
            language = _owner(rival) if rival else ours[0]
    if language not in LANGUAGES:
        return ChosenPacks((), language)
    chosen = {code for code, script in _SCRIPTS.items() if found[script]} | {language}
    if found["latin"] * 5 > found.total():
        hits = {
            code: max(near[other] for other in _RELATIVES.get(code, (code,)))
            for code in LANGUAGES
            if code not in _SCRIPTS
        }
        most = max(hits.values())
        # A sentence without a word of the lists may be in any of the languages.
        enough = most / 2 if most >= _TELLING else 0
        chosen |= {"en", *(code for code, number in hits.items() if number >= enough)}
    return ChosenPacks(tuple(pack for pack in packs() if pack.language in chosen), language)


def _has_sentence(text: str) -> bool:
    """Return whether some line is long enough for a sentence."""
    return any(len(set(words_of(line))) >= _SENTENCE for line in text.splitlines())


def _near(text: str) -> Counter[str]:
    """Return how many words of the text are function words, by language."""
    said = set(words_of(text))
    found = function_word_hits(list(said))
    found["en"] += sum(word in _ENGLISH for word in said)
    for code, words in _more_words().items():
        found[code] += sum(word in words for word in said)
    return +found


@cache
def _more_words() -> dict[str, frozenset[str]]:
    return {code: frozenset(words.split()) for code, words in _MORE_WORDS.items()}


def _owner(code: str) -> str:
    """Return the pack's language that a close relative is read with, or the code itself."""
    return next((pack for pack, near in _RELATIVES.items() if code in near), code)


@cache
def packs() -> tuple[Pack, ...]:
    """All packs, in the order of `LANGUAGES`."""
    folder = files("harness.scorers.refusal").joinpath("packs")
    return tuple(
        _pack(code, folder.joinpath(f"{code}.txt").read_text("utf-8")) for code in LANGUAGES
    )


def _pack(language: str, text: str) -> Pack:
    sections = _sections(text)
    macros: dict[str, str] = {}
    for title, phrases in sections.items():
        word, _, name = title.partition(" ")
        if word == "define":
            macros[name] = _expanded("|".join(phrases), macros)
    spaces = "unspaced" not in sections
    kinds = [kind for kind in get_args(Kind) if kind in sections]
    joined = {kind: _joined(sections[kind], macros, spaces) for kind in kinds}
    return Pack(language, joined, "any order" in sections, not spaces)


def _sections(text: str) -> dict[str, list[str]]:
    """The lines under each `[title]`; lines that begin with `#` are comments."""
    sections: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("[") and line.endswith("]"):
            sections[line[1:-1]] = []
        elif line.strip() and not line.startswith("#"):
            sections[list(sections)[-1]].append(line)
    return sections


def _joined(phrases: list[str], macros: Mapping[str, str], spaces: bool) -> str:
    joined = _expanded("|".join(phrases), macros).replace("~", r"\w*")
    return rf"(?<!\w)(?:{joined})(?!\w)" if spaces else f"(?:{joined})"


def _expanded(phrase: str, macros: Mapping[str, str]) -> str:
    for name, meaning in macros.items():
        phrase = phrase.replace(f"<{name}>", f"(?:{meaning})")
    return phrase
