"""The arguments of each instruction, as the public data set names them."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field

from harness.common import shown
from harness.scorers.arguments import Count, Text, Word, Words
from harness.scorers.counting import Range
from harness.scorers.language import Code
from harness.scorers.registry import Args

Relation = Literal["less than", "at least"]


class Ruling(NamedTuple):
    """Whether the instruction is followed (None: cannot tell), and what was found."""

    passed: bool | None
    reason: str


def related(count: Range | int, relation: Relation, bound: int, noun: str) -> Ruling:
    """A count against a bound; a count that is a range may leave it open."""
    low, high = (count, count) if isinstance(count, int) else (count.low, count.high)
    answers = {_holds(low, relation, bound), _holds(high, relation, bound)}
    found = f"{low}" if low == high else f"{low} to {high}"
    reason = f"{found} {noun}, wanted {relation} {bound}"
    return Ruling(answers.pop() if len(answers) == 1 else None, reason)


def _holds(count: int, relation: Relation, bound: int) -> bool:
    return count < bound if relation == "less than" else count >= bound


def exactly(count: int, wanted: int, noun: str) -> Ruling:
    """A count that must be met."""
    return Ruling(count == wanted, f"{count} {noun}, wanted {wanted}")


def at_least(count: int, wanted: int, noun: str) -> Ruling:
    """A count that must be reached."""
    return Ruling(count >= wanted, f"{count} {noun}, wanted at least {wanted}")


def wanted(holds: bool | None, what: str, text: str = "") -> Ruling:
    """A plain yes or no; `text` is the part of the answer that was looked at."""
    if holds is None:
        return Ruling(None, f"cannot tell: {what}")
    return Ruling(holds, what if holds else f"not {what}" + (f": {shown(text)}" if text else ""))


Positive = Annotated[Count, Field(ge=1)]


class NoArgs(Args):
    """None."""


class Keywords(Args):
    """Words that must be there."""

    keywords: Words


class KeywordFrequency(Args):
    """A word and how often it must be there."""

    keyword: Word
    frequency: Count
    relation: Relation


class ForbiddenWords(Args):
    """Words that must not be there."""

    forbidden_words: Words


def _one_character(letter: str) -> str:
    if len(letter) != 1:
        raise ValueError("letter is one character")
    return letter


class LetterFrequency(Args):
    """A letter, or any other character, and how often it must be there."""

    letter: Annotated[Word, AfterValidator(_one_character)]
    let_frequency: Count
    let_relation: Relation


class ResponseLanguage(Args):
    """An ISO 639-1 code."""

    language: Code


class NumberSentences(Args):
    """How many sentences."""

    num_sentences: Count
    relation: Relation


class NumberParagraphs(Args):
    """How many paragraphs, divided by `***`."""

    num_paragraphs: Positive


class NumberWords(Args):
    """How many words."""

    num_words: Count
    relation: Relation


class NthParagraph(Args):
    """How many paragraphs, divided by blank lines, and the first word of one of them."""

    num_paragraphs: Positive
    nth_paragraph: Positive
    first_word: Word


class NumberPlaceholders(Args):
    """How many placeholders in square brackets, at least."""

    num_placeholders: Count


class Postscript(Args):
    """What the postscript begins with."""

    postscript_marker: Word


class NumberBullets(Args):
    """How many bullet points."""

    num_bullets: Count


class NumberHighlights(Args):
    """How many highlighted parts, at least."""

    num_highlights: Count


class Sections(Args):
    """The word before each section's number, and how many sections, at least."""

    section_spliter: Word
    num_sections: Count


class RepeatPrompt(Args):
    """What the answer must begin with."""

    prompt_to_repeat: Text


class EndPhrase(Args):
    """What the answer must end with."""

    end_phrase: Word


class CapitalFrequency(Args):
    """How many words in capital letters."""

    capital_frequency: Count
    capital_relation: Relation
