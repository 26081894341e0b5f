"""All gating cases in one index: what each of them alone says, and the values that they hide."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar, get_args

from harness.common import InputError
from harness.common.reading import read_bytes
from harness.common.yaml_positions import read_document
from harness.suites import Case, Haystack, HaystackSpec, Suite
from harness.suites.haystack import INTRO, Task, expand
from harness.suites.haystack_prose import WORDS
from harness.training.contamination.ordinary import ordinary
from harness.training.contamination.values import GuardSettings
from harness.training.contamination.words import (
    Words,
    length,
    ngrams,
    pairs,
    shingles,
    spaced,
    squeezed,
    words,
)

# Between these marks of Jinja stands what changes from case to case.
_CHANGES = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


def template_texts(suite: Suite) -> tuple[str, ...]:
    """Return the fixed parts of the templates that a suite makes its families of cases from.

    A suite that was not read from a file has none.
    """
    try:
        data = read_bytes(Path(suite.path))
        raw = read_document(suite.path, data).value if b"from_file" in data else None
    except InputError:
        return ()
    families = raw.get("from_file") if isinstance(raw, Mapping) else None
    found = (text for family in families or () for text in _texts(family))
    return tuple(part for text in found if "{" in text for part in _CHANGES.split(text))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(part)


def said_by(haystack: Haystack) -> tuple[str, ...]:
    """Return what a haystack says besides its filler: the question and the facts, each a text."""
    return (haystack.question, *haystack.needles, *haystack.distractors)


@lru_cache(maxsize=1)
def haystack_frames() -> tuple[frozenset[str], ...]:
    """Return two haystacks of every task that share nothing but the wording, each as its texts."""
    return tuple(
        frozenset({INTRO, *said_by(haystack)})
        for task in get_args(Task)
        for haystack in expand(HaystackSpec(id=f"frame-{task}", task=task, lengths=(64,), seeds=2))
    )


def joined(texts: Iterable[str]) -> str:
    """Join several texts, for shingles across their borders."""
    return "\n".join(texts)


# The arguments that hold what a right answer has, or what only looks right (`others`).
_ANSWERS: Mapping[str, tuple[str, ...]] = {
    "equals": ("text",),
    "one_of": ("texts",),
    "numeric": ("equals",),
    "needle": ("value", "others"),
    "needles": ("values", "others"),
    "json_value": ("equals", "one_of"),
    "no_prompt_leak": ("canary",),
    "bleu": ("reference",),
    "chrf": ("reference",),
    "rouge": ("reference",),
    "bertscore": ("reference",),
    "similarity": ("reference",),
    "judge": ("reference",),
}
# Their texts may be ordinary words; with a digit in them they are values.
_MENTIONS: Mapping[str, tuple[str, ...]] = {
    "contains": ("text",),
    "contains_all": ("texts",),
    "contains_any": ("texts",),
    "starts_with": ("texts",),
    "ends_with": ("texts",),
}
_CALLS = ("tool_call", "tool_calls")  # their arguments are values too
_NESTED: Mapping[str, str] = {"not": "check", "all_of": "of", "any_of": "of", "at_least": "of"}


def hidden_values(case: Case) -> tuple[str, ...]:
    """Return the values that the case's checks and haystack expect or warn of, each once."""
    found = [
        value for turn in case.turns for check in turn.checks for value in _values(check.as_json())
    ]
    if case.haystack:
        found += [*case.haystack.values, *case.haystack.other_values]
    return tuple(dict.fromkeys(found))


def canaries(case: Case) -> tuple[str, ...]:
    """Return the secrets that the system prompt holds and no answer may tell."""
    checks = (check for turn in case.turns for check in turn.checks)
    leaks = (check for check in checks if check.name == "no_prompt_leak")
    return tuple(one for check in leaks for one in _values(check.as_json()))


def _values(check: Mapping[str, Any]) -> Iterator[str]:
    """Yield the values of a check in its canonical form."""
    for name, args in check.items():
        if name in _CALLS:
            for call in [args, *(args.get("exactly") or ()), *(args.get("includes") or ())]:
                yield from (
                    one
                    for want in (call.get("arguments") or {}).values()
                    for one in _leaves(_wanted(want))
                )
        elif name in _NESTED:
            inner = args.get(_NESTED[name], ())
            for one in inner if isinstance(inner, list) else [inner]:
                yield from _values(one)
        elif isinstance(args, Mapping):
            for key in _ANSWERS.get(name, ()):
                yield from _leaves(args.get(key))
            for key in _MENTIONS.get(name, ()):
                yield from (text for text in _leaves(args.get(key)) if has_digit(text))


def _wanted(argument: object) -> object:
    """Return what an argument of an expected call may be, where a condition says it."""
    if isinstance(argument, Mapping) and ({"equals", "one_of"} & argument.keys()):
        return [argument.get("equals"), argument.get("one_of")]
    return None if isinstance(argument, Mapping) else argument


def _leaves(value: object) -> Iterator[str]:
    """Yield texts and numbers of a JSON value, at any depth; true, false and null are no values."""
    if isinstance(value, Mapping):
        for part in value.values():
            yield from _leaves(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _leaves(part)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield str(value)


def has_digit(text: str) -> bool:
    """Return whether a text is a number, a code or a date, and no ordinary word."""
    return any(sign.isdigit() for sign in text)


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
    def told(self) -> str:
        """The words of the user's own turns; a haystack's facts are what it hides."""
        return spaced(tuple(word for turn in self.case.turns for word in words(turn.user)))

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
        """Return the runs of n words in what the user says and in long expected answers."""
        return {gram for text in (*self.asked, *self.values) for gram in ngrams(words(text), n)}

    @cached_property
    def pairs(self) -> set[Words]:
        """Each two words in a row of what the user says."""
        return {pair for text in self.asked for pair in pairs(words(text))}

    @cached_property
    def shingles(self) -> set[str]:
        """The runs of five letters in what the user says."""
        return shingles(self.letters)


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
        # Hidden values that a system prompt tells.
        self.given = frozenset(
            value
            for runs in self.values.values()
            for run, value, _ in runs
            if any(spaced(run) in text for text in self._systems)
        )
        self.short = self._short_texts(settings.ngram)

    # -- whole texts -------------------------------------------------------------------------------

    def _whole_texts(self) -> tuple[dict[tuple[str, str], list[int]], dict[str, list[int]]]:
        """Index by system prompt and user's text, and by the text alone where it is the case's."""
        full: dict[tuple[str, str], list[int]] = defaultdict(list)
        alone: dict[str, list[int]] = defaultdict(list)
        for at, pieces in enumerate(self.cases):
            if pieces.case.haystack is None and pieces.letters:
                full[squeezed(pieces.case.system or ""), pieces.letters].append(at)
                alone[pieces.letters].append(at)
        return full, {text: found for text, found in alone.items() if self._owns(text, found)}

    def _owns(self, text: str, found: list[int]) -> bool:
        """Return whether the text says which case it is, whatever the system prompt."""
        systems = {squeezed(self.cases[at].case.system or "") for at in found}
        case = self.cases[found[0]]
        return len(systems) == 1 and ("" in systems or length(case.asked_words) >= OWN_WORDS)

    # -- runs of words and letters -----------------------------------------------------------------

    def _own_grams(self, n: int) -> dict[Words, int]:
        """Return the n-grams that stand in one case alone, and in nothing that everyone uses."""
        shared = {gram for text in self.shared for gram in ngrams(words(text), n)}
        shared |= _repeated(
            {gram for text in texts for gram in ngrams(words(text), n)}
            for texts in haystack_frames()
        )
        own = _own((pieces.grams(n) for pieces in self.cases), shared)
        repeated = _repeated(pieces.pairs for pieces in self.cases)
        # Haystack prose, or a template's wording with its slots in another order, is nobody's own:
        # each two words of such a template stand in several cases, even where their order is new.
        return {
            gram: at
            for gram, at in own.items()
            if not (WORDS.issuperset(gram) or repeated.issuperset(pairs(gram)))
        }

    def _own_shingles(self) -> dict[str, int]:
        """Return the shingles that stand in one case alone, and in nothing that everyone uses."""
        shared = {one for text in self.shared for one in shingles(squeezed(text))}
        shared |= _repeated(shingles(squeezed(joined(texts))) for texts in haystack_frames())
        return _own((pieces.shingles for pieces in self.cases), shared)

    def _short_texts(self, n: int) -> Runs:
        """Return a case's own texts that are too short for an n-gram: each is one by itself."""
        found: Runs = defaultdict(list)
        for cases in self.loose.values():
            said = self.cases[cases[0]].asked_words
            if OWN_WORDS <= length(said) < n:
                found[said[0]].append((said, " ".join(said), cases))
        return found

    # -- hidden values -----------------------------------------------------------------------------

    def _hidden(self, shortest: int, n: int) -> Runs:
        """Return values that are a sign by themselves; longer ones are found by their n-grams."""
        holders: dict[str, list[int]] = defaultdict(list)
        for at, pieces in enumerate(self.cases):
            for value in pieces.values:
                holders[value].append(at)
        hiding = []
        for value, cases in holders.items():
            said = words(value)
            if len(value) < shortest or sum(map(len, said)) < LETTERS:
                continue
            if length(said) < n and self._hides(said, cases):
                hiding.append((said, value, cases))
        canaries = {words(one) for pieces in self.cases for one in pieces.canaries}
        anybodys = ordinary(
            said for said, _, _ in hiding if said not in canaries and not has_digit(spaced(said))
        )
        found: Runs = defaultdict(list)
        for said, value, cases in hiding:
            if said not in anybodys:
                found[said[0]].append((said, value, cases))
        return found

    def _hides(self, said: Words, cases: list[int]) -> bool:
        """Return whether a value is one that only the cases know: no word that is given to all."""
        run = spaced(said)
        if WORDS.issuperset(said) or any(run in text for text in self._wording):
            return False
        # What every one of these cases tells in its own question hides nothing from anybody.
        if all(run in self.cases[at].told for at in cases):
            return False
        if has_digit(run) or any(
            said == words(one) for at in cases for one in self.cases[at].canaries
        ):
            return True
        return not any(run in text for text in self._systems) and not self._is_label(said, cases)

    def _is_label(self, said: Words, cases: list[int]) -> bool:
        """Return whether it is one of a few answers that many cases choose from (`positive`)."""
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
    """Yield the runs that stand among these words, with the cases that they are from."""
    for at, word in enumerate(said):
        for run, text, cases in runs.get(word, ()):
            if said[at : at + len(run)] == run:
                yield text, cases


def _own(found: Iterable[set[T]], shared: set[T]) -> dict[T, int]:
    """Return what stands in one of the sets alone, with that set's number."""
    owner: dict[T, int] = {}
    twice: set[T] = set()
    for at, items in enumerate(found):
        for item in items:
            if owner.setdefault(item, at) != at:
                twice.add(item)
    return {item: at for item, at in owner.items() if item not in twice and item not in shared}


def _repeated(found: Iterable[set[T]]) -> set[T]:
    """Return what stands in two of the sets or more."""
    times = Counter(item for items in found for item in items)
    return {item for item, count in times.items() if count > 1}
