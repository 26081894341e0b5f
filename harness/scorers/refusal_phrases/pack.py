"""The phrases of one language, compiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

import regex

# In the order of their use by instruct models; English first, since it decides most answers.
LANGUAGES = ("en",)

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
    "why",  # the user asks for a judgement: why, should, is it wrong
]


@dataclass(frozen=True, slots=True)
class Pack:
    """The phrases of one language, one pattern for each kind that it has."""

    language: str
    patterns: Mapping[str, regex.Pattern[str]]

    def find(self, kind: Kind, text: str, start: int = 0, end: int = 1_000) -> str:
        """The first phrase of this kind between two places of the text, or an empty string."""
        found = self.search(kind, text, start, end)
        return found.group().strip(" ,.;:!") if found else ""

    def search(
        self, kind: Kind, text: str, start: int = 0, end: int = 1_000
    ) -> regex.Match[str] | None:
        """The match of `find`."""
        pattern = self.patterns.get(kind)
        return pattern.search(text, start, end) if pattern else None

    def blanked(self, kind: Kind, text: str) -> str:
        """The text, as long as before, with the phrases of this kind blanked out."""
        pattern = self.patterns.get(kind)
        return pattern.sub(lambda found: " " * len(found.group()), text) if pattern else text


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
    return Pack(language, {kind: _compiled(sections[kind], macros, spaces) for kind in kinds})


def _sections(text: str) -> dict[str, list[str]]:
    """The lines under each `[title]`; lines that begin with `#` are comments."""
    sections: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("[") and line.endswith("]"):
            sections[line[1:-1]] = []
        elif line.strip() and not line.startswith("#"):
            sections[list(sections)[-1]].append(line)
    return sections


def _compiled(phrases: list[str], macros: Mapping[str, str], spaces: bool) -> regex.Pattern[str]:
    joined = _expanded("|".join(phrases), macros).replace("~", r"\w*")
    body = rf"(?<!\w)(?:{joined})(?!\w)" if spaces else f"(?:{joined})"
    return regex.compile(body, regex.IGNORECASE | regex.VERSION1)


def _expanded(phrase: str, macros: Mapping[str, str]) -> str:
    for name, meaning in macros.items():
        phrase = phrase.replace(f"<{name}>", f"(?:{meaning})")
    return phrase
