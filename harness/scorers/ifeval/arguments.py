"""The arguments of each instruction, as the public data set names them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from harness.scorers.arguments import Count, Text, Word, Words
from harness.scorers.ifeval.ruling import Relation
from harness.scorers.language import Code
from harness.scorers.registry import Args

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
