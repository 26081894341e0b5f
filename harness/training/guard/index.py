"""All gating cases in one index: what each of them alone says, and the values that they hide."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

from harness.suites.haystack_prose import WORDS
from harness.training.guard.frames import haystack_frames, joined
from harness.training.guard.hidden import has_digit
from harness.training.guard.pieces import Pieces
from harness.training.guard.values import GuardSettings
from harness.training.guard.words import (
    Words,
    length,
    ngrams,
    pairs,
    shingles,
    spaced,
    squeezed,
    words,
)

# A value of other signs than letters and digits alone is code that anybody writes: `[::-1]`.
LETTERS = 4
T = TypeVar("T", bound=Hashable)
# By its first word: the words of a run, its text, and the cases that it is from.
Runs = dict[str, list[tuple[Words, str, list[int]]]]
# A short question of a persona belongs to everybody; from so many words on, a text is a case's own
# whatever the system prompt (the shortest n-gram of GPT-3's decontamination).
OWN_WORDS = 8
# Fewer runs of five letters than this are half a word, and no text.
OWN_SHINGLES = 8
# So much of a case's wording, its template's included, must be there before it is a near copy.
# Measured on 3,760 rows of the shipped generators: with 0.6, 3 of them were hits, with 0.7 none.
WHOLE = 0.7


class Index:
    """What to look up for a row; cases are named by their number."""

    def __init__(
        self, cases: Sequence[Pieces], settings: GuardSettings, frames: Iterable[str]
    ) -> None:
        self.cases = cases
        systems = {case.case.system for case in cases if case.case.system}
        wording = {*frames, *settings.common}
        self.shared = sorted({*systems, *wording})
        self._systems = [spaced(words(text)) for text in systems]
        self._wording = [spaced(words(text)) for text in wording]
        self.texts, self.loose = self._whole_texts()
        self.grams = self._own_grams(settings.ngram)
        self.shingles = self._own_shingles()
        own = Counter(self.shingles.values())
        self.sizes = {at: size for at, size in own.items() if size >= OWN_SHINGLES}
        self.values = self._hidden(settings.hidden, settings.ngram)
        self.given = frozenset(self._given())
        self.short = self._short_texts(settings.ngram)

    # -- whole texts -------------------------------------------------------------------------------

    def _whole_texts(self) -> tuple[dict[tuple[str, str], list[int]], dict[str, list[int]]]:
        """By system prompt and user's text, and by the user's text alone where it is the case's."""
        full: dict[tuple[str, str], list[int]] = defaultdict(list)
        alone: dict[str, list[int]] = defaultdict(list)
        for at, pieces in enumerate(self.cases):
            if pieces.case.haystack is None and pieces.letters:
                full[squeezed(pieces.case.system or ""), pieces.letters].append(at)
                alone[pieces.letters].append(at)
        return full, {text: found for text, found in alone.items() if self._owns(text, found)}

    def _owns(self, text: str, found: list[int]) -> bool:
        """Whether the text says which case it is, whatever the system prompt."""
        systems = {squeezed(self.cases[at].case.system or "") for at in found}
        case = self.cases[found[0]]
        return len(systems) == 1 and ("" in systems or length(case.asked_words) >= OWN_WORDS)

    # -- runs of words and letters -----------------------------------------------------------------

    def _own_grams(self, n: int) -> dict[Words, int]:
        """The n-grams that stand in one case alone, and in nothing that everyone uses."""
        shared = {gram for text in self.shared for gram in ngrams(words(text), n)}
        shared |= _repeated(
            {gram for text in texts for gram in ngrams(words(text), n)}
            for texts in haystack_frames()
        )
        own = _own((pieces.grams(n) for pieces in self.cases), shared)
        repeated = _repeated(pieces.pairs for pieces in self.cases)
        return {gram: at for gram, at in own.items() if not _is_wording(gram, repeated)}

    def _own_shingles(self) -> dict[str, int]:
        """The shingles that stand in one case alone, and in nothing that everyone uses."""
        shared = {one for text in self.shared for one in shingles(squeezed(text))}
        shared |= _repeated(shingles(squeezed(joined(texts))) for texts in haystack_frames())
        return _own((pieces.shingles for pieces in self.cases), shared)

    def _short_texts(self, n: int) -> Runs:
        """The texts that are a case's own and too short for an n-gram: each is one by itself."""
        found: Runs = defaultdict(list)
        for cases in self.loose.values():
            said = self.cases[cases[0]].asked_words
            if OWN_WORDS <= length(said) < n:
                found[said[0]].append((said, " ".join(said), cases))
        return found

    # -- hidden values -----------------------------------------------------------------------------

    def _hidden(self, shortest: int, n: int) -> Runs:
        """The values that are a sign by themselves; longer ones are found by their n-grams."""
        holders: dict[str, list[int]] = defaultdict(list)
        for at, pieces in enumerate(self.cases):
            for value in pieces.values:
                holders[value].append(at)
        found: Runs = defaultdict(list)
        for value, cases in holders.items():
            said = words(value)
            if len(value) < shortest or sum(map(len, said)) < LETTERS:
                continue
            if length(said) < n and self._hides(said, cases):
                found[said[0]].append((said, value, cases))
        return found

    def _hides(self, said: Words, cases: list[int]) -> bool:
        """Whether a value is one that only the cases know: no word that is given to all."""
        run = spaced(said)
        if WORDS.issuperset(said) or any(run in text for text in self._wording):
            return False
        if has_digit(run) or any(
            said == words(one) for at in cases for one in self.cases[at].canaries
        ):
            return True
        return not any(run in text for text in self._systems) and not self._is_label(said, cases)

    def _given(self) -> Iterator[str]:
        """The hidden values that a system prompt tells."""
        for run, value, _ in (one for runs in self.values.values() for one in runs):
            if any(spaced(run) in text for text in self._systems):
                yield value

    def _is_label(self, said: Words, cases: list[int]) -> bool:
        """Whether it is one of a few answers that many cases choose from (`positive`, say)."""
        if len(cases) < 2:
            return False
        if not any(spaced(said) in self.cases[at].spaced for at in cases):
            return True
        suites = {self.cases[at].case.suite for at in cases}
        others = (
            pieces
            for at, pieces in enumerate(self.cases)
            if at not in cases and pieces.case.suite in suites
        )
        return any(spaced(said) in pieces.spaced for pieces in others)


def runs_in(said: Words, runs: Runs) -> Iterator[tuple[str, list[int]]]:
    """The runs that stand among these words, with the cases that they are from."""
    for at, word in enumerate(said):
        for run, text, cases in runs.get(word, ()):
            if said[at : at + len(run)] == run:
                yield text, cases


def _is_wording(gram: Words, repeated: set[Words]) -> bool:
    """Whether an n-gram is haystack prose, or a template's with its slots in another order.

    Each two words of such a template stand in several cases, even where their order is new.
    """
    return WORDS.issuperset(gram) or repeated.issuperset(pairs(gram))


def _own(found: Iterable[set[T]], shared: set[T]) -> dict[T, int]:
    """What stands in one of the sets alone, with that set's number."""
    owner: dict[T, int] = {}
    twice: set[T] = set()
    for at, items in enumerate(found):
        for item in items:
            if owner.setdefault(item, at) != at:
                twice.add(item)
    return {item: at for item, at in owner.items() if item not in twice and item not in shared}


def _repeated(found: Iterable[set[T]]) -> set[T]:
    """What stands in two of the sets or more."""
    times = Counter(item for items in found for item in items)
    return {item for item, count in times.items() if count > 1}
