"""The phrases of one language, compiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

import regex

from harness.scorers import scripts
from harness.scorers.detect import function_word_hits, words_of

# In the order of their use by instruct models; English first, since it decides most answers.
LANGUAGES = (
    "en", "de", "fr", "es", "it", "pt", "nl", "sv", "pl", "cs",
    "tr", "id", "vi", "ru", "uk", "zh", "ja", "ko", "ar", "hi",
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
]


# What else a pack is good for, and the scripts other than Latin.
_RELATIVES = {"sv": ("sv", "da", "nb"), "cs": ("cs", "sk"), "id": ("id", "ms"), "uk": ("uk", "be")}
_SCRIPTS = {
    "ru": "cyrillic", "uk": "cyrillic", "zh": "han", "ja": "kana", "ko": "hangul",
    "ar": "arabic", "hi": "devanagari",
}  # fmt: skip


# So many function words tell the language.
_TELLING = 4


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


def packs_for(text: str) -> tuple[Pack, ...]:
    """The packs of the languages that the text may be in, by its scripts and function words."""
    found = scripts.count(text)
    chosen = {code for code, script in _SCRIPTS.items() if found[script]}
    if found["latin"]:
        near = function_word_hits(words_of(text))
        hits = {
            code: max(near[other] for other in _RELATIVES.get(code, (code,)))
            for code in LANGUAGES
            if code not in _SCRIPTS
        }
        most = max(hits.values())
        # A sentence without a word of the lists may be in any of the languages.
        enough = most / 2 if most >= _TELLING else 0
        chosen |= {"en", *(code for code, number in hits.items() if number >= enough)}
    return tuple(pack for pack in packs() if pack.language in chosen)


@cache
def packs() -> tuple[Pack, ...]:
    """All packs, in the order of `LANGUAGES`."""
    folder = files("harness.scorers.refusal_phrases")
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
