"""The plan before the bill: what a run will ask, take and be able to see. Nothing is generated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.backends import Backend, common_prefix, estimate_tokens
from harness.common import Prices, Variant
from harness.config import Settings
from harness.evaluation.conversation import RequestBuilder
from harness.evaluation.noise import recalled_noise
from harness.evaluation.plan import Plan, make_plan
from harness.evaluation.rates import Rates
from harness.evaluation.rendering import prompt_of
from harness.evaluation.run import with_readings
from harness.evaluation.trial import Trial, messages_of, sampling_of
from harness.evaluation.variants import Variants
from harness.evaluation.verdict import judge_run
from harness.gate import (
    ASSUMED_DISCORDANCE,
    Sight,
    all_of,
    foresee,
    likely_discordance,
    repeated_drop,
)
from harness.results import NoiseFloor, RunInfo
from harness.store import Store, Usage, chunks, count_results, usage_of
from harness.suites import Suite

REPEATS = (1, 3, 5)
MOST_COMPARED = 200_000  # results of an earlier run: more take longer to read than a plan may
MOST_LOOKED_UP = 200_000  # answers: as many prompts are rendered to find their keys
LOOKED_UP_AT_ONCE = 4_096
# Beside their texts, as measured on 10,000 answers of echo with two checks each.
ANSWER_BYTES, RESULT_BYTES = 400, 1_250
NO_RATES = "no rates: measure them with `python -m bench.rates FILE`, then add --rate FILE"
NO_NOISE = "not known how often a model disagrees with itself: `harness run --aa` measures it"


@dataclass(frozen=True, slots=True)
class Repeated:
    """What `repeats` answers to each case would change; a figure that nobody can tell is None.

    `pass_all` is pass^k, and `pass_source` says where it is from: an earlier run that tried as
    often, whose scorecard has the same figure, or the chances that fit its rate and the noise.
    """

    repeats: int
    answers: int
    mde: float | None
    pass_all: float | None
    reason: str = ""
    pass_source: str = ""


@dataclass(frozen=True, slots=True)
class SuiteForecast:
    """One suite. Requests and tokens are those of all variants and repeats that are still to be
    made; `stored` requests have their answers in the store. `prompt_tokens_once` counts a prefix
    that prompts of one variant share once.

    `answer_source` says where the length of answers is from, `discordance_source` where the share
    of pairs that differ is from.
    """

    suite: str
    cases: int
    requests: int
    prompt_tokens: int
    prompt_tokens_once: int
    answer_tokens: int
    answer_source: str
    sight: Sight
    discordance_source: str
    repeated: tuple[Repeated, ...]
    stored: int = 0


@dataclass(frozen=True, slots=True)
class Bill:
    """Time and GPU hours on so many replicas; None where no rates are known, with the reason."""

    replicas: int
    seconds: float | None
    gpu_hours: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Forecast:
    """A whole run: what is still to be made, and what is `stored`. `store_bytes` is what it adds.

    `costs` is what its tokens cost, by currency; empty where no variant has prices. `unpriced` are
    the variants without, which are not in it.
    """

    variants: tuple[str, ...]
    suites: tuple[SuiteForecast, ...]
    requests: int
    prompt_tokens: int
    prompt_tokens_once: int
    answer_tokens: int
    store_bytes: int
    bills: tuple[Bill, ...]
    notes: tuple[str, ...]
    costs: Mapping[str, float] = field(default_factory=dict)
    unpriced: tuple[str, ...] = ()
    stored: int = 0


@dataclass(frozen=True, slots=True)
class Earlier:
    """What earlier runs of the store say of one suite; `tries` is pass^k by k, as measured."""

    usage: Usage | None = None
    discordance: float | None = None
    rate: float | None = None
    tries: Mapping[int, float] = field(default_factory=dict)
    noise: float | None = None
    run: str = ""


@dataclass(frozen=True, slots=True)
class SuiteRequests:
    """What one suite still has to ask, of each variant, and what is in the store.

    `tokens` are those of all prompts and of all answers, by variant; `length` is the mean answer.
    """

    suite: str
    trials: Sequence[Trial]
    known: Earlier
    requests: int
    stored: int
    tokens: Mapping[str, tuple[int, float]]
    prompt_tokens_once: int
    answer_tokens: int
    answer_source: str
    estimated: bool


def forecast(
    settings: Settings,
    suites: Sequence[Suite],
    variants: Variants,
    backend: Backend,
    store: Store | None = None,
    *,
    candidates: int = 0,
    rates: Rates | None = None,
    repeats: int | None = None,
    replicas: int = 8,
    prices: Mapping[str, Prices] | None = None,
) -> Forecast:
    """Plan as a run does, and count what it would have to make. `store` is only looked into.

    Instead of the variants' own candidates, `candidates` count adapters that do not exist yet.
    `prices` are those of variants; a prompt costs the same whether or not its beginning was seen
    before. `repeats` overrides those of all cases. Loads a tokenizer at most, generates nothing.
    """
    if repeats is not None:
        suites = [
            replace(suite, cases=tuple(replace(case, repeats=repeats) for case in suite.cases))
            for suite in suites
        ]
    there = {variant.name for variant in variants.members[:1]} if candidates else None
    if candidates:
        variants = hypothetical(variants, candidates)
    plan = make_plan(suites, tuple(variants), backend, baseline=variants.baseline)
    plan = with_readings(plan, settings, variants, backend)
    stored: Mapping[int, int] = {}
    is_looked_up = store is not None and len(plan.trials) <= MOST_LOOKED_UP
    if store is not None and is_looked_up:
        stored = stored_requests(plan, backend, store, there)
    earlier = earlier_of(store, [suite.name for suite in suites]) if store else {}
    asked = list(asked_of(plan, suites, backend, stored, earlier))
    rows = list(map(suite_forecast, suites, asked, sights(suites, earlier)))
    once, answers = sum(r.prompt_tokens_once for r in rows), sum(r.answer_tokens for r in rows)
    texts = 4 * sum(row.prompt_tokens + 2 * row.answer_tokens for row in rows)  # answers: twice
    notes = [*backend.notes, *plan.notes]
    if store is not None and not is_looked_up:
        notes.append(f"not looked for in the store: more than {MOST_LOOKED_UP:,} answers")
    if any(each.estimated for each in asked):
        notes.append("prompt tokens are estimates: this engine counts none")
    if any(case.cluster for suite in suites for case in suite.cases):
        notes.append("a cluster counts as one case in what a suite sees: its cases may go together")
    if plan.skipped:
        notes.append(f"{len(plan.skipped)} trials do not fit the context and are not asked")
    return Forecast(
        variants=tuple(variant.name for variant in variants),
        suites=tuple(rows),
        requests=sum(row.requests for row in rows),
        prompt_tokens=sum(row.prompt_tokens for row in rows),
        prompt_tokens_once=once,
        answer_tokens=answers,
        store_bytes=(
            texts
            + ANSWER_BYTES * sum(row.requests for row in rows)
            + RESULT_BYTES * len(plan.trials)
        ),
        bills=tuple(bills(rates, once, answers, replicas)),
        notes=tuple(dict.fromkeys(notes)),
        costs=costs_of(asked, prices or {}),
        unpriced=tuple(v.name for v in variants if prices and v.name not in prices),
        stored=sum(row.stored for row in rows),
    )


def asked_of(
    plan: Plan,
    suites: Sequence[Suite],
    backend: Backend,
    stored: Mapping[int, int],
    earlier: Mapping[str, Earlier],
) -> Iterator[SuiteRequests]:
    """Yield what each suite has to ask; `stored` are requests with an answer, by trial."""
    trials: defaultdict[str, list[Trial]] = defaultdict(list)
    for trial in plan.trials:
        trials[trial.case.suite].append(trial)
    for suite in suites:
        known, mine = earlier.get(suite.name, Earlier()), trials[suite.name]
        missing = [t for t in mine if stored.get(t.position, 0) < len(t.case.turns)]
        each, source = answer_length(missing, known)
        by_variant: defaultdict[str, list[Trial]] = defaultdict(list)
        for trial in missing:
            by_variant[trial.variant.name].append(trial)
        tokens, once, estimated = {}, 0, False
        for name, own in by_variant.items():
            prompts, new, guessed = prompt_tokens(plan, own, backend, each)
            tokens[name] = prompts, each * len(own)
            once, estimated = once + new, estimated or guessed
        there_already = sum(stored.get(trial.position, 0) for trial in mine)
        yield SuiteRequests(
            suite=suite.name,
            trials=mine,
            known=known,
            requests=sum(len(trial.case.turns) for trial in mine) - there_already,
            stored=there_already,
            tokens=tokens,
            prompt_tokens_once=once,
            answer_tokens=round(each * len(missing)),
            answer_source=source,
            estimated=estimated,
        )


def sights(suites: Sequence[Suite], earlier: Mapping[str, Earlier]) -> Iterator[tuple[Sight, str]]:
    """Yield what each suite sees, and where its share of pairs that differ is from."""
    # Declared slices and comparisons of answers are tests of their own, in one family.
    tests = sum(
        1 + len(suite.gate.slices) + any(case.prefer for case in suite.cases) for suite in suites
    )
    for suite in suites:
        known = earlier.get(suite.name, Earlier())
        clusters = {case.cluster or ("", case.id) for case in suite.cases}
        share, source = known.discordance, f"run {known.run}"
        if share is None:
            share, source = ASSUMED_DISCORDANCE, f"assumed: {ASSUMED_DISCORDANCE:.0%} differ"
        yield foresee(len(clusters), share, suite.gate.alpha, tests), source


def suite_forecast(suite: Suite, asked: SuiteRequests, seen: tuple[Sight, str]) -> SuiteForecast:
    """Put what one suite asks and sees into one value."""
    sight, source = seen
    return SuiteForecast(
        suite=suite.name,
        cases=len(suite.cases),
        requests=asked.requests,
        prompt_tokens=sum(prompts for prompts, _ in asked.tokens.values()),
        prompt_tokens_once=asked.prompt_tokens_once,
        answer_tokens=asked.answer_tokens,
        answer_source=asked.answer_source,
        sight=sight,
        discordance_source=source,
        repeated=tuple(with_repeats(suite, asked.trials, asked.known, sight)),
        stored=asked.stored,
    )


def costs_of(asked: Iterable[SuiteRequests], prices: Mapping[str, Prices]) -> dict[str, float]:
    """Return what the tokens of all suites cost, by currency."""
    costs = {price.currency: 0.0 for price in prices.values()}
    for row in asked:
        for variant, (prompts, answers) in row.tokens.items():
            if price := prices.get(variant):
                costs[price.currency] += price.cost(prompts, answers)
    return costs


def stored_requests(
    plan: Plan, backend: Backend, store: Store, variants: Collection[str] | None
) -> dict[int, int]:
    """Count for each trial, by its position, the requests whose answers the store holds.

    A later turn is looked for where all before it are there. Only trials of these variants are
    looked for; None stands for all.
    """
    builder, found = RequestBuilder(plan, backend), defaultdict[int, int](int)
    looked = (t for t in plan.trials if variants is None or t.variant.name in variants)
    for some in chunks(looked, LOOKED_UP_AT_ONCE):
        conversations = [builder.begin(trial) for trial in some]
        while conversations:
            asked = [p for each in conversations if (p := builder.pending(each)) is not None]
            there = store.completions([pending.request.key for pending in asked])
            conversations = []
            for pending in asked:
                if answer := there.get(pending.request.key):
                    pending.take(answer)
                    conversation = pending.conversation
                    found[conversation.trial.position] += 1
                    if not (conversation.answered or conversation.fault):
                        conversations.append(conversation)
    return dict(found)


def answer_length(trials: Sequence[Trial], known: Earlier) -> tuple[float, str]:
    """Return the mean answer tokens of a trial, and where that is from."""
    if known.usage is not None and known.usage.results:
        return known.usage.completion_tokens / known.usage.results, f"run {known.run}"
    limit = sum(sampling_of(t).max_new_tokens * len(t.case.turns) for t in trials)
    source = "the limits (max_new_tokens): no earlier run in the store"
    return limit / max(len(trials), 1), source


def with_repeats(
    suite: Suite, trials: Sequence[Trial], known: Earlier, sight: Sight
) -> Iterator[Repeated]:
    """Yield what 1, 3 and 5 answers to each case would change."""
    per_case = len(trials) / max(sum(case.repeats for case in suite.cases), 1)
    for k in REPEATS:
        drop, share, source = None, known.tries.get(k), f"run {known.run}"
        if known.noise is not None:
            alpha = suite.gate.alpha
            drop = repeated_drop(sight.units, sight.discordance, known.noise, k, alpha)
        if share is None and known.noise is not None and known.rate is not None:
            share, source = all_of(known.rate, known.noise, k), "reckoned from rate and noise"
        yield Repeated(
            repeats=k,
            answers=round(per_case * k * len(suite.cases)),
            mde=drop,
            pass_all=share,
            reason=NO_NOISE if known.noise is None else "",
            pass_source="" if share is None else source,
        )


def bills(rates: Rates | None, prompt_tokens: int, answer_tokens: int, most: int) -> Iterator[Bill]:
    """Yield time and GPU hours on 1, 2, 4 … `most` replicas."""
    for n in sorted({*(2**n for n in range(most.bit_length()) if 2**n <= most), most}):
        if rates is None:
            yield Bill(n, None, None, NO_RATES)
        else:
            seconds = rates.seconds(prompt_tokens, answer_tokens, n)
            yield Bill(n, seconds, seconds * n * rates.gpus / 3600)


def prompt_tokens(
    plan: Plan, trials: Iterable[Trial], backend: Backend, answer_tokens: float
) -> tuple[int, int, bool]:
    """Return the tokens of all prompts, those that are left when each shared prefix of a variant
    counts once, and whether they are estimates.

    A later turn's prompt holds the turns before it, with answers of `answer_tokens` each, and
    computes only what is new.
    """
    whole = once = 0
    estimated = False
    firsts: defaultdict[tuple[str, str | None, str | None], list[Trial]] = defaultdict(list)
    for trial in trials:
        variant = trial.variant
        firsts[variant.name, variant.system, variant.chat_template].append(trial)
    for group in firsts.values():
        prompts, seen = [], set[str]()
        for trial in group:
            messages = messages_of(trial, (), plan.haystacks)
            prompt = prompt_of(backend, messages, trial.variant, trial.case)
            estimated = estimated or prompt.estimated or prompt.token_ids is None
            turns = [estimate_tokens(turn.user) for turn in trial.case.turns[1:]]
            length = prompt.tokens
            whole += length
            for turn in turns:
                length += round(answer_tokens / len(trial.case.turns)) + turn
                whole += length
            if trial.case.id not in seen:  # a repeat asks the same
                seen.add(trial.case.id)
                once += sum(turns)
                said = "\n".join(f"{m.role}\n{m.content}" for m in prompt.messages)
                prompts.append((prompt.token_ids or tuple(map(ord, said)), prompt.tokens))
        before: tuple[int, ...] = ()
        for ids, tokens in sorted(prompts):
            shared = common_prefix(before, ids)
            once += round(tokens * (1 - shared / len(ids))) if ids else 0
            before = ids
    return whole, once, estimated


def earlier_of(store: Store, suites: Sequence[str]) -> dict[str, Earlier]:
    """Return what the newest finished run of each suite says; noise is the newest measured."""
    found: dict[str, Earlier] = {}
    noise: dict[str, NoiseFloor] = {}
    for info in store.runs():
        for floor in recalled_noise(store, info.id):
            noise.setdefault(floor.suite, floor)
        missing = {suite.name for suite in info.suites} & set(suites) - found.keys()
        if info.finished and missing:
            found.update({name: e for name, e in _said(store, info).items() if name in missing})
    return {
        name: replace(said, noise=noise[name].flip_rate if name in noise else None)
        for name, said in found.items()
    }


def _said(store: Store, info: RunInfo) -> dict[str, Earlier]:
    usage = {used.suite: used for used in usage_of(store, info.id)}
    discordance: dict[str, float] = {}
    rates: dict[str, float] = {}
    tries: dict[str, dict[int, float]] = {}
    if not info.source and count_results(store, info.id) <= MOST_COMPARED:
        for row in judge_run(info, store.results(info.id)).suites:
            if row.rate.n:
                rates.setdefault(row.suite, row.rate.pass_rate)
                found = {each.k: each.estimate for each in row.pass_hat_k}
                known = {k: share for k, share in found.items() if share is not None}
                tries.setdefault(row.suite, known)
            if row.comparison is not None:
                differ = len(row.comparison.worse) + len(row.comparison.better)
                share = likely_discordance(differ, row.comparison.pairs)
                discordance[row.suite] = max(share, discordance.get(row.suite, 0.0))
    return {
        name: Earlier(
            usage=used,
            discordance=discordance.get(name),
            rate=rates.get(name),
            tries=tries.get(name, {}),
            run=info.id,
        )
        for name, used in usage.items()
    }


def hypothetical(variants: Variants, candidates: int) -> Variants:
    """Return the first variant and so many that ask as it does: adapters that do not exist yet."""
    base = variants.members[0]
    others = (Variant(f"candidate-{n}", base.model) for n in range(1, candidates + 1))
    return Variants((base, *others), variants.earlier)
