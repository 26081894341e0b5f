"""Seeded haystacks: filler prose with hidden facts, cut to a length in tokens by the plan.

The file alone fixes the question, the hidden values and the seed of the filler. How many sentences
of filler make up the wanted length depends on the tokenizer: `fit` finds that number.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from harness.common import JsonValue
from harness.suites.haystack_prose import coined, prose

Task = Literal["single", "multikey", "multivalue", "tracking", "counting"]
_DIGITS = re.compile(r"\d+")
INTRO = "Read the text and answer the question at the end."


class HaystackSpec(BaseModel):
    """A family of haystacks: every length at every depth with every seed.

    `keys`: how many facts look alike in `multikey` and `tracking`, the one asked for included.
    `values`: how many values are asked for in `multivalue`, how long the chain is in `tracking`,
    how often the event happens at most in `counting`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    task: Task = "single"
    lengths: tuple[Annotated[int, Field(ge=32, strict=True)], ...] = Field(min_length=1)
    depths: tuple[Annotated[float, Field(ge=0, le=1, strict=True)], ...] = Field(
        default=(0.5,), min_length=1
    )
    seeds: int = Field(default=1, ge=1, strict=True)
    keys: int = Field(default=4, ge=2, le=64, strict=True)
    values: int = Field(default=3, ge=2, le=16, strict=True)
    language: Literal["en"] = "en"

    @field_validator("lengths", "depths", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return (value,) if isinstance(value, int | float) else value


@dataclass(frozen=True, slots=True)
class Haystack:
    """One haystack: all but the number of filler sentences.

    `needles` answer the question; `distractors` only look like it. `values` are the expected ones.
    """

    id: str
    task: Task
    length: int
    depth: float
    seed: int
    question: str
    needles: tuple[str, ...]
    values: tuple[str, ...]
    distractors: tuple[str, ...] = ()

    @property
    def other_values(self) -> tuple[str, ...]:
        """Return the numbers that the distractors name, in order, each once."""
        return tuple(dict.fromkeys(_DIGITS.findall(" ".join(self.distractors))))

    def as_json(self) -> dict[str, JsonValue]:
        """Return the canonical form, for the case's hash: all but the number of sentences."""
        return {
            "id": self.id,
            "task": self.task,
            "length": self.length,
            "depth": self.depth,
            "seed": self.seed,
            "question": self.question,
            "needles": list(self.needles),
            "values": list(self.values),
            "distractors": list(self.distractors),
        }


@dataclass(frozen=True, slots=True)
class Fitted:
    """The user's text at its final length; the index is that of the first needle's first token."""

    text: str
    tokens: int
    sentences: int
    needle_token_index: int | None = None


@dataclass(frozen=True, slots=True)
class TooLong:
    """The text does not fit, and nothing is cut off: `reason` says why, in plain words."""

    reason: str


def case_id(spec: HaystackSpec, length: int, depth: float, seed: int) -> str:
    """Return an id such as `needle-512-d50-s1`."""
    return f"{spec.id}-{length}-d{round(depth * 100, 1):g}-s{seed}"


def expand(spec: HaystackSpec) -> list[Haystack]:
    """Return all haystacks of a family, in the order lengths, depths, seeds."""
    found = []
    for length, depth, seed in product(spec.lengths, spec.depths, range(1, spec.seeds + 1)):
        name = case_id(spec, length, depth, seed)
        facts = Facts(random.Random(f"haystack/{spec.task}/{name}"))
        found.append(build(name, spec.task, length, depth, seed, spec.keys, spec.values, facts))
    return found


class Facts:
    """Fresh keys and values: none comes twice, none is in the prose."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self._seen: set[str] = set()

    def key(self) -> str:
        """Return two coined words that read like a name, for example `Tamik Orvel`."""
        return self._fresh(lambda: f"{coined(self.rng).title()} {coined(self.rng).title()}")

    def value(self) -> str:
        """Return a number of seven digits."""
        return self._fresh(lambda: str(self.rng.randrange(1_000_000, 10_000_000)))

    def _fresh(self, draw: Callable[[], str]) -> str:
        while (found := draw()) in self._seen:
            pass
        self._seen.add(found)
        return found


def build(
    name: str, task: Task, length: int, depth: float, seed: int, keys: int, values: int,
    facts: Facts,
) -> Haystack:  # fmt: skip
    """Return the haystack with its facts drawn in a fixed order."""
    question, needles, wanted, distractors = _TASKS[task](facts, keys, values)
    return Haystack(name, task, length, depth, seed, question, needles, wanted, distractors)


_Parts = tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]


def _single(facts: Facts, keys: int, values: int) -> _Parts:
    key, value = facts.key(), facts.value()
    return _asked(key), (_number(key, value),), (value,), ()


def _multikey(facts: Facts, keys: int, values: int) -> _Parts:
    key, value = facts.key(), facts.value()
    others = tuple(_number(facts.key(), facts.value()) for _ in range(keys - 1))
    return _asked(key), (_number(key, value),), (value,), others


def _multivalue(facts: Facts, keys: int, values: int) -> _Parts:
    key = facts.key()
    wanted = tuple(facts.value() for _ in range(values))
    question = f"What are all the special numbers of {key}? Answer with the numbers only."
    return question, tuple(_number(key, value) for value in wanted), wanted, ()


def _tracking(facts: Facts, keys: int, values: int) -> _Parts:
    chains = []
    for _ in range(min(keys, 2)):  # a number is handed on from key to key
        key, value = facts.key(), facts.value()
        sentences = [_number(key, value)]
        for _ in range(values - 1):
            heir = facts.key()
            sentences.append(f"The special number of {heir} is the same as that of {key}.")
            key = heir
        chains.append((key, value, sentences))
    (last, number, needles), *others = chains
    distractors = tuple(sentence for _, _, chain in others for sentence in chain)
    return _asked(last), tuple(needles), (number,), distractors


def _counting(facts: Facts, keys: int, values: int) -> _Parts:
    key, other = facts.key(), facts.key()
    times = facts.rng.randint(1, values)
    question = f"How many times did {key} ring the bell? Answer with the number only."
    rings = tuple(f"{key} rang the bell." for _ in range(times))
    return question, rings, (str(times),), tuple(f"{other} rang the bell." for _ in range(2))


_TASKS: dict[Task, Callable[[Facts, int, int], _Parts]] = {
    "single": _single,
    "multikey": _multikey,
    "multivalue": _multivalue,
    "tracking": _tracking,
    "counting": _counting,
}


def _number(key: str, value: str) -> str:
    return f"The special number of {key} is {value}."


def _asked(key: str) -> str:
    return f"What is the special number of {key}? Answer with the number only."


def text(haystack: Haystack, sentences: int) -> str:
    """Return what the user says: an introduction, the filler with its needles, the question."""
    body = " ".join(sentence for sentence, _ in _body(haystack, sentences))
    return f"{INTRO}\n\n{body}\n\n{haystack.question}"


def _body(haystack: Haystack, sentences: int) -> list[tuple[str, bool]]:
    """Return the sentences in order, each with whether it is a needle.

    The first needle goes to the haystack's depth, further ones are spread evenly from there, round
    the end to the beginning; a chain keeps its order. Distractors fall where the seed says.
    """
    count = len(haystack.needles)
    places = [haystack.depth] + [(haystack.depth + i / count) % 1 for i in range(1, count)]
    if haystack.task == "tracking":
        places.sort()
    rng = random.Random(f"spots/{haystack.id}")
    spots = [(*pair, True) for pair in zip(places, haystack.needles, strict=True)]
    spots += [(rng.random(), sentence, False) for sentence in haystack.distractors]
    body = [(sentence, False) for sentence in prose(haystack.id).first(sentences)]
    for place, sentence, needle in sorted(spots, key=lambda spot: -spot[0]):
        body.insert(round(place * sentences), (sentence, needle))
    return body


def fit(
    haystack: Haystack, count: Callable[[str], int], limit: int | None = None
) -> Fitted | TooLong:
    """Return the text with as much filler as keeps `count` at or under the haystack's length.

    `count` says how many tokens the final prompt has for a user's text; `limit` is the most that
    the model takes. The search is for the largest number of sentences; `count` is asked about
    twice the logarithm of that number.
    """
    if limit is not None and haystack.length > limit:
        return TooLong(f"{haystack.length} tokens are asked for, and the model takes {limit}")
    bare = count(text(haystack, 0))
    if bare > haystack.length:
        return TooLong(f"{bare} tokens without any filler, and {haystack.length} are asked for")
    low, tokens, high = 0, bare, 1
    while high <= haystack.length and (found := count(text(haystack, high))) <= haystack.length:
        low, tokens, high = high, found, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        found = count(text(haystack, middle))
        if found <= haystack.length:
            low, tokens = middle, found
        else:
            high = middle
    body = _body(haystack, low)
    first = next((at for at, (_, needle) in enumerate(body) if needle), None)
    index = None
    if first is not None:
        before = " ".join(sentence for sentence, _ in body[:first])
        index = count(f"{INTRO}\n\n{before}")
    return Fitted(text(haystack, low), tokens, low, index)
