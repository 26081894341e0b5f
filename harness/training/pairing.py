"""Good and bad answers to the same prompts, made into pairs that are alike in length."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.common import InputError, PairSettings, Problem, as_dicts, digest
from harness.training.values import LabelledAnswer, Pair

TWICE = "the same answer again"
NO_WORSE, NO_BETTER = "no worse answer to its prompt", "no better answer to its prompt"


@dataclass(frozen=True)
class FoundPairs:
    """The pairs, and for each reason how many answers are in none."""

    pairs: tuple[Pair, ...]
    left_out: Mapping[str, int]


def pair_answers(
    answers: Sequence[LabelledAnswer], settings: PairSettings | None = None
) -> FoundPairs:
    """Pair good with bad answers to the same prompt, those first that are most alike in length.

    An answer is in one pair at most.
    """
    chosen = settings or PairSettings()
    reasons: list[str] = []
    prompts: dict[str, dict[str, LabelledAnswer]] = defaultdict(dict)
    for answer in answers:
        known = prompts[digest(as_dicts(answer.prompt))]
        text = answer.answer.strip()
        if text in known:
            reasons.append(TWICE)
        else:
            known[text] = answer
    pairs: list[Pair] = []
    for known in prompts.values():
        good = [one for one in known.values() if one.good]
        bad = [one for one in known.values() if not one.good]
        if not good or not bad:
            reasons += [NO_WORSE] * len(good) + [NO_BETTER] * len(bad)
            continue
        made = _closest(good, bad, chosen)
        pairs += made
        why = f"no answer of the other kind within {chosen.length_ratio:g} times its length"
        if len(made) == chosen.per_prompt:
            why = "more than the pairs of a prompt"
        elif len(made) == min(len(good), len(bad)):
            why = "no answer of the other kind is left"
        reasons += [why] * (len(known) - 2 * len(made))
    return FoundPairs(tuple(pairs), dict(Counter(reasons).most_common()))


def alike_in_length(pairs: Sequence[Pair], settings: PairSettings) -> FoundPairs:
    """Leave out the pairs of a file whose answers differ in length by more than is allowed.

    A pair that differs in length teaches length.
    """
    kept = tuple(
        pair for pair in pairs if _ratio(pair.chosen, pair.rejected) <= settings.length_ratio
    )
    why = f"one answer is more than {settings.length_ratio:g} times as long as the other"
    return FoundPairs(kept, {why: len(pairs) - len(kept)} if len(kept) < len(pairs) else {})


def _ratio(one: str, other: str) -> float:
    lengths = sorted((len(one), len(other)))
    return lengths[1] / max(lengths[0], 1)


def _closest(
    good: Sequence[LabelledAnswer], bad: Sequence[LabelledAnswer], settings: PairSettings
) -> list[Pair]:
    """Return pairs of one prompt, each answer once, the most alike in length first."""
    near = sorted(
        (_ratio(one.answer, other.answer), at, to)
        for at, one in enumerate(good)
        for to, other in enumerate(bad)
    )
    taken: list[set[int]] = [set(), set()]
    pairs: list[Pair] = []
    for apart, at, to in near:
        if apart > settings.length_ratio or len(pairs) == settings.per_prompt:
            break
        if at not in taken[0] and to not in taken[1]:
            taken[0].add(at)
            taken[1].add(to)
            one, other = good[at], bad[to]
            pairs.append(Pair(one.prompt, one.answer, other.answer, one.source, one.group))
    return pairs


def demand_pairs(pairings: Sequence[FoundPairs]) -> None:
    """Raise InputError where there is no pair at all, and say how to come by some."""
    if any(pairing.pairs for pairing in pairings):
        return
    reasons: Counter[str] = Counter()
    for pairing in pairings:
        reasons.update(pairing.left_out)
    hint = "give rows with `chosen` and `rejected`, or good and bad answers to the same prompts"
    if reasons[NO_BETTER] > reasons[NO_WORSE]:
        hint = "no answer passes: give good ones, in a pool of pairs or by a teacher that has them"
    elif reasons[NO_WORSE]:
        hint = (
            "all answers pass: give bad ones too, take harder prompts, or raise the temperature of "
            "the answers"
        )
    elif reasons.keys() - {TWICE, NO_WORSE, NO_BETTER}:
        hint = "their lengths differ: raise fix: {pairs: {length_ratio: ...}}, or take others"
    raise InputError(
        Problem(
            "no pair of a good and a bad answer is to be had",
            found=", ".join(f"{reason}: {count}" for reason, count in reasons.items())
            or "no answers",
            hint=hint,
        )
    )
