"""What one case says, in the forms that rows are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from harness.suites import Case
from harness.training.guard.frames import said_by
from harness.training.guard.hidden import canaries, hidden_values
from harness.training.guard.words import Words, ngrams, pairs, shingles, spaced, squeezed, words


@dataclass(frozen=True)
class Pieces:
    """One case, taken apart."""

    case: Case

    @cached_property
    def asked(self) -> tuple[str, ...]:
        """What the user says: the turns, and the facts of a haystack."""
        turns = tuple(turn.user for turn in self.case.turns)
        return turns if self.case.haystack is None else said_by(self.case.haystack)

    @cached_property
    def asked_words(self) -> Words:
        """The words of it all."""
        return tuple(word for text in self.asked for word in words(text))

    @cached_property
    def spaced(self) -> str:
        """The same words as one text, a space at both ends."""
        return spaced(self.asked_words)

    @cached_property
    def letters(self) -> str:
        """What the user says, as letters and digits alone."""
        return squeezed("\n".join(self.asked))

    @cached_property
    def values(self) -> tuple[str, ...]:
        """The values that the checks expect."""
        return hidden_values(self.case)

    @cached_property
    def canaries(self) -> tuple[str, ...]:
        """The secrets of the system prompt that no answer may tell."""
        return canaries(self.case)

    def grams(self, n: int) -> set[Words]:
        """The runs of n words in what the user says and in long expected answers."""
        return {gram for text in (*self.asked, *self.values) for gram in ngrams(words(text), n)}

    @cached_property
    def pairs(self) -> set[Words]:
        """Each two words in a row of what the user says."""
        return {pair for text in self.asked for pair in pairs(words(text))}

    @cached_property
    def shingles(self) -> set[str]:
        """The runs of five letters in what the user says."""
        return shingles(self.letters)
