"""What cannot go well with a suite, and is no mistake in its file: its warnings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from harness.common import GateSettings, percent, plural
from harness.scorers import SERVED_NAME, Answer, Context, tool_name
from harness.suites.values import Case

FAR = 5.0  # a bar on growth that was probably meant in percent
_WORDS = ("true", "false", "yes", "no", "on", "off")  # texts in YAML 1.2, as `no` and `off` are
_IN_PREFIXES = ("contains", "contains_all", "contains_any", "starts_with")


def doubts(gate: GateSettings, cases: Sequence[Case]) -> Iterator[str]:
    """Yield the warnings of a suite, of its bars and of the cases that gate."""
    for doubt in _DOUBTS:
        yield from doubt(gate, cases)


def _units(cases: Sequence[Case]) -> int:
    """Count what is tested: cases, those of one cluster together."""
    return len({("cluster", case.cluster) if case.cluster else case.id for case in cases})


def too_few_to_pass(gate: GateSettings, cases: Sequence[Case]) -> Iterator[str]:
    """Tell of a suite that could not pass if nothing changed."""
    items = _units(cases)
    needed, unit = gate.smallest_suite, "cases" if items == len(cases) else "clusters"
    if items < needed:
        yield (
            f"{items} {unit[:-1] if items == 1 else unit} cannot pass non_inferiority with "
            f"max_drop {gate.max_drop:g}, even where nothing changes: {needed} {unit} are needed"
        )


def too_few_to_judge(gate: GateSettings, cases: Sequence[Case]) -> Iterator[str]:
    """Tell of more judgements demanded than there are cases."""
    if gate.min_judged and gate.min_judged > len(cases):
        yield (
            f"min_judged is {gate.min_judged}, and the suite has "
            f"{plural(len(cases), 'case')}: it can never be decided"
        )


def small_slices(gate: GateSettings, cases: Sequence[Case]) -> Iterator[str]:
    """Tell of slices in which no loss would be seen."""
    for tag in gate.slices:
        having = [case for case in cases if tag in case.tags]
        alone = _units(having)
        if alone < gate.smallest_slice:
            noun = "case" if alone == len(having) else "cluster"
            yield (
                f"slice {tag} has {plural(alone, noun)}: even the loss of all is not beyond "
                f"chance, {gate.smallest_slice} {noun}s are needed"
            )


def far_bars(gate: GateSettings, cases: Sequence[Case]) -> Iterator[str]:
    """Tell of bars on growth that were probably meant in percent."""
    for name in ("max_length_growth", "max_latency_growth"):
        bar = getattr(gate, name)
        if bar is not None and bar >= FAR:
            yield (
                f"{name} {bar:g} allows a growth of {percent(bar, 0)}; it is a share: 0.3 is 30 %"
            )


def no_room(gate: GateSettings, cases: Sequence[Case]) -> Iterator[str]:
    """Tell of reasoning that may take all tokens of an answer."""
    full = [
        case
        for case in cases
        if (most := case.sampling.max_reasoning_tokens) is not None
        and most >= case.sampling.max_new_tokens
    ]
    if full:
        first = full[0].sampling
        yield (
            f"max_reasoning_tokens {first.max_reasoning_tokens} leaves no room for an answer: "
            f"max_new_tokens is {first.max_new_tokens} and counts both, in "
            f"{plural(len(full), 'case')}"
        )


def words_for_truth(gate: GateSettings, cases: Sequence[Case]) -> Iterator[str]:
    """Tell of arguments of chat templates that are texts, where a truth value was meant."""
    told = {
        f"chat_template_args: {name} is the text {value!r}, which templates take for true: "
        "write true or false, without quotes"
        for case in cases
        for name, value in case.template_args.items()
        if isinstance(value, str) and value.lower() in _WORDS
    }
    yield from sorted(told)


def no_reasoning(gate: GateSettings, cases: Sequence[Case]) -> Iterator[str]:
    """Tell of checks that read reasoning where there is none."""
    mute = [
        case
        for case in cases
        if (case.reasoning_parser == "none" or case.decoding == "constrained")
        and any(check.read for turn in case.turns for check in turn.checks)
    ]
    if mute:
        without = mute[0].reasoning_parser == "none"
        why = "reasoning_parser: none" if without else "decoding: constrained"
        yield (
            f"read: reasoning finds none under {why}, and such "
            f"checks do not pass: {plural(len(mute), 'case')}, {mute[0].id} first"
        )


def given_away(gate: GateSettings, cases: Sequence[Case]) -> Iterator[str]:
    """Tell of checks that the beginning of the answer passes, which the suite gives."""
    given = [
        (case, check)
        for case in cases
        for turn in case.turns
        for check in turn.checks
        if turn.prefix
        and check.name in _IN_PREFIXES
        and not (check.read or check.step is not None)
        and getattr(check.args, "max", None) is None
        and check(Answer(turn.prefix), Context()).passed
    ]
    if given:
        case, check = given[0]
        yield (
            f"{check.name} holds for the prefix alone, whatever the model adds: "
            f"{plural(len(given), 'check')}, that of {case.id} first"
        )


def begun_by_the_model(gate: GateSettings, cases: Sequence[Case]) -> Iterator[str]:
    """Tell of examples that chat templates refuse."""
    begun = [case for case in cases if [m.role for m in case.turns[0].before[:1]] == ["assistant"]]
    if begun:
        yield (
            f"examples begin with an answer in {plural(len(begun), 'case')}, {begun[0].id} "
            "first: chat templates that want a user turn there refuse them"
        )


def unserved_tools(gate: GateSettings, cases: Sequence[Case]) -> Iterator[str]:
    """Tell of names of tools that servers refuse."""
    named = {tool_name(tool): None for case in cases for tool in case.tools}
    unserved = [name for name in named if not SERVED_NAME.fullmatch(name)]
    if unserved:
        yield (
            f"tool {unserved[0]!r} has a name that OpenAI's API refuses, and servers like it: "
            f"up to 64 letters, digits, '_' and '-' ({plural(len(unserved), 'tool')})"
        )


def one_try(gate: GateSettings, cases: Sequence[Case]) -> Iterator[str]:
    """Tell of cases whose tries are one and the same answer."""
    greedy = [case for case in cases if case.repeats > 1 and case.sampling.temperature == 0]
    if greedy:
        yield same_tries(len(greedy), len(cases))


def same_tries(greedy: int, cases: int) -> str:
    """Say of how many cases all tries are one and the same answer."""
    return (
        f"{greedy} of {plural(cases, 'case')} {'is' if greedy == 1 else 'are'} asked several times "
        "at temperature 0: the tries of a case are the same answer, and pass@k and pass^k say no "
        "more than one try; set sampling: {temperature: 0.7}, say"
    )


_DOUBTS: tuple[Callable[[GateSettings, Sequence[Case]], Iterator[str]], ...] = (
    too_few_to_pass,
    too_few_to_judge,
    small_slices,
    far_bars,
    no_room,
    words_for_truth,
    no_reasoning,
    given_away,
    begun_by_the_model,
    unserved_tools,
    one_try,
)
