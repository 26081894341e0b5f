"""The table of instructions: id, arguments, the rule of each mode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.scorers.ifeval import arguments as given
from harness.scorers.ifeval import compat, fixed
from harness.scorers.ifeval.ruling import Ruling
from harness.scorers.registry import Args

Rule = Callable[[str, Any], Ruling]


@dataclass(frozen=True, slots=True)
class Instruction:
    """One verifiable instruction; `rules` has one rule for each mode."""

    id: str
    args: type[Args]
    rules: dict[str, Rule]


_ARGS: dict[str, type[Args]] = {
    "keywords:existence": given.Keywords,
    "keywords:frequency": given.KeywordFrequency,
    "keywords:forbidden_words": given.ForbiddenWords,
    "keywords:letter_frequency": given.LetterFrequency,
    "language:response_language": given.ResponseLanguage,
    "length_constraints:number_sentences": given.NumberSentences,
    "length_constraints:number_paragraphs": given.NumberParagraphs,
    "length_constraints:number_words": given.NumberWords,
    "length_constraints:nth_paragraph_first_word": given.NthParagraph,
    "detectable_content:number_placeholders": given.NumberPlaceholders,
    "detectable_content:postscript": given.Postscript,
    "detectable_format:number_bullet_lists": given.NumberBullets,
    "detectable_format:constrained_response": given.NoArgs,
    "detectable_format:number_highlighted_sections": given.NumberHighlights,
    "detectable_format:multiple_sections": given.Sections,
    "detectable_format:json_format": given.NoArgs,
    "detectable_format:title": given.NoArgs,
    "combination:two_responses": given.NoArgs,
    "combination:repeat_prompt": given.RepeatPrompt,
    "startend:end_checker": given.EndPhrase,
    "startend:quotation": given.NoArgs,
    "change_case:capital_word_frequency": given.CapitalFrequency,
    "change_case:english_capital": given.NoArgs,
    "change_case:english_lowercase": given.NoArgs,
    "punctuation:no_comma": given.NoArgs,
}


def _instruction(name: str, args: type[Args]) -> Instruction:
    rule = name.partition(":")[2]
    return Instruction(name, args, {"compat": getattr(compat, rule), "fixed": getattr(fixed, rule)})


INSTRUCTIONS = {name: _instruction(name, args) for name, args in _ARGS.items()}
