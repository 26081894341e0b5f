"""Endless seeded English prose without digits or capitals inside sentences: haystack filler."""

from __future__ import annotations

import random
from functools import lru_cache


def _listed(text: str, separator: str = " ") -> tuple[str, ...]:
    return tuple(text.split(separator))


PEOPLE = _listed(
    "baker painter farmer teacher sailor doctor gardener carpenter student neighbour shepherd "
    "librarian musician tailor miller potter fisherman weaver judge clerk merchant guard pilot "
    "nurse cook printer mason driver singer poet traveller watchmaker blacksmith beekeeper actor "
    "engineer porter inspector historian glazier"
)
THINGS = _listed(
    "letter basket lantern window table ladder kettle blanket mirror bottle drawer violin map "
    "wagon candle curtain hammer barrel ribbon bench bucket clock painting coat saddle notebook "
    "telescope rope umbrella carpet chair boat bell trunk gate bicycle engine parcel stove "
    "hat spoon statue ticket sail lamp shelf pillow whistle broom cupboard"
)
PLACES = _listed(
    "market harbour orchard library station meadow village bridge garden museum workshop theatre "
    "courtyard valley cellar forest bakery lighthouse square school kitchen mill tower barn "
    "churchyard inn stable hall terrace vineyard canal quay greenhouse attic field"
)
TRAITS = _listed(
    "old quiet small heavy patient careful tired cheerful narrow broken famous humble curious "
    "stubborn polite dusty gentle clever wet warm empty simple rusty wooden proud lonely busy "
    "sleepy plain crooked tall cautious modest lively faded sturdy"
)
ACTIONS = _listed(
    "carried repaired painted found borrowed sold cleaned noticed measured hid opened moved "
    "described kept bought returned polished dropped wrapped lifted ordered sketched forgot "
    "inherited praised ignored mended counted weighed emptied"
)
MOMENTS = _listed(
    "In the morning;Late at night;On a cold day;After the rain;Before sunrise;During the storm;"
    "In early spring;At the end of the week;Many years ago;On market day;Shortly before dinner;"
    "In the middle of winter;One evening;Towards noon;After a long journey;For a whole season;"
    "While the others slept;Without any hurry;To everyone's surprise;As usual",
    ";",
)
WEATHERS = _listed(
    "the wind turned;the snow melted;the fog came in;the sun went down;it began to rain;"
    "the river rose;the leaves fell;the moon was bright;the air smelled of hay;"
    "the clouds drifted away;the streets were silent;the bells were ringing",
    ";",
)
REASONS = _listed(
    "because nobody else wanted to;although it was late;as the custom demanded;"
    "and then went home;but never spoke of it;so that the work could go on;"
    "and asked for nothing in return;before the others arrived;until the light was gone;"
    "and smiled at the thought;with great care;for the first time;once more;"
    "in spite of the noise;as if it were easy;and wrote a note about it",
    ";",
)
THOUGHTS = _listed(
    "patience is worth more than speed;a good story needs time;nothing was ever lost there;"
    "the best tools are the simple ones;every road leads somewhere;rest is a kind of work;"
    "old habits are hard to break;the harvest would be good;strangers bring news;"
    "a promise should be kept;the soup was too salty;music makes the hours shorter;"
    "the roof would need new tiles;no two days are alike",
    ";",
)
PATTERNS = (
    "{moment}, the {trait} {person} {action} the {thing}.",
    "{moment}, {weather}, and the {person} {action} a {trait2} {thing}.",
    "The {person} from the {place} {action} the {thing} {reason}.",
    "The {trait} {person} {action} a {thing} near the {place}.",
    "Behind the {place} stood a {trait} {thing}, and {weather}.",
    "A {person} and a {person2} met at the {place} and spoke about the {thing}.",
    "Nobody at the {place} knew why the {person} {action} the {trait} {thing}.",
    "The {person} believed that {thought}.",
    "{moment}, a {person} told the {person2} that {thought}.",
    "When {weather}, the {person} {action} the {thing} {reason}.",
    "There was a {trait} {thing} at the {place}, next to a {thing2}.",
    "Every {person} in the {place} had once {action} a {thing}.",
    "The {thing} of the {person} was {trait} and {trait2}, {reason2}.",
    "{moment}, the {place} was {trait}, and {weather}.",
)
WORDS = frozenset(
    word.strip(",.'").lower()
    for bank in (
        PEOPLE, THINGS, PLACES, TRAITS, ACTIONS, MOMENTS, WEATHERS, REASONS, THOUGHTS, PATTERNS
    )
    for phrase in bank
    for word in phrase.split()
)  # fmt: skip


def _sentence(rng: random.Random) -> str:
    """Return one sentence; always the same number of draws, so that seeds stay comparable."""
    pick = rng.choice
    return pick(PATTERNS).format(
        moment=pick(MOMENTS), trait=pick(TRAITS), trait2=pick(TRAITS), person=pick(PEOPLE),
        person2=pick(PEOPLE), action=pick(ACTIONS), thing=pick(THINGS), thing2=pick(THINGS),
        place=pick(PLACES), weather=pick(WEATHERS), reason=pick(REASONS), thought=pick(THOUGHTS),
        reason2="as everyone could see",
    )  # fmt: skip


class Prose:
    """The sentences of one seed; asked for more, it goes on where it stopped."""

    def __init__(self, seed: str) -> None:
        self._rng = random.Random(f"prose/{seed}")
        self._told: list[str] = []

    def first(self, count: int) -> list[str]:
        """Return the first `count` sentences: a prefix of every longer answer."""
        while len(self._told) < count:
            self._told.append(_sentence(self._rng))
        return self._told[:count]


@lru_cache(maxsize=64)
def prose(seed: str) -> Prose:
    """Return the prose of a seed, kept while a text is being cut to length."""
    return Prose(seed)


_ONSETS = _listed("b d f g h j k l m n p r s t v w z br dr gr kr pl st tr sk")
_VOWELS = _listed("a e i o u a e i o ai ou")
_ENDS = _listed(",,,n,r,l,s,k,m,x,th", ",")


def coined(rng: random.Random, syllables: int = 2) -> str:
    """Return a word that no language has, and no sentence of the prose."""
    while True:
        parts = (rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(syllables))
        word = "".join(parts) + rng.choice(_ENDS)
        if word not in WORDS:
            return word
